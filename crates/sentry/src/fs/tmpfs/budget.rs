//! How much memory files in memory may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stockade_abi::Errno;

/// Bytes that memory file systems of a sandbox may take together, or one of them.
#[derive(Debug)]
pub struct Budget {
    /// What this is a part of.
    whole: Option<Arc<Budget>>,
    limit: AtomicU64,
    used: AtomicU64,
    exhausted: AtomicBool,
}

impl Budget {
    /// A part that only the whole bounds.
    pub const NO_LIMIT: u64 = u64::MAX;

    /// So many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Self::make(None, limit)
    }

    /// So many bytes of a larger budget, none of which are set aside; [`NO_LIMIT`](Self::NO_LIMIT) for all of it.
    #[must_use]
    pub fn within(whole: &Arc<Self>, limit: u64) -> Arc<Self> {
        Self::make(Some(Arc::clone(whole)), limit)
    }

    fn make(whole: Option<Arc<Self>>, limit: u64) -> Arc<Self> {
        let (limit, used) = (AtomicU64::new(limit), AtomicU64::new(0));
        Arc::new(Self { whole, limit, used, exhausted: AtomicBool::new(false) })
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// ENOSPC
    pub fn take(&self, bytes: u64) -> Result<(), Errno> {
        self.used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= self.limit.load(Ordering::Relaxed))
            })
            .map_err(|_| self.full())?;
        let Some(whole) = &self.whole else { return Ok(()) };
        whole.take(bytes).inspect_err(|_| {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    /// Takes memory of the sentry's, for inodes and attributes: of the whole, for sizes of file systems are about contents.
    ///
    /// # Errors
    /// ENOSPC
    pub(super) fn take_kernel(&self, bytes: u64) -> Result<(), Errno> {
        self.whole.as_ref().map_or_else(|| self.take(bytes), |whole| whole.take_kernel(bytes))
    }

    /// Gives it back.
    pub(super) fn give_kernel(&self, bytes: u64) {
        self.whole.as_ref().map_or_else(|| self.give(bytes), |whole| whole.give_kernel(bytes));
    }

    /// ENOSPC, and remembers that it was said.
    pub(super) fn full(&self) -> Errno {
        self.exhausted.store(true, Ordering::Relaxed);
        match &self.whole {
            Some(whole) if self.limit.load(Ordering::Relaxed) == Self::NO_LIMIT => whole.full(),
            _ => Errno::ENOSPC,
        }
    }

    /// Whether there was ever less left than asked for.
    #[must_use]
    pub fn was_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// The limit, if it is a part of a larger budget.
    pub(super) fn limit_of_part(&self) -> Option<u64> {
        self.whole.as_ref().map(|_| self.limit.load(Ordering::Relaxed))
    }

    /// Gives a part another limit.
    ///
    /// # Errors
    /// EINVAL if more is taken, or if it is no part.
    pub(super) fn resize(&self, limit: u64) -> Result<(), Errno> {
        if self.whole.is_none() || self.used.load(Ordering::Relaxed) > limit {
            return Err(Errno::EINVAL);
        }
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes that can still be taken.
    pub(super) fn free(&self) -> u64 {
        let (limit, used) = self.figures();
        let free = limit.saturating_sub(used);
        self.whole.as_ref().map_or(free, |whole| free.min(whole.free()))
    }

    /// The limit of the whole.
    pub(super) fn limit_of_whole(&self) -> u64 {
        self.whole.as_ref().map_or_else(|| self.limit.load(Ordering::Relaxed), |whole| whole.limit_of_whole())
    }

    /// Gives bytes back.
    pub fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give(bytes);
        }
    }

    /// The limit, and how much of it is taken.
    #[must_use]
    pub fn figures(&self) -> (u64, u64) {
        let limit = self.limit.load(Ordering::Relaxed).min(self.limit_of_whole());
        (limit, self.used.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_takes_from_the_whole() {
        let whole = Budget::new(100);
        let part = Budget::within(&whole, 60);
        assert_eq!(part.take(50), Ok(()));
        assert_eq!(part.take(20), Err(Errno::ENOSPC));
        assert!(part.was_exhausted() && !whole.was_exhausted());
        assert_eq!(whole.take(45), Ok(()));
        assert_eq!(part.take(10), Err(Errno::ENOSPC));
        assert_eq!((part.figures().1, whole.figures().1), (50, 95));
        part.give(50);
        assert_eq!((part.figures().1, whole.figures().1), (0, 45));
    }

    #[test]
    fn a_part_gets_another_limit() {
        let whole = Budget::new(100);
        let part = Budget::within(&whole, Budget::NO_LIMIT);
        assert_eq!((part.figures(), part.free()), ((100, 0), 100));
        assert_eq!(part.take(50), Ok(()));
        assert_eq!(part.resize(49), Err(Errno::EINVAL));
        assert_eq!(part.resize(60), Ok(()));
        assert_eq!(part.take(20), Err(Errno::ENOSPC));
        assert_eq!((part.figures(), part.free()), ((60, 50), 10));
        assert_eq!(whole.take(45), Ok(()));
        assert_eq!(part.free(), 5);
        assert_eq!(whole.resize(200), Err(Errno::EINVAL));
    }
}
