//! A pseudoterminal of the host, between the caller and the sentry.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    OptionalActions, Winsize, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::io;

/// Both sides.
#[derive(Debug)]
pub(crate) struct Outer {
    /// Does not block.
    pub(crate) master: OwnedFd,
    /// For the sentry.
    pub(crate) slave: OwnedFd,
}

impl Outer {
    /// Makes one with modes and window of the caller's terminal, if there is one: that is what the terminal inside begins
    /// with.
    pub(crate) fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        unlockpt(&master)?;
        let slave =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        if let Ok(modes) = tcgetattr(stdin()) {
            tcsetattr(&slave, OptionalActions::Now, &modes)?;
        }
        if let Some(size) = window() {
            tcsetwinsize(&slave, size)?;
        }
        Ok(Self { master, slave })
    }
}

/// The size of the caller's window.
pub(super) fn window() -> Option<Winsize> {
    [stdin(), stdout()].into_iter().find_map(|fd| tcgetwinsize(fd).ok())
}

/// Stops this process group until it is in the foreground of the terminal that standard input is, as any program that wants
/// to change the terminal's modes is stopped. For before signals are blocked.
pub(crate) fn wait_for_foreground() {
    let is_background = |fd: BorrowedFd<'_>| tcgetpgrp(fd).is_ok_and(|group| group != getpgrp());
    while is_background(stdin().as_fd()) {
        if kill_current_process_group(Signal::TTIN).is_err() {
            return;
        }
    }
}
