//! The saved form of [`TimerFd`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{State, TimerFd};
use crate::persist::{RestoreError, Restorer};
use crate::time::Base;
use crate::time::interval::MAX;
use crate::vfs::FileOps;

/// A [`TimerFd`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TimerFdState {
    clock_id: u32,
    clock: Base,
    base: Option<Base>,
    next: u64,
    armed: bool,
    interval: u64,
    ticks: u64,
    rests: bool,
    /// It is to be told when the clock is set.
    cancel_on_set: bool,
    flags: u32,
}

impl TimerFdState {
    pub(super) fn save(timer: &TimerFd) -> Self {
        let state = timer.state.lock();
        Self {
            clock_id: timer.clock_id,
            clock: timer.clock,
            base: state.base,
            next: state.next,
            armed: state.armed,
            interval: state.interval,
            ticks: state.ticks,
            rests: state.rests,
            cancel_on_set: state.cancel_on_set.is_some(),
            flags: state.flags,
        }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        if self.next > MAX || self.interval > MAX {
            return Err(RestoreError::new("a time that there is not"));
        }
        let timers = &restorer.kernel().timers;
        let timer = TimerFd::new(self.clock_id, self.clock, timers);
        *timer.state.lock() = State {
            next: self.next,
            armed: self.armed,
            interval: self.interval,
            ticks: self.ticks,
            rests: self.rests,
            // Real time has jumped, as by a suspend, of which Linux tells, too.
            cancel_on_set: self.cancel_on_set.then(|| timers.clock_sets().wrapping_sub(1)),
            flags: self.flags,
            base: self.base,
        };
        if self.armed {
            let timer = Arc::clone(&timer);
            restorer.later(move |_| {
                let scheduled = timer.schedule(&timer.state.lock());
                scheduled.map_err(|e| RestoreError::refused("a timer", e))
            });
        }
        Ok(timer)
    }
}
