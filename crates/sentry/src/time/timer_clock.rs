//! All clocks that a timer can run on.

mod persist;

use std::sync::{Arc, Weak};

use super::clock::Base;
use super::cpu_clock::CpuClock;
use super::queue::{Alarm, Slot};
use crate::task::Kernel;

pub use persist::ClockState;

/// A clock that a timer can run on.
#[derive(Clone)]
pub enum TimerClock {
    /// One that goes on by itself.
    Base(Base),
    /// CPU time.
    Cpu(CpuClock),
}

impl TimerClock {
    /// What it shows, in nanoseconds; none once whose time it counts is no more.
    #[must_use]
    pub fn now(&self, kernel: &Kernel) -> Option<u64> {
        match self {
            Self::Base(base) => Some(base.now()),
            Self::Cpu(clock) => clock.now(kernel),
        }
    }

    /// The clock on which a relative time runs.
    #[must_use]
    pub fn for_relative(&self) -> Self {
        match self {
            Self::Base(base) => Self::Base(base.for_relative()),
            Self::Cpu(clock) => Self::Cpu(clock.clone()),
        }
    }

    /// Has an alarm told when the clock shows `at`, in place of what its slot was used for on this clock.
    pub fn schedule(&self, kernel: &Kernel, slot: &Slot, at: u64, alarm: &Arc<impl Alarm + 'static>) {
        let alarm: Weak<dyn Alarm> = Arc::downgrade(alarm) as Weak<dyn Alarm>;
        match self {
            Self::Base(base) => {
                if let Err(error) = kernel.timers.schedule(slot, *base, at, alarm) {
                    // Without a thread to serve it no timer of the sandbox works.
                    tracing::error!(%error, "a timer cannot be served");
                }
            }
            Self::Cpu(clock) => {
                if let Some(process) = clock.process() {
                    process.cpu_watch.schedule(slot, clock, at, alarm);
                }
            }
        }
    }

    /// Takes an alarm out.
    pub fn cancel(&self, kernel: &Kernel, slot: &Slot) {
        match self {
            Self::Base(_) => kernel.timers.cancel(slot),
            Self::Cpu(clock) => {
                if let Some(process) = clock.process() {
                    process.cpu_watch.cancel(slot);
                }
            }
        }
    }
}
