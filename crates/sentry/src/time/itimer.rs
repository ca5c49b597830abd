//! Interval timers (setitimer(2)), in nanoseconds.

use std::sync::Arc;

use super::clock::Base;
use super::interval::{after, forward};
use super::queue::{Alarm, Slot, TimerQueue};

/// Value and period of a timer; 0 for a value that is not armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until it expires next.
    pub value: u64,
    /// From then on.
    pub interval: u64,
}

/// ITIMER_REAL. Once it has expired it rests until its signal is taken.
pub struct RealTimer {
    slot: Slot,
    alarm: Arc<dyn Alarm>,
    /// When it expires, or did last.
    next: u64,
    armed: bool,
    interval: u64,
}

impl RealTimer {
    /// A timer that is not armed.
    pub(super) fn new(alarm: Arc<dyn Alarm>) -> Self {
        Self { slot: Slot::default(), alarm, next: 0, armed: false, interval: 0 }
    }

    /// What is left.
    pub(super) fn get(&self) -> Setting {
        // One that is about to expire is armed nevertheless.
        let left = self.next.saturating_sub(Base::Monotonic.now()).max(1000);
        Setting { value: if self.armed { left } else { 0 }, interval: self.interval }
    }

    pub(super) fn set(&mut self, queue: &Arc<TimerQueue>, new: Setting) {
        queue.cancel(&self.slot);
        self.armed = new.value != 0;
        self.interval = if self.armed { new.interval } else { 0 };
        if self.armed {
            self.next = after(Base::Monotonic.now(), new.value);
            self.schedule(queue);
        }
    }

    fn schedule(&self, queue: &Arc<TimerQueue>) {
        // Without a thread to serve it no timer of the sandbox works, and the log says so.
        if let Err(error) =
            queue.schedule(&self.slot, Base::Monotonic, self.next, Arc::downgrade(&self.alarm))
        {
            tracing::error!(%error, "a timer cannot be served");
        }
    }

    /// Whether it has expired now.
    pub(super) fn expires(&mut self) -> bool {
        let expired = self.armed && self.next <= Base::Monotonic.now();
        self.armed &= !expired;
        expired
    }

    /// Its signal was taken: a periodic one goes on.
    pub(super) fn signal_taken(&mut self, queue: &Arc<TimerQueue>) {
        if !self.armed && self.interval != 0 {
            forward(&mut self.next, self.interval, Base::Monotonic.now());
            self.armed = true;
            self.schedule(queue);
        }
    }
}
