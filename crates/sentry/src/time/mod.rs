//! Clocks and timers.

pub mod clock;
pub mod cpu_clock;
pub mod cpu_limit;
pub mod cpu_watch;
pub mod interval;
pub mod itimer;
pub mod persist;
pub mod posix_timer;
pub mod process_timers;
pub mod queue;
mod service;
pub mod timer_clock;

pub use clock::{Base, Clock};
pub use cpu_clock::{CpuClock, CpuKind, CpuOf};
pub use cpu_limit::CpuLimit;
pub use cpu_watch::CpuWatch;
pub use itimer::Setting;
pub use posix_timer::{Notify, TimerSpec};
pub use process_timers::ProcessTimers;
pub use queue::{Alarm, Slot, TimerQueue};
pub use timer_clock::TimerClock;
