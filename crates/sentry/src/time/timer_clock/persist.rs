//! The saved form of [`TimerClock`].

use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};

use super::TimerClock;
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::task::persist::{TaskState, ThreadGroupState};
use crate::time::Base;
use crate::time::cpu_clock::{CpuClock, CpuKind, CpuOf};

/// A [`TimerClock`]. Of what has ended, nothing is left but that it counts its time.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as what it is the form of")]
pub enum ClockState {
    Base(Base),
    Process(Option<Id<ThreadGroupState>>, CpuKind),
    Thread(Option<Id<TaskState>>, CpuKind),
}

impl ClockState {
    /// Saves a clock.
    pub fn save(clock: &TimerClock, saver: &mut Saver) -> Self {
        match clock {
            TimerClock::Base(base) => Self::Base(*base),
            TimerClock::Cpu(CpuClock { of: CpuOf::Process(tg), kind }) => {
                Self::Process(tg.upgrade().and_then(|tg| saver.known(&tg)), *kind)
            }
            TimerClock::Cpu(CpuClock { of: CpuOf::Thread(task), kind }) => {
                Self::Thread(task.upgrade().and_then(|task| saver.known(&task)), *kind)
            }
        }
    }

    /// The clock again. To be called later than the making of tasks ([`Restorer::later`]).
    ///
    /// # Errors
    /// If there is no such process or thread.
    pub fn restore(self, restorer: &mut Restorer<'_>) -> Result<TimerClock, RestoreError> {
        let (of, kind) = match self {
            Self::Base(base) => return Ok(TimerClock::Base(base)),
            Self::Process(tg, kind) => {
                let tg = tg.map(|tg| restorer.get(tg)).transpose()?;
                (CpuOf::Process(tg.map_or_else(Weak::new, |tg| Arc::downgrade(&tg))), kind)
            }
            Self::Thread(task, kind) => {
                let task = task.map(|task| restorer.get(task)).transpose()?;
                (CpuOf::Thread(task.map_or_else(Weak::new, |task| Arc::downgrade(&task))), kind)
            }
        };
        Ok(TimerClock::Cpu(CpuClock { of, kind }))
    }
}
