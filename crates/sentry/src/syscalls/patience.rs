//! Time-outs of calls that are made again because all was saved: they end when they would have ended without.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The deadlines of a task's call and of the one before.
#[derive(Default)]
pub(crate) struct Patience {
    /// Of the call, once it has one.
    current: Cell<Option<Instant>>,
    /// Of the call that this one makes anew.
    resumed: Cell<Option<Instant>>,
    /// Of the call that was interrupted, for whatever comes next.
    kept: Cell<Option<Instant>>,
}

impl Patience {
    /// A call begins.
    pub(crate) fn begin(&self) {
        self.current.set(None);
        self.resumed.set(self.kept.take());
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

    /// It is not made again, or not next.
    pub(crate) fn forget(&self) {
        self.kept.set(None);
    }

    /// What is kept.
    pub(crate) fn kept(&self) -> Option<Instant> {
        self.kept.get()
    }

    /// What was kept before a restore.
    pub(crate) fn set_kept(&self, deadline: Option<Instant>) {
        self.kept.set(deadline);
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
}
