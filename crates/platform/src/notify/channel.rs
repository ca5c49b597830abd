//! How the sentry commands a helper: a batch of operations in a page that the stub can only read, a datagram to wake it,
//! and an answer whose length is all it says.
#![expect(
    unsafe_code,
    reason = "messages with control data, and scheduling calls on other processes, go through libc"
)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use stockade_abi::Errno;

use super::control::ControlPage;
use super::error::last_errno;
use super::layout as l;
use crate::{CPU_WORDS, CpuSet};

/// One operation of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) nr: u64,
    pub(crate) args: [u64; 6],
    pub(crate) kind: u64,
}

impl Op {
    /// A plain call of the host.
    pub(crate) fn call(nr: libc::c_long, args: [u64; 6]) -> Self {
        Self { nr: nr as u64, args, kind: l::KIND_PLAIN }
    }
}

/// The helper of one stub, or the zygote.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    page: Arc<ControlPage>,
    pid: i32,
    /// CPU that the helper was last told to run on.
    cpu: Option<usize>,
    first: First,
}

/// What a new stub says of its own accord: who it is, and the listener of the guest thread that it has made.
#[derive(Debug)]
enum First {
    /// Nothing, or not any more.
    None,
    /// The next message is it.
    Coming,
    /// It is here.
    Here(Result<Hello, Errno>),
}

/// The first message of a new stub.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Who it is, as the host says.
    pub(crate) identity: Identity,
    /// The listener of its first guest thread, or why there is none.
    pub(crate) listener: Result<OwnedFd, Errno>,
}

/// A process of the host.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// What is said of a stub that is not there: no process has this number.
pub(crate) const NOBODY: i32 = i32::MAX;

/// A descriptor in a message can only be counted on if it was alone in it.
const CONTROL_LEN: usize = 256;
const SO_PASSPIDFD: libc::c_int = 76;
const SCM_PIDFD: libc::c_int = 4;

impl Channel {
    pub(crate) fn new(socket: OwnedFd, page: Arc<ControlPage>, pid: i32) -> Self {
        Self { socket, page, pid, cpu: None, first: First::None }
    }

