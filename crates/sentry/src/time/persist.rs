//! The saved forms of clocks and timers.

pub use super::timer_clock::ClockState;
