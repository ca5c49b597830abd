//! The sentry's end of a guest thread's notification listener (seccomp_unotify(2)).
#![expect(unsafe_code, reason = "ioctls that rustix does not have")]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stockade_abi::Errno;

use super::error::last_errno;

const NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const NOTIF_SEND: libc::c_ulong = 0xc018_2101;
const NOTIF_SET_FLAGS: libc::c_ulong = 0x4008_2104;
const SYNC_WAKE_UP: u64 = 1;

/// `struct seccomp_notif`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The thread, as the sentry's PID namespace numbers it.
    pub(crate) pid: u32,
    pub(crate) flags: u32,
    pub(crate) nr: i32,
    pub(crate) arch: u32,
    pub(crate) ip: u64,
    pub(crate) args: [u64; 6],
}

/// `struct seccomp_notif_resp`
#[repr(C)]
struct Response {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

/// A guest thread's listener.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

impl Listener {
    /// Takes the descriptor into use: from now on either side's wake-up hands its CPU over.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        // SAFETY: this ioctl takes a number, no pointer.
        let r = unsafe { libc::ioctl(fd.as_raw_fd(), NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
        if r < 0 { Err(last_errno()) } else { Ok(Self(fd)) }
    }

    /// Waits for the next call; `None` when the thread is no more.
    pub(crate) fn receive(&self) -> Option<Notification> {
        loop {
            let mut notification = Notification::default();
            // SAFETY: the structure has the size that the ioctl's number says, and is zero as the host demands.
            let r = unsafe { libc::ioctl(self.0.as_raw_fd(), NOTIF_RECV, &raw mut notification) };
            if r == 0 {
                return Some(notification);
            }
            // ENOENT: the call was interrupted before we received it, or the thread died.
            if last_errno() != Errno::EINTR && self.hung_up() {
                return None;
            }
        }
    }

    /// Answers a call: what goes into rax. A thread that has died meanwhile is noticed at the next receive.
    pub(crate) fn answer(&self, id: u64, rax: u64) {
        let response = Response { id, val: rax as i64, error: 0, flags: 0 };
        // SAFETY: the structure has the size that the ioctl's number says.
        unsafe { libc::ioctl(self.0.as_raw_fd(), NOTIF_SEND, &raw const response) };
    }

    fn hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Ok(_) => fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
            Err(_) => false,
        }
    }
}

const _: () = assert!(size_of::<Notification>() == 80 && size_of::<Response>() == 24);