    /// Has `parent` fork a stub that answers at `socket`, and does not wait for it.
    pub(crate) fn born_of(
        parent: &mut Self,
        fork: Op,
        fds: &[BorrowedFd<'_>],
        socket: OwnedFd,
        page: Arc<ControlPage>,
    ) -> Result<Self, Errno> {
        page.write_batch(&[], 0);
        pass_identity(&socket, true)?;
        parent.run(&[fork], fds).map_err(|(_, e)| e)?;
        Ok(Self { first: First::Coming, cpu: parent.cpu, ..Self::new(socket, page, NOBODY) })
    }

    /// Carries out a batch. The descriptors get the numbers 1, 2, … in the helper, and are closed after the batch.
    ///
    /// # Errors
    /// The index of the operation that failed, and why; ESRCH if the helper is no more, ETIMEDOUT if it did not answer.
    pub(crate) fn run(&mut self, ops: &[Op], fds: &[BorrowedFd<'_>]) -> Result<(), (usize, Errno)> {
        self.receive_first();
        self.send(ops, fds).map_err(|e| (0, e))?;
        let (len, _) = receive(&self.socket).map_err(|e| (0, e))?;
        outcome(len)
    }

    /// Has the helper make a guest thread; returns its listener.
    pub(crate) fn thread(&mut self, op: Op) -> Result<OwnedFd, Errno> {
        self.receive_first();
        self.send(&[op], &[])?;
        self.receive_listener()
    }

    /// What the stub has said of its own accord, once: waits for it.
    pub(crate) fn hello(&mut self) -> Option<Result<Hello, Errno>> {
        self.receive_first();
        match std::mem::replace(&mut self.first, First::None) {
            First::Here(hello) => Some(hello),
            First::None | First::Coming => None,
        }
    }

    /// It comes before all answers.
    fn receive_first(&mut self) {
        if matches!(self.first, First::Coming) {
            let hello = hello(&self.socket);
            if let Ok(hello) = &hello {
                self.pid = hello.identity.pid;
            }
            self.first = First::Here(hello);
        }
    }

    fn receive_listener(&self) -> Result<OwnedFd, Errno> {
        let (len, listener) = receive(&self.socket)?;
        listener_of(len, listener)
    }

    fn send(&mut self, ops: &[Op], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        if ops.len() > l::MAX_OPS || fds.len() > l::MAX_FDS {
            return Err(Errno::EINVAL);
        }
        self.page.write_batch(ops, fds.len());
        self.move_here();
        send(&self.socket, fds)
    }

    /// Moves the helper to the CPU of the caller, who is about to wait for it: waking another, idle CPU costs tens of
    /// microseconds, changing places on this one only a few.
    fn move_here(&mut self) {
        let cpu = current_cpu();
        if cpu.is_some() && cpu != self.cpu {
            set_affinity(self.pid, cpu);
            self.cpu = cpu;
        }
    }

    /// Writes data that operations of the next batch point to; returns its address in the stub.
    pub(crate) fn put(&self, at: usize, bytes: &[u8]) -> Result<u64, Errno> {
        self.page.put(at, bytes)
    }
}

/// The CPU that the caller runs on.
pub(crate) fn current_cpu() -> Option<usize> {
    // SAFETY: no pointers.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// Restricts a thread to one CPU. A failure changes only how fast things go.
pub(crate) fn set_affinity(tid: i32, cpu: Option<usize>) {
    let mut set = [0; CPU_WORDS];
    if let Some(cpu) = cpu
        && let Some(word) = set.get_mut(cpu / 64)
    {
        *word = 1 << (cpu % 64);
        set_cpus(tid, &set);
    }
}

/// Restricts a thread to some CPUs. A failure changes only how fast things go.
pub(crate) fn set_cpus(tid: i32, set: &CpuSet) {
    // SAFETY: the set is valid for its size.
    unsafe { libc::sched_setaffinity(tid, size_of_val(set), set.as_ptr().cast()) };
}

fn outcome(len: usize) -> Result<(), (usize, Errno)> {
    match len {
        0 => Err((0, Errno::ESRCH)),
        1 => Ok(()),
        _ => {
            let stride = l::REPLY_STRIDE as usize;
            Err(((len - 1) / stride, Errno::from_raw(((len - 1) % stride) as i32)))
        }
    }
}

fn listener_of(len: usize, listener: Option<OwnedFd>) -> Result<OwnedFd, Errno> {
    match (len, listener) {
        (1, Some(listener)) => Ok(listener),
        (len, _) => Err(outcome(len).err().map_or(Errno::EAGAIN, |(_, e)| e)),
    }
}

/// A pair of sockets for a helper; on ours, a receive ends after a generous time.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [-1; 2];
    // SAFETY: the array takes two descriptors.
    let r = unsafe {
        libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr())
    };
    if r < 0 {
        return Err(last_errno());
    }
    // SAFETY: the call gave us both.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    let timeout = libc::timeval { tv_sec: 30, tv_usec: 0 };
    // SAFETY: the option takes a timeval.
    let r = unsafe {
        libc::setsockopt(
            ours.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const timeout).cast(),
            size_of_val(&timeout) as u32,
        )
    };
    if r < 0 { Err(last_errno()) } else { Ok((ours, theirs)) }
}

/// Control data, aligned as `struct cmsghdr` wants it.
#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

fn send(socket: &OwnedFd, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut byte = 0u8;
    let mut iov = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut control = Control([0; CONTROL_LEN]);
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    if !fds.is_empty() {
        let len = 16 + 4 * fds.len();
        control.0[..8].copy_from_slice(&(len as u64).to_ne_bytes());
        control.0[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control.0[12..16].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
        for (slot, fd) in control.0[16..].chunks_exact_mut(4).zip(fds) {
            slot.copy_from_slice(&fd.as_raw_fd().to_ne_bytes());
        }
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = len;
    }
    loop {
        // SAFETY: the header points to live buffers of the lengths it says.
        let r = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
        if r >= 0 {
            return Ok(());
        }
        match last_errno() {
            Errno::EINTR => {}
            Errno::EPIPE | Errno::ECONNRESET => return Err(Errno::ESRCH),
            e => return Err(e),
        }
    }
}

/// Receives one datagram: its true length, and the control data.
fn receive_control(socket: &OwnedFd, control: &mut Control) -> Result<(usize, usize), Errno> {
    let mut byte = 0u8;
    let mut iov = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_LEN;
    loop {
        // SAFETY: the header points to live buffers of the lengths it says.
        let r = unsafe {
            libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC)
        };
        if r >= 0 {
            return Ok((r as usize, message.msg_controllen.min(CONTROL_LEN)));
        }
        match last_errno() {
            Errno::EINTR => {}
            Errno::EAGAIN => return Err(Errno::ETIMEDOUT),
            Errno::ECONNRESET => return Err(Errno::ESRCH),
            e => return Err(e),
        }
    }
}

