//! Calls that are made again because all was saved: they end when they would have ended without, and those that had
//! written a part go on behind it.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The deadlines of a task's call and of the one before, and how much is done.
#[derive(Default)]
pub(crate) struct Patience {
    /// Of the call, once it has one.
    current: Cell<Option<Instant>>,
    /// Of the call that this one makes anew.
    resumed: Cell<Option<Instant>>,
    /// Of the call that was interrupted, for whatever comes next.
    kept: Cell<Option<Instant>>,
    /// Bytes that the call which this one makes anew had written.
    done: Cell<u64>,
    /// Those of the call that was interrupted.
    kept_done: Cell<u64>,
}

impl Patience {
    /// A call begins.
    pub(crate) fn begin(&self) {
        self.current.set(None);
        self.resumed.set(self.kept.take());
        self.done.set(self.kept_done.take());
    }

    /// When the call ends that may take so long; none if that is beyond all times.
    pub(crate) fn deadline_after(&self, time: Duration) -> Option<Instant> {
        let at = self.resumed.take().or_else(|| Instant::now().checked_add(time));
        self.current.set(at);
        at
    }

    /// The call was interrupted, and is made again next.
    pub(crate) fn keep(&self) {
        self.kept.set(self.current.take());
    }

    /// Bytes that need not be written again; told once.
    pub(crate) fn take_done(&self) -> u64 {
        self.done.take()
    }

    /// The call has written so much, and is made again next.
    pub(crate) fn keep_done(&self, bytes: u64) {
        self.kept_done.set(bytes);
    }

    /// How much that is.
    pub(crate) fn kept_done(&self) -> u64 {
        self.kept_done.get()
    }

    /// It is not made again, or not next.
    pub(crate) fn forget(&self) {
        self.kept.set(None);
        self.kept_done.set(0);
    }

    /// What is kept.
    pub(crate) fn kept(&self) -> Option<Instant> {
        self.kept.get()
    }

    /// What was kept before a restore.
    pub(crate) fn set_kept(&self, deadline: Option<Instant>, done: u64) {
        self.kept.set(deadline);
        self.kept_done.set(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_call_goes_on_to_its_end() {
        let patience = Patience::default();
        let hour = Duration::from_secs(3600);
        patience.begin();
        let first = patience.deadline_after(hour);
        patience.keep();
        patience.begin();
        assert_eq!(patience.deadline_after(2 * hour), first);
        // Whoever waits a second time in one call waits anew.
        assert_ne!(patience.deadline_after(2 * hour), first);
        patience.begin();
        assert_ne!(patience.deadline_after(hour), first);
        patience.keep();
        patience.forget();
        patience.begin();
        assert!(patience.deadline_after(hour) > first);
        // A call without a time-out keeps none.
        patience.begin();
        patience.keep();
        assert_eq!(patience.kept(), None);
    }

    #[test]
    fn what_is_done_is_told_to_the_next_call_once() {
        let patience = Patience::default();
        patience.keep_done(7);
        patience.begin();
        assert_eq!((patience.take_done(), patience.take_done(), patience.kept_done()), (7, 0, 0));
        patience.keep_done(8);
        patience.forget();
        patience.begin();
        assert_eq!(patience.take_done(), 0);
    }
}
