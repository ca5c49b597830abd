//! The fork that makes the sentry.
#![expect(unsafe_code, reason = "clone3(2) has no safe form")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use linux_raw_sys::general::{CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP, clone_args};

use super::Maps;
use super::child::{Setup, prepare};
use super::handle::SentryHandle;
use crate::crash::CRASH_STATUS;
use crate::error::{Error, Step};
use crate::host::SentryHost;
use crate::link::Link;

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// Forks. Returns in the front only.
pub(crate) fn clone_sentry<F>(front: Link, setup: Setup<'_>, sentry: F) -> Result<(SentryHandle, Maps), Error>
where
    F: FnOnce(SentryHost) -> u8,
{
    let mut pidfd: i32 = -1;
    let mut args = clone_args {
        flags: NAMESPACES as u64 | libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: (&raw mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(tid) = own_tid_word() {
        args.flags |= (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
        args.child_tid = tid;
    }
    if let Some(group) = setup.options.cgroup.and_then(|c| c.clone_into()) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    let old = block_signals();
    // SAFETY: without CLONE_VM this is a fork: the child has its own copy of everything, this thread's stack included,
    // and the process has no other threads (checked by the caller), so no lock is held by anybody. `args` is whole
    // and its pointers lead to words that live on in both.
    let mut pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<clone_args>()) };
    let without_clone3 =
        pid < 0 && matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS | libc::EPERM));
    if without_clone3 {
        pid = plain_clone(&args);
    }
    if pid == 0 {
        if without_clone3 {
            reset_handlers();
        }
        restore_signals(&[0; 16]);
        // The front's end belongs to the front; this copy was closed with all others.
        let front = std::mem::ManuallyDrop::new(front);
        let status = catch_unwind(AssertUnwindSafe(|| run(&front, setup, sentry))).unwrap_or(CRASH_STATUS);
        // SAFETY: ends the process at once; what the front registered with atexit(3) is the front's.
        unsafe { libc::_exit(status.into()) }
    }
    let error = io::Error::last_os_error();
    restore_signals(&old);
    if pid < 0 {
        return Err(super::explain(Error::new("making the sandbox's namespaces (clone(2))", error)));
    }
    // SAFETY: the call succeeded with CLONE_PIDFD, so this is a fresh descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // The sentry's end of the link is closed here with the rest, so that the front sees it end.
    let Setup { crash, maps, options, .. } = setup;
    let handle = SentryHandle::new(pid as i32, pidfd, front, crash);
    if without_clone3 && let Some(group) = options.cgroup.and_then(|c| c.clone_into()) {
        enter(group, handle.pid()).step("entering the cgroup")?;
    }
    Ok((handle, maps))
}

/// The sentry's life.
fn run<F>(front: &Link, setup: Setup<'_>, sentry: F) -> u8
where
    F: FnOnce(SentryHost) -> u8,
{
    match prepare(front, setup) {
        Ok(host) => sentry(host),
        Err((link, error)) => {
            // Nobody is left to hear of it if this fails too; the front sees the end.
            let _ = link.send(error.to_string().as_bytes(), &[]);
            CRASH_STATUS
        }
    }
}

/// clone(2) with what of `args` it knows, for where clone3(2) is refused: containers' filters answer ENOSYS, or EPERM.
fn plain_clone(args: &clone_args) -> libc::c_long {
    let flags = args.flags & !(CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP) | args.exit_signal;
    #[cfg(target_arch = "x86_64")]
    let (fourth, fifth) = (args.child_tid, 0u64);
    #[cfg(target_arch = "aarch64")]
    let (fourth, fifth) = (0u64, args.child_tid);
    // SAFETY: as clone3; without a stack the child goes on with a copy of this one, and the pidfd takes the parent's word.
    unsafe { libc::syscall(libc::SYS_clone, flags, 0u64, args.pidfd, fourth, fifth) }
}

/// What CLONE_CLEAR_SIGHAND does: handlers become the default, ignored signals stay ignored.
fn reset_handlers() {
    for signal in 1..=64 {
        // SAFETY: zero is a valid sigaction: the default, an empty mask.
        let (default, mut now): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        // SAFETY: both are locals; no handler is installed. Signals that cannot be asked for have none.
        unsafe {
            if libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0
                && now.sa_sigaction != libc::SIG_IGN
            {
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            }
        }
    }
}

/// Moves a process, which waits and has one thread, into a group of version 2.
fn enter(group: BorrowedFd<'_>, pid: i32) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, openat};
    let file = openat(group, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, pid.to_string().as_bytes())?;
    Ok(())
}

/// Where the C library keeps this thread's id, for the host to set in the child, as its own fork does. `None` where the
/// host does not tell or the library does otherwise; little depends on it.
fn own_tid_word() -> Option<u64> {
    let word = rustix::thread::get_clear_child_tid_address().ok()??;
    // SAFETY: the host takes this address for one that it may write a thread id to when the thread ends, so it is
    // mapped and aligned; only this thread exists.
    let id = unsafe { word.cast::<i32>().as_ptr().read_volatile() };
    (id == rustix::thread::gettid().as_raw_nonzero().get()).then_some(word.as_ptr() as u64)
}

/// A kernel signal set, in the size of the C library's.
type SigSet = [u64; 16];

fn block_signals() -> SigSet {
    let mut old = [0; 16];
    // SAFETY: both are as large as sigset_t.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, [u64::MAX; 16].as_ptr().cast(), old.as_mut_ptr().cast())
    };
    old
}

fn restore_signals(old: &SigSet) {
    // SAFETY: as large as sigset_t.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr().cast(), std::ptr::null_mut()) };
}

const _: () = assert!(size_of::<SigSet>() == size_of::<libc::sigset_t>());
