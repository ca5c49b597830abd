//! The saved forms of interval timers.

use serde::{Deserialize, Serialize};

use super::{RealTimer, Usager};
use crate::persist::RestoreError;
use crate::task::Kernel;
use crate::time::interval::MAX;

/// A [`RealTimer`], or a [`Usager`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::time) struct ItimerState {
    armed: bool,
    next: u64,
    interval: u64,
}

impl ItimerState {
    fn check(&self) -> Result<(), RestoreError> {
        if self.next > MAX || self.interval > MAX {
            return Err(RestoreError::new("an interval timer has a time that no clock shows"));
        }
        Ok(())
    }
}

impl RealTimer {
    pub(in crate::time) fn save(&self) -> ItimerState {
        ItimerState { armed: self.armed, next: self.next, interval: self.interval }
    }

    pub(in crate::time) fn restore(
        &mut self,
        state: &ItimerState,
        kernel: &Kernel,
    ) -> Result<(), RestoreError> {
        state.check()?;
        (self.armed, self.next, self.interval) = (state.armed, state.next, state.interval);
        if self.armed {
            self.schedule(kernel);
        }
        Ok(())
    }
}

impl Usager {
    pub(in crate::time) fn save(&self) -> ItimerState {
        ItimerState { armed: self.next != 0, next: self.next, interval: self.interval }
    }

    pub(in crate::time) fn restore(
        &mut self,
        state: &ItimerState,
        kernel: &Kernel,
    ) -> Result<(), RestoreError> {
        state.check()?;
        (self.next, self.interval) = (if state.armed { state.next } else { 0 }, state.interval);
        self.reschedule(kernel);
        Ok(())
    }
}
