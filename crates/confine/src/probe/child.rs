//! Trying something in a process of its own.

#![expect(unsafe_code, reason = "making processes")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, pidfd_send_signal, waitid};

/// How long a child may take: far more than any needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: i32,
    pidfd: OwnedFd,
    reports: OwnedFd,
    /// Kept open for a child that shares this process's table of descriptors.
    _write: OwnedFd,
}

/// The child's way to say something: one small number after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report(RawFd);

impl Report {
    /// Says `value`.
    pub(super) fn say(self, value: i32) {
        let bytes = value.to_ne_bytes();
        // SAFETY: reads four bytes of a local.
        unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
    }

    /// Stays, for as long as the parent may look at this process; dropping [`Child`] ends it.
    pub(super) fn stay(self) {
        let time = libc::timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        // SAFETY: reads a local, and is told to write nothing.
        unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, ptr::null_mut::<libc::timespec>()) };
    }
}

impl Child {
    /// Forks with the given clone(2) flags; the child runs `body` and ends.
    ///
    /// The caller may have other threads, of whose locks the child has copies that nobody will ever release: `body` must
    /// make plain system calls only, and not allocate.
    pub(super) fn start(flags: i32, body: impl FnOnce(Report)) -> io::Result<Self> {
        let (reports, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut pidfd: RawFd = -1;
        let all = libc::c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
        let none = ptr::null_mut::<libc::c_void>();
        // SAFETY: without CLONE_VM this is a fork; `pidfd` outlives the call, the pointers after it are not used.
        let pid = unsafe { libc::syscall(libc::SYS_clone, all, none, &raw mut pidfd, none, none) };
        match pid {
            0 => {
                body(Report(write.as_raw_fd()));
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(0) }
            }
            -1 => Err(io::Error::last_os_error()),
            _ => {
                // SAFETY: the kernel stored a new descriptor there, which nobody else owns.
                let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
                Ok(Self { pid: pid as i32, pidfd, reports, _write: write })
            }
        }
    }

    /// The next number that the child says; None if it ended or took too long.
    pub(super) fn next(&self) -> Option<i32> {
        self.next_within(PATIENCE)
    }

    /// The same, with less patience.
    pub(super) fn next_within(&self, patience: Duration) -> Option<i32> {
        let timeout = Timespec::try_from(patience).ok()?;
        let mut fds = [PollFd::new(&self.reports, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout))).ok()?;
        if !fds[0].revents().contains(PollFlags::IN) {
            return None;
        }
        let mut bytes = [0; 4];
        let n = rustix::io::read(&self.reports, &mut bytes).ok()?;
        (n == 4).then(|| i32::from_ne_bytes(bytes))
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        if pidfd_send_signal(&self.pidfd, Signal::KILL).is_err()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // An inherited filter may refuse the one and not the other. The number is the child's until it is reaped.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Waits until there is something to read, or the other side is gone. None after `patience`.
pub(super) fn wait_readable(fd: &impl AsFd, patience: Duration) -> Option<PollFlags> {
    let timeout = Timespec::try_from(patience).ok()?;
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    match rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout))) {
        Ok(1..) => Some(fds[0].revents()),
        _ => None,
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        let _ =
            rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED));
    }
}
