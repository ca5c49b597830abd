//! The saved forms of clocks and timers.

pub use super::process_timers::ProcessTimersState;
pub use super::timer_clock::ClockState;