/// The control messages in a buffer: type and payload.
fn messages(control: &Control, len: usize) -> Vec<(i32, &[u8])> {
    let mut found = Vec::new();
    let mut rest = &control.0[..len];
    while rest.len() >= 16 {
        let word = |at: usize| i32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let total = word(0) as usize;
        if total < 16 || total > rest.len() {
            break;
        }
        if word(8) == libc::SOL_SOCKET {
            found.push((word(12), &rest[16..total]));
        }
        rest = &rest[total.next_multiple_of(8).min(rest.len())..];
    }
    found
}

fn words(payload: &[u8]) -> impl Iterator<Item = i32> {
    payload.chunks_exact(4).map(|w| i32::from_ne_bytes([w[0], w[1], w[2], w[3]]))
}

/// One datagram's length, and the first descriptor that came with it; others are closed.
fn receive(socket: &OwnedFd) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut control = Control([0; CONTROL_LEN]);
    let (len, control_len) = receive_control(socket, &mut control)?;
    let mut fds = Vec::new();
    for (kind, payload) in messages(&control, control_len) {
        fds.extend(descriptors(kind, libc::SCM_RIGHTS, payload));
    }
    Ok((len, fds.into_iter().next()))
}

/// The descriptors of a control message that the host has just given us, if it is of this kind. In the place of a pidfd that it
/// could not make (EMFILE, ESRCH) there is the error.
fn descriptors(kind: i32, wanted: i32, payload: &[u8]) -> Vec<OwnedFd> {
    let fds = words(if kind == wanted { payload } else { &[] }).filter(|&fd| fd >= 0);
    // SAFETY: the host has just installed these descriptors for us, and each message is looked at once.
    fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect()
}

/// Asks for the sender's identity with messages, or no more.
pub(crate) fn pass_identity(socket: &OwnedFd, on: bool) -> Result<(), Errno> {
    let value = libc::c_int::from(on);
    for option in [libc::SO_PASSCRED, SO_PASSPIDFD] {
        // SAFETY: both options take an int.
        let r = unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), 4)
        };
        if r < 0 {
            return Err(last_errno());
        }
    }
    Ok(())
}

/// The first message of a new stub; from then on its answers come alone.
fn hello(socket: &OwnedFd) -> Result<Hello, Errno> {
    let mut control = Control([0; CONTROL_LEN]);
    let (len, control_len) = receive_control(socket, &mut control)?;
    let (mut pid, mut pidfds, mut listeners) = (None, Vec::new(), Vec::new());
    for (kind, payload) in messages(&control, control_len) {
        if kind == libc::SCM_CREDENTIALS {
            pid = words(payload).next();
        }
        pidfds.extend(descriptors(kind, SCM_PIDFD, payload));
        listeners.extend(descriptors(kind, libc::SCM_RIGHTS, payload));
    }
    pass_identity(socket, false)?;
    match (pid, pidfds.into_iter().next()) {
        (Some(pid), Some(pidfd)) if pid > 0 => {
            let listener = listener_of(len, listeners.into_iter().next());
            Ok(Hello { identity: Identity { pid, pidfd }, listener })
        }
        _ => Err(Errno::ESRCH),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn an_error_is_no_descriptor() {
        let (fd, _other) = std::io::pipe().unwrap();
        let fd = OwnedFd::from(fd).into_raw_fd();
        let payload: Vec<u8> =
            [-libc::EMFILE, fd, -1, -libc::ESRCH].into_iter().flat_map(i32::to_ne_bytes).collect();
        assert!(descriptors(libc::SCM_RIGHTS, SCM_PIDFD, &payload).is_empty());
        let found = descriptors(SCM_PIDFD, SCM_PIDFD, &payload);
        assert_eq!(found.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>(), [fd]);
    }
}
