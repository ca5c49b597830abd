//! Clocks and timers.

pub mod clock;
pub mod interval;
pub mod itimer;
pub mod process_timers;
pub mod queue;
mod service;

pub use clock::{Base, Clock};
pub use process_timers::ProcessTimers;
pub use queue::{Alarm, Slot, TimerQueue};
