//! Seals of files in memory (fcntl(2), "File Sealing").

use std::sync::atomic::{AtomicI64, Ordering};
use stockade_abi::misc::PAGE_SIZE as PAGE;

use stockade_abi::Errno;

bitflags::bitflags! {
    /// F_SEAL_ flags.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: u32 {
        /// No more seals.
        const SEAL = 1;
        /// It cannot become smaller.
        const SHRINK = 2;
        /// It cannot become larger.
        const GROW = 4;
        /// Its contents cannot change.
        const WRITE = 8;
        /// They cannot change but through mappings that exist.
        const FUTURE_WRITE = 0x10;
        /// Its execute permission cannot change.
        const EXEC = 0x20;
    }
}

impl Seals {
    /// How much of a write may be done. It ends before the page in which the file would grow.
    ///
    /// # Errors
    /// EPERM if nothing may be written.
    pub(super) fn writable_len(self, size: u64, offset: u64, len: usize) -> Result<usize, Errno> {
        if len == 0 {
            return Ok(0);
        }
        if self.intersects(Self::WRITE | Self::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        if !self.contains(Self::GROW) || offset.saturating_add(len as u64) <= size {
            return Ok(len);
        }
        match (size & !(PAGE - 1)).saturating_sub(offset) {
            0 => Err(Errno::EPERM),
            fits => Ok(len.min(usize::try_from(fits).unwrap_or(usize::MAX))),
        }
    }

    /// Whether the size may change so.
    ///
    /// # Errors
    /// EPERM
    pub(super) fn check_resize(self, from: u64, to: u64) -> Result<(), Errno> {
        let refused = (to < from && self.contains(Self::SHRINK)) || (to > from && self.contains(Self::GROW));
        if refused { Err(Errno::EPERM) } else { Ok(()) }
    }
}

/// How many pages of a file are mapped shared and writable, or that there can be none.
#[derive(Debug, Default)]
pub(super) struct WritablePages(AtomicI64);

const FORBIDDEN: i64 = -1;

impl WritablePages {
    /// Counts pages that appear.
    ///
    /// # Errors
    /// EPERM once forbidden.
    pub(super) fn add(&self, pages: u64) -> Result<(), Errno> {
        self.0
            .try_update(Ordering::AcqRel, Ordering::Acquire, |n| (n != FORBIDDEN).then(|| n + pages as i64))
            .map(|_| ())
            .map_err(|_| Errno::EPERM)
    }

    /// Counts pages that go.
    pub(super) fn remove(&self, pages: u64) {
        self.0.fetch_sub(pages as i64, Ordering::AcqRel);
    }

    /// Lets no more appear.
    ///
    /// # Errors
    /// EBUSY while there are some.
    pub(super) fn forbid(&self) -> Result<(), Errno> {
        self.0
            .compare_exchange(0, FORBIDDEN, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(|_| Errno::EBUSY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_before_the_page_that_would_grow() {
        let seals = Seals::GROW;
        assert_eq!(seals.writable_len(8192, 0, 8192), Ok(8192));
        assert_eq!(seals.writable_len(8192, 8191, 2), Ok(1));
        assert_eq!(seals.writable_len(8192, 8192, 1), Err(Errno::EPERM));
        assert_eq!(seals.writable_len(5000, 100, 9000), Ok(3996));
        assert_eq!(seals.writable_len(5000, 4999, 2), Err(Errno::EPERM));
        assert_eq!(Seals::WRITE.writable_len(1, 0, 1), Err(Errno::EPERM));
        assert_eq!(Seals::WRITE.writable_len(1, 0, 0), Ok(0));
    }

    #[test]
    fn writable_pages_and_the_seal_exclude_each_other() {
        let pages = WritablePages::default();
        assert_eq!(pages.add(2), Ok(()));
        assert_eq!(pages.forbid(), Err(Errno::EBUSY));
        pages.remove(2);
        assert_eq!(pages.forbid(), Ok(()));
        assert_eq!(pages.add(1), Err(Errno::EPERM));
    }
}
