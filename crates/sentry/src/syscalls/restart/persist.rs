//! The saved form of [`RestartBlock`].

use serde::{Deserialize, Serialize};

use super::RestartBlock;
use crate::persist::{RestoreError, Restorer, Saver};
use crate::syscalls::futex::FutexWait;
use crate::syscalls::poll::Poll;
use crate::syscalls::sleep::{Sleep, Until};
use crate::time::clock::Deadline;
use crate::time::persist::ClockState;

/// A [`RestartBlock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RestartState {
    Sleep { until: Option<Deadline>, left_at: u64 },
    ClockSleep { clock: ClockState, until: u64, left_at: u64 },
    FutexWait { addr: u64, private: bool, value: u32, bitset: u32, deadline: Option<Deadline> },
    Poll { addr: u64, count: u64, deadline: Option<Deadline> },
}

impl RestartBlock {
    pub(crate) fn save(&self, saver: &mut Saver) -> RestartState {
        match self.clone() {
            Self::Sleep(Sleep { until: Until::Instant(until), left_at }) => {
                RestartState::Sleep { until: until.map(Deadline::of), left_at }
            }
            Self::Sleep(Sleep { until: Until::Clock(clock, until), left_at }) => {
                RestartState::ClockSleep { clock: ClockState::save(&clock, saver), until, left_at }
            }
            Self::FutexWait(FutexWait { addr, private, value, bitset, deadline }) => {
                let deadline = deadline.map(Deadline::of);
                RestartState::FutexWait { addr, private, value, bitset, deadline }
            }
            Self::Poll(Poll { addr, count, deadline }) => {
                RestartState::Poll { addr, count, deadline: deadline.map(Deadline::of) }
            }
        }
    }
}

impl RestartState {
    /// The block again. To be called later than the making of tasks.
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<RestartBlock, RestoreError> {
        Ok(match self {
            Self::Sleep { until, left_at } => {
                RestartBlock::Sleep(Sleep { until: Until::Instant(until.map(Deadline::instant)), left_at })
            }
            Self::ClockSleep { clock, until, left_at } => {
                let until = Until::Clock(clock.restore(restorer)?, until);
                RestartBlock::Sleep(Sleep { until, left_at })
            }
            Self::FutexWait { addr, private, value, bitset, deadline } => {
                let deadline = deadline.map(Deadline::instant);
                RestartBlock::FutexWait(FutexWait { addr, private, value, bitset, deadline })
            }
            Self::Poll { addr, count, deadline } => {
                RestartBlock::Poll(Poll { addr, count, deadline: deadline.map(Deadline::instant) })
            }
        })
    }
}
