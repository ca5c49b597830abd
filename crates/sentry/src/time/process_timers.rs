//! Timers that belong to a process and send it signals.

use stockade_abi::signal::SigInfo;

/// The timers of a process.
#[derive(Debug, Default)]
pub struct ProcessTimers {}

impl ProcessTimers {
    /// A signal is taken out of a queue: a timer's overrun count becomes final.
    #[must_use]
    pub fn on_dequeue(&self, info: SigInfo) -> SigInfo {
        info
    }

    /// Deletes the timers of timer_create(2), as execve(2) does.
    pub fn clear_posix(&self) {}

    /// Deletes all: the process has ended.
    pub fn clear(&self) {}
}
