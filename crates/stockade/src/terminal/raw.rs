//! The caller's terminal, raw for a while.

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io;

/// The terminal that standard input is, raw; dropping it gives it its modes back.
#[derive(Debug)]
pub(crate) struct Raw {
    saved: Termios,
}

impl Raw {
    /// Makes it raw; none if standard input is no terminal.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        let Ok(saved) = tcgetattr(stdin()) else { return Ok(None) };
        let raw = Self { saved };
        raw.again()?;
        Ok(Some(raw))
    }

    /// Once more: a shell that stopped and continued this process gave it other modes.
    pub(crate) fn again(&self) -> io::Result<()> {
        let mut modes = self.saved.clone();
        modes.make_raw();
        Ok(tcsetattr(stdin(), OptionalActions::Drain, &modes)?)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that was hung up needs no modes.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.saved);
    }
}
