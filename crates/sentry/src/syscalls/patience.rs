//! What calls know that are made again because all was saved: their time-outs end when they would have ended without, and
//! what they have moved already is not moved twice.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What is known of a call that was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// When it ends by itself.
    pub(crate) deadline: Option<Instant>,
    /// Bytes that it has moved, from the beginning of its buffers.
    pub(crate) moved: u64,
}

/// What is known of a task's call and of the one before.
#[derive(Default)]
pub(crate) struct Patience {
    /// Of the call.
    current: Cell<Kept>,
    /// Of the call that this one makes anew.
    resumed: Cell<Kept>,
    /// Of the call that was interrupted, for whatever comes next.
    kept: Cell<Kept>,
}

impl Patience {
    /// A call begins.
    pub(crate) fn begin(&self) {
        self.current.set(Kept::default());
        self.resumed.set(self.kept.take());
    }

    /// When the call ends that may take so long; none if that is beyond all times.
    pub(crate) fn deadline_after(&self, time: Duration) -> Option<Instant> {
        let resumed = self.resumed.get();
        self.resumed.set(Kept { deadline: None, ..resumed });
        let deadline = resumed.deadline.or_else(|| Instant::now().checked_add(time));
        self.current.set(Kept { deadline, ..self.current.get() });
        deadline
    }

    /// Bytes that the call had moved when it was interrupted.
    pub(crate) fn moved_before(&self) -> u64 {
        let resumed = self.resumed.get();
        self.resumed.set(Kept { moved: 0, ..resumed });
        resumed.moved
    }

    /// The call ends interrupted, with so many bytes moved in all: made again, it goes on behind them.
    pub(crate) fn has_moved(&self, moved: u64) {
        self.current.set(Kept { moved, ..self.current.get() });
    }

    /// The call was interrupted, and is made again next.
    pub(crate) fn keep(&self) {
        self.kept.set(self.current.take());
    }

    /// What it has moved may not be moved twice.
    pub(crate) fn must_be_kept(&self) -> bool {
        self.current.get().moved > 0
    }

    /// It is not made again, or not next: what it has moved.
    pub(crate) fn forget(&self) -> u64 {
        self.kept.take().moved
    }

    /// What is kept.
    pub(crate) fn kept(&self) -> Kept {
        self.kept.get()
    }

    /// What was kept before a restore.
    pub(crate) fn set_kept(&self, kept: Kept) {
        self.kept.set(kept);
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
        assert_eq!(patience.kept(), Kept::default());
    }

    #[test]
    fn what_is_moved_counts_once() {
        let patience = Patience::default();
        patience.begin();
        assert_eq!(patience.moved_before(), 0);
        patience.has_moved(70);
        assert!(patience.must_be_kept());
        patience.keep();
        patience.begin();
        assert_eq!((patience.moved_before(), patience.moved_before()), (70, 0));
        patience.has_moved(90);
        patience.keep();
        assert_eq!(patience.forget(), 90);
        patience.begin();
        assert_eq!(patience.moved_before(), 0);
        assert!(!patience.must_be_kept());
    }
}
