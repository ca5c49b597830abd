//! How much a writable tree of the host may grow.
//!
//! Counted are the blocks of files that calls of the sandbox change, as the host's file system tells them after each
//! write, and one for each name. What pages of a mapping make of holes is not seen until the next write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stockade_abi::Errno;

use crate::fs::tmpfs::Budget;

/// What a file or directory costs, beside its contents.
pub(super) const NODE: u64 = 4096;

/// What a tree has taken of a budget.
pub(super) struct Disk {
    budget: Arc<Budget>,
    taken: AtomicU64,
    /// A file has become larger than the budget allowed, which is known afterwards only.
    over: AtomicBool,
}

impl Disk {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, taken: AtomicU64::new(0), over: AtomicBool::new(false) }
    }

    /// What has been taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// ENOSPC
    pub(super) fn take(&self, bytes: u64) -> Result<(), Errno> {
        self.budget.take(bytes)?;
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives bytes back, but not more than were taken: what was there before counts for nobody.
    pub(super) fn give(&self, bytes: u64) {
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        if let Ok(before) = self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            self.budget.give(before.min(bytes));
        }
        self.over.store(false, Ordering::Relaxed);
    }

    /// A file had `old` bytes and has `new`: what it has as far as the budget knows.
    pub(super) fn settle(&self, old: u64, new: u64) -> u64 {
        if new <= old {
            self.give(old - new);
        } else if self.take(new - old).is_err() {
            self.over.store(true, Ordering::Relaxed);
            return old;
        }
        new
    }

    /// Whether something may be written.
    ///
    /// # Errors
    /// ENOSPC
    pub(super) fn check(&self) -> Result<(), Errno> {
        if self.over.load(Ordering::Relaxed) { Err(Errno::ENOSPC) } else { Ok(()) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.budget.give(self.taken.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_taken_and_given_back() {
        let budget = Budget::new(100);
        let disk = Disk::new(Arc::clone(&budget));
        assert_eq!((disk.settle(0, 60), disk.check()), (60, Ok(())));
        // Once over, nothing is written until something went.
        assert_eq!((disk.settle(60, 130), disk.check()), (60, Err(Errno::ENOSPC)));
        assert_eq!((disk.settle(60, 20), disk.check()), (20, Ok(())));
        assert_eq!(budget.figures().1, 20);
        disk.give(1000);
        assert_eq!(budget.figures().1, 0);
        assert_eq!(disk.take(101), Err(Errno::ENOSPC));
        assert!(budget.was_exhausted());
    }
}
