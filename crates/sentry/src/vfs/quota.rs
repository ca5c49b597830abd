//! How many files a sandbox may have open, and how many descriptors of the host they may take. Both are counted for the
//! whole process: it is one sandbox's, and descriptors are the process's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stockade_abi::Errno;

/// A number of things that is bounded.
#[derive(Debug)]
pub struct Quota {
    limit: AtomicUsize,
    used: AtomicUsize,
    exhausted: AtomicBool,
}

/// Open file descriptions (`fs.file-max`).
pub static OPEN_FILES: Quota = Quota::new();

/// Descriptors of the host that guests' files hold. One file may hold several, and one that is closed but mapped still
/// holds one; what the sentry needs for itself is not counted and has to remain.
pub static HOST_FDS: Quota = Quota::new();

impl Quota {
    const fn new() -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            used: AtomicUsize::new(0),
            exhausted: AtomicBool::new(false),
        }
    }

    /// No more than this from now on; unlimited at first.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The limit, and how many there are.
    #[must_use]
    pub fn figures(&self) -> (usize, usize) {
        (self.limit.load(Ordering::Relaxed), self.used.load(Ordering::Relaxed))
    }

    /// Whether there was ever one too many.
    #[must_use]
    pub fn was_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// One more.
    pub(super) fn add(&self) {
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(super) fn remove(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether those that were added are too many: the last one has to go.
    ///
    /// # Errors
    /// ENFILE
    pub(super) fn check(&self) -> Result<(), Errno> {
        let (limit, used) = self.figures();
        if used > limit {
            self.exhausted.store(true, Ordering::Relaxed);
            return Err(Errno::ENFILE);
        }
        Ok(())
    }
}

/// A descriptor of the host for a file of a guest's.
#[derive(Debug)]
pub struct HostFd(OwnedFd);

impl HostFd {
    /// Counts it.
    ///
    /// # Errors
    /// ENFILE if there are too many; it is closed then.
    pub fn new(fd: OwnedFd) -> Result<Arc<Self>, Errno> {
        HOST_FDS.add();
        let counted = Self(fd);
        HOST_FDS.check()?;
        Ok(Arc::new(counted))
    }
}

impl AsFd for HostFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for HostFd {
    fn drop(&mut self) {
        HOST_FDS.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_told_until_it_goes() {
        let quota = Quota::new();
        quota.set_limit(2);
        for _ in 0..2 {
            quota.add();
            assert_eq!(quota.check(), Ok(()));
        }
        assert!(!quota.was_exhausted());
        quota.add();
        assert_eq!(quota.check(), Err(Errno::ENFILE));
        quota.remove();
        assert_eq!((quota.check(), quota.figures()), (Ok(()), (2, 2)));
        assert!(quota.was_exhausted());
    }
}
