//! The saved form of [`PosixTimer`].

use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use stockade_abi::signal::is_valid;

use super::{Notify, PosixTimer, Status, TimerSpec};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::task::persist::TaskState;
use crate::time::interval::MAX;
use crate::time::process_timers::Due;
use crate::time::timer_clock::ClockState;

/// A [`PosixTimer`].
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::time) struct PosixTimerState {
    pub(in crate::time) id: i32,
    /// What it was made with.
    clock: ClockState,
    notify: NotifyState,
    signo: i32,
    value: Option<u64>,
    /// What it runs on now.
    runs_on: ClockState,
    status: Status,
    next: u64,
    interval: u64,
    overrun: i64,
    last_overrun: i64,
    seq: u32,
}

/// A [`Notify`]; of a thread that has ended, none is left.
#[derive(Debug, Serialize, Deserialize)]
enum NotifyState {
    Nothing,
    Process,
    Thread(Option<Id<TaskState>>),
}

impl PosixTimer {
    pub(in crate::time) fn save(&self, saver: &mut Saver) -> PosixTimerState {
        PosixTimerState {
            id: self.id,
            clock: ClockState::save(&self.spec.clock, saver),
            notify: match &self.spec.notify {
                Notify::Nothing => NotifyState::Nothing,
                Notify::Process => NotifyState::Process,
                Notify::Thread(task) => {
                    NotifyState::Thread(task.upgrade().and_then(|task| saver.known(&task)))
                }
            },
            signo: self.spec.signo,
            value: self.spec.value,
            runs_on: ClockState::save(&self.clock, saver),
            status: self.status,
            next: self.next,
            interval: self.interval,
            overrun: self.overrun,
            last_overrun: self.last_overrun,
            seq: self.seq,
        }
    }
}

impl PosixTimerState {
    pub(in crate::time) fn restore(
        self,
        due: Arc<Due>,
        restorer: &mut Restorer<'_>,
    ) -> Result<PosixTimer, RestoreError> {
        let notify = match self.notify {
            NotifyState::Nothing => Notify::Nothing,
            NotifyState::Process => Notify::Process,
            NotifyState::Thread(None) => Notify::Thread(Weak::new()),
            NotifyState::Thread(Some(task)) => Notify::Thread(Arc::downgrade(&restorer.get(task)?)),
        };
        let silent = matches!(notify, Notify::Nothing);
        if !(silent || is_valid(self.signo)) || self.next > MAX || self.interval > MAX {
            return Err(RestoreError::new("a timer has a signal or a time that there is not"));
        }
        let clock = self.clock.restore(restorer)?;
        let spec = TimerSpec { clock, notify, signo: self.signo, value: self.value };
        let mut timer = PosixTimer::new(self.id, spec, due);
        timer.clock = self.runs_on.restore(restorer)?;
        (timer.next, timer.interval, timer.seq) = (self.next, self.interval, self.seq);
        (timer.overrun, timer.last_overrun) = (self.overrun, self.last_overrun);
        timer.status = self.status;
        if timer.status == Status::Armed {
            timer.arm(restorer.kernel());
        }
        Ok(timer)
    }
}
