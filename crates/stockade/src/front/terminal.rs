//! The caller's terminal, as it was.

use rustix::fd::BorrowedFd;
use rustix::process::getpgrp;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The modes of the terminal that a standard stream is; dropping it puts them back.
#[derive(Debug)]
pub struct Terminal {
    saved: Option<(BorrowedFd<'static>, Termios)>,
}

impl Terminal {
    /// Remembers the modes, if one of the standard streams is a terminal.
    #[must_use]
    pub fn save() -> Self {
        let streams = [stdin(), stdout(), stderr()];
        Self { saved: streams.into_iter().find_map(|fd| Some((fd, tcgetattr(fd).ok()?))) }
    }
}

impl Drop for Terminal {
    /// Only in the foreground: from the background this would change the modes of whoever uses the terminal now.
    fn drop(&mut self) {
        if let Some((fd, modes)) = &self.saved
            && tcgetpgrp(*fd).is_ok_and(|group| group == getpgrp())
        {
            // A terminal that was hung up needs no modes.
            let _ = tcsetattr(*fd, OptionalActions::Now, modes);
        }
    }
}
