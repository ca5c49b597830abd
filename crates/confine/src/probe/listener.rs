//! A child process under a filter whose notifications this process receives (seccomp_unotify(2)).

#![expect(unsafe_code, reason = "filters, and ioctls that rustix lacks")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use libc::{sock_filter, sock_fprog};
use rustix::event::PollFlags;

use super::child::{Child, Report, wait_readable};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: u64 = 1;

/// An instruction of a filter.
pub(super) fn op(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// The child, and its listener.
#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    pub(super) child: Child,
}

impl Listener {
    /// A child that puts itself under `program`, with these flags, and runs `body`, which is bound as that of
    /// [`Child::start`] is. It shares this process's descriptors, which is how the listener gets here.
    pub(super) fn start(program: &[sock_filter], flags: u64, body: impl FnOnce(Report)) -> io::Result<Self> {
        let program = sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
        let child = Child::start(libc::CLONE_FILES, |report| {
            // SAFETY: the program lives through the call that installs it; the other takes no pointers.
            let fd = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
            };
            if fd < 0 {
                // SAFETY: the C library's errno of this thread.
                return report.say(-unsafe { *libc::__errno_location() });
            }
            report.say(fd as i32);
            body(report);
        })?;
        match child.next() {
            // SAFETY: the child made it in the table that it shares with this process, and leaves it.
            Some(fd) if fd >= 0 => Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, child }),
            Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    pub(super) fn set_sync(&self) -> io::Result<()> {
        // SAFETY: this request takes a number.
        let r = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP)
        };
        if r < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// What happens to it within `patience`: a call, its end, or nothing.
    pub(super) fn wait(&self, patience: Duration) -> Option<PollFlags> {
        wait_readable(&self.fd, patience)
    }

    /// Waits for a call: its id and number.
    pub(super) fn receive(&self) -> io::Result<(u64, u32)> {
        receive(self.fd.as_fd())
    }

    /// Has the call return `val`, or fail with `errno` if that is not 0.
    pub(super) fn answer(&self, id: u64, val: i64, errno: i32) -> io::Result<()> {
        let answer = libc::seccomp_notif_resp { id, val, error: -errno, flags: 0 };
        // SAFETY: the structure has the size that the request's number says.
        let r = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw const answer)
        };
        if r < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits for a call of a listener: its id and number.
pub(super) fn receive(listener: BorrowedFd<'_>) -> io::Result<(u64, u32)> {
    // SAFETY: plain integers, which have to be zero.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure has the size that the request's number says.
    let r = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut call) };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok((call.id, call.data.nr as u32)) }
}
