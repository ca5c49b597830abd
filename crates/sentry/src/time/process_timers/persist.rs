//! The saved form of [`ProcessTimers`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Due, ProcessTimers, Which};
use crate::persist::{RestoreError, Restorer, Saver};
use crate::time::itimer::ItimerState;
use crate::time::posix_timer::PosixTimerState;
use crate::vfs::quota::SIGNALS;

/// [`ProcessTimers`]
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ProcessTimersState {
    real: ItimerState,
    user: ItimerState,
    total: ItimerState,
    posix: Vec<PosixTimerState>,
    next_id: i32,
}

impl ProcessTimers {
    /// Its saved form. Tasks have their ids already.
    pub fn save(&self, saver: &mut Saver) -> ProcessTimersState {
        let state = self.state.lock();
        ProcessTimersState {
            real: state.real.save(),
            user: state.user.save(),
            total: state.total.save(),
            posix: state.posix.values().map(|timer| timer.save(saver)).collect(),
            next_id: state.next_id,
        }
    }

    /// Sets the timers of a process that has none yet, and has them run. To be called when all tasks are there.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn restore(
        &self,
        saved: ProcessTimersState,
        restorer: &mut Restorer<'_>,
    ) -> Result<(), RestoreError> {
        let kernel = Arc::clone(restorer.kernel());
        if !SIGNALS.has_room(saved.posix.len()) {
            return Err(RestoreError::new("a process has too many timers"));
        }
        let mut state = self.state.lock();
        state.real.restore(&saved.real, &kernel)?;
        state.user.restore(&saved.user, &kernel)?;
        state.total.restore(&saved.total, &kernel)?;
        for timer in saved.posix {
            let id = timer.id;
            let due = Arc::new(Due { timers: self.me.clone(), which: Which::Posix(id) });
            let timer = timer.restore(due, restorer)?;
            if id < 0 || state.posix.insert(id, timer).is_some() {
                return Err(RestoreError::new(format!("timer {id} is there twice, or cannot be")));
            }
        }
        state.next_id = saved.next_id.max(0);
        self.note_count(&mut state);
        Ok(())
    }
}
