//! Clocks and timers.

pub mod clock;
pub mod process_timers;

pub use clock::Clock;
pub use process_timers::ProcessTimers;
