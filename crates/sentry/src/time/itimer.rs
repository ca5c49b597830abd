//! Interval timers (setitimer(2)), in nanoseconds.

mod persist;

use std::sync::{Arc, Weak};

use super::clock::Base;
use super::cpu_clock::{CpuClock, CpuKind, CpuOf};
use super::interval::{after, forward};
use super::process_timers::Due;
use super::queue::Slot;
use super::timer_clock::TimerClock;
use crate::task::{Kernel, ThreadGroup};

pub(super) use persist::ItimerState;

/// Value and period of a timer; 0 for a value that is not armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until it expires next.
    pub value: u64,
    /// From then on.
    pub interval: u64,
}

/// What is left of one that is about to expire: it is armed nevertheless.
const LEAST: u64 = 1000;

/// ITIMER_REAL. Once it has expired it rests until its signal is taken.
pub(super) struct RealTimer {
    slot: Slot,
    due: Arc<Due>,
    /// When it expires, or did last.
    next: u64,
    armed: bool,
    interval: u64,
}

impl RealTimer {
    pub(super) fn new(due: Arc<Due>) -> Self {
        Self { slot: Slot::default(), due, next: 0, armed: false, interval: 0 }
    }

    pub(super) fn get(&self) -> Setting {
        let left = self.next.saturating_sub(Base::Monotonic.now()).max(LEAST);
        Setting { value: if self.armed { left } else { 0 }, interval: self.interval }
    }

    pub(super) fn set(&mut self, kernel: &Kernel, new: Setting) -> Setting {
        let old = self.get();
        kernel.timers.cancel(&self.slot);
        self.armed = new.value != 0;
        self.interval = if self.armed { new.interval } else { 0 };
        if self.armed {
            self.next = after(Base::Monotonic.now(), new.value);
            self.schedule(kernel);
        }
        old
    }

    fn schedule(&self, kernel: &Kernel) {
        TimerClock::Base(Base::Monotonic).schedule(kernel, &self.slot, self.next, &self.due);
    }

    /// Whether it has expired now.
    pub(super) fn expires(&mut self) -> bool {
        let expired = self.armed && self.next <= Base::Monotonic.now();
        self.armed &= !expired;
        expired
    }

    /// Its signal was taken: a periodic one goes on.
    pub(super) fn signal_taken(&mut self, kernel: &Kernel) {
        if !self.armed && self.interval != 0 {
            forward(&mut self.next, self.interval, Base::Monotonic.now());
            self.armed = true;
            self.schedule(kernel);
        }
    }
}

/// ITIMER_VIRTUAL or ITIMER_PROF.
pub(super) struct Usager {
    slot: Slot,
    due: Arc<Due>,
    clock: TimerClock,
    /// When it expires; 0 while it is not armed.
    next: u64,
    interval: u64,
}

impl Usager {
    pub(super) fn new(process: &Weak<ThreadGroup>, kind: CpuKind, due: Arc<Due>) -> Self {
        let clock = TimerClock::Cpu(CpuClock { of: CpuOf::Process(process.clone()), kind });
        Self { slot: Slot::default(), due, clock, next: 0, interval: 0 }
    }

    fn now(&self, kernel: &Kernel) -> u64 {
        self.clock.now(kernel).unwrap_or(0)
    }

    pub(super) fn get(&self, kernel: &Kernel) -> Setting {
        let left = if self.next == 0 { 0 } else { self.next.saturating_sub(self.now(kernel)).max(LEAST) };
        Setting { value: left, interval: self.interval }
    }

    pub(super) fn set(&mut self, kernel: &Kernel, new: Setting) -> Setting {
        let old = self.get(kernel);
        self.interval = new.interval;
        self.next = if new.value == 0 { 0 } else { after(self.now(kernel), new.value) };
        self.reschedule(kernel);
        old
    }

    fn reschedule(&self, kernel: &Kernel) {
        match self.next {
            0 => self.clock.cancel(kernel, &self.slot),
            next => self.clock.schedule(kernel, &self.slot, next, &self.due),
        }
    }

    /// Whether it has expired now; a periodic one goes on.
    pub(super) fn expires(&mut self, kernel: &Kernel) -> bool {
        if self.next == 0 {
            return false;
        }
        let expired = self.next <= self.now(kernel);
        if expired {
            self.next = if self.interval == 0 { 0 } else { after(self.next, self.interval) };
        }
        self.reschedule(kernel);
        expired
    }
}
