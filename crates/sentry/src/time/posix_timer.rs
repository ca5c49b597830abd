//! A timer of timer_create(2), in nanoseconds.
//!
//! A periodic one rests from its expiration until its signal is taken; what it missed by then is its overrun.

mod persist;

use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::signal::SigInfo;

use super::interval::{after, forward};
use super::itimer::Setting;
use super::process_timers::Due;
use super::queue::Slot;
use super::timer_clock::TimerClock;
use crate::signal::TimerMark;
use crate::task::{Kernel, Task};

pub(super) use persist::PosixTimerState;

/// What happens when it expires.
#[derive(Clone)]
pub enum Notify {
    /// SIGEV_NONE
    Nothing,
    /// SIGEV_SIGNAL, SIGEV_THREAD
    Process,
    /// SIGEV_THREAD_ID
    Thread(Weak<Task>),
}

/// What a timer is made with.
pub struct TimerSpec {
    /// What it runs on.
    pub clock: TimerClock,
    /// What happens when it expires.
    pub notify: Notify,
    /// The signal to send.
    pub signo: i32,
    /// si_value; the timer's own number if none.
    pub value: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Disarmed,
    Armed,
    /// Its signal waits to be taken.
    Rests,
}

/// A timer.
pub(super) struct PosixTimer {
    id: i32,
    spec: TimerSpec,
    slot: Slot,
    due: Arc<Due>,
    /// The clock of the current setting.
    clock: TimerClock,
    status: Status,
    next: u64,
    interval: u64,
    /// Periods beyond the first since the last signal was taken; one less than were counted.
    overrun: i64,
    last_overrun: i64,
    /// Signals of former settings are void.
    seq: u32,
}

fn clamp(overrun: i64) -> i32 {
    i32::try_from(overrun).unwrap_or(if overrun < 0 { 0 } else { i32::MAX })
}

impl PosixTimer {
    pub(super) fn new(id: i32, spec: TimerSpec, due: Arc<Due>) -> Self {
        Self {
            id,
            clock: spec.clock.clone(),
            spec,
            slot: Slot::default(),
            due,
            status: Status::Disarmed,
            next: 0,
            interval: 0,
            overrun: -1,
            last_overrun: 0,
            seq: 0,
        }
    }

    fn is_silent(&self) -> bool {
        matches!(self.spec.notify, Notify::Nothing)
    }

    fn now(&self, kernel: &Kernel) -> u64 {
        self.clock.now(kernel).unwrap_or(0)
    }

    fn forward(&mut self, now: u64) {
        let periods = forward(&mut self.next, self.interval, now);
        self.overrun = self.overrun.saturating_add_unsigned(periods);
    }

    /// What is left (timer_gettime(2)).
    pub(super) fn get(&mut self, kernel: &Kernel) -> Setting {
        if self.interval == 0 && self.status != Status::Armed && !self.is_silent() {
            return Setting::default();
        }
        let Some(now) = self.clock.now(kernel) else {
            return Setting { value: 0, interval: self.interval };
        };
        if self.interval != 0 && (self.is_silent() || self.status == Status::Rests) {
            self.forward(now);
        }
        // What has expired and was not noticed yet is about to; it does not look disarmed.
        let least = u64::from(!self.is_silent());
        Setting { value: self.next.saturating_sub(now).max(least), interval: self.interval }
    }

    /// timer_settime(2)
    ///
    /// # Errors
    /// ESRCH if whose CPU time it counts is no more.
    pub(super) fn set(&mut self, kernel: &Kernel, new: Setting, absolute: bool) -> Result<Setting, Errno> {
        self.spec.clock.now(kernel).ok_or(Errno::ESRCH)?;
        let old = self.get(kernel);
        self.disarm(kernel);
        self.last_overrun = 0;
        self.overrun = -1;
        self.interval = 0;
        self.next = 0;
        if new.value == 0 {
            return Ok(old);
        }
        self.clock = if absolute { self.spec.clock.clone() } else { self.spec.clock.for_relative() };
        self.interval = new.interval;
        self.next = if absolute { new.value } else { after(self.now(kernel), new.value) };
        if !self.is_silent() {
            self.arm(kernel);
        }
        Ok(old)
    }

    fn arm(&mut self, kernel: &Kernel) {
        self.status = Status::Armed;
        self.clock.schedule(kernel, &self.slot, self.next, &self.due);
    }

    /// Stops it, and makes its signals void.
    pub(super) fn disarm(&mut self, kernel: &Kernel) {
        self.clock.cancel(kernel, &self.slot);
        self.status = Status::Disarmed;
        self.seq = self.seq.wrapping_add(1);
    }

    /// Its alarm was told: whether a signal has to be sent.
    pub(super) fn expires(&mut self, kernel: &Kernel) -> bool {
        if self.status != Status::Armed {
            return false;
        }
        if self.clock.now(kernel).is_none_or(|now| now < self.next) {
            // Too early: the clock was set back.
            self.arm(kernel);
            return false;
        }
        self.status = if self.interval == 0 { Status::Disarmed } else { Status::Rests };
        true
    }

    /// Where its signal goes, and what it says.
    pub(super) fn signal(&self) -> (Notify, SigInfo, TimerMark) {
        let value = self.spec.value.unwrap_or(self.id as u64);
        let info = SigInfo::timer(self.spec.signo, self.id, 0, value);
        (self.spec.notify.clone(), info, TimerMark { id: self.id, seq: self.seq })
    }

    /// Whether it would send a signal again, were that no longer ignored.
    pub(super) fn waits_for(&self, signo: i32) -> bool {
        self.status == Status::Rests && self.spec.signo == signo
    }

    /// A signal of it was taken: what that says now, or none if it is void. A periodic timer goes on.
    pub(super) fn taken(&mut self, kernel: &Kernel, mark: TimerMark, mut info: SigInfo) -> Option<SigInfo> {
        if mark.seq != self.seq {
            return None;
        }
        if self.status == Status::Rests {
            let now = self.now(kernel);
            self.forward(now);
            self.last_overrun = std::mem::replace(&mut self.overrun, -1);
            self.seq = self.seq.wrapping_add(1);
            info.set_overrun(clamp(self.last_overrun));
            self.arm(kernel);
        }
        Some(info)
    }

    /// timer_getoverrun(2)
    pub(super) fn overrun(&self) -> i32 {
        clamp(self.last_overrun)
    }
}
