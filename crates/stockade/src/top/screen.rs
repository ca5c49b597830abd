//! The terminal as `top` has it, and as it was before.

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;

/// Signals that end the command, after the terminal is as it was.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// The alternate screen, in raw mode, until this is dropped or the program panics.
pub(super) struct Screen {
    signals: SignalFd,
    before: SigSet,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let set: SigSet = ENDING.into_iter().collect();
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let screen = Self { signals, before };
        begin()?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            end();
            hook(info);
        }));
        Ok(screen)
    }

    /// A signal that is to end the command.
    pub(super) fn signal(&mut self) -> Option<i32> {
        self.signals.read_signal().ok().flatten().map(|info| info.ssi_signo.cast_signed())
    }

    /// Stops the command, as Ctrl-Z does; returns when it goes on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        end();
        raise(Signal::SIGTSTP)?;
        begin()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        end();
        // Fails for no valid mask.
        let _ = self.before.thread_set_mask();
    }
}

fn begin() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

/// A terminal that is gone needs nothing.
fn end() {
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
