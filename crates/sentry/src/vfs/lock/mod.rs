//! Advisory locks of files (fcntl(2), flock(2)). They bind those inside the sandbox only.
//!
//! Each file system has a table of its locked files. Nothing here waits: who finds a lock in the way registers with the
//! file's queue and tries again.

mod deadlock;
mod persist;
mod ranges;
mod table;

use std::sync::Arc;

use stockade_abi::Errno;

pub use self::deadlock::LockWaits;
pub use self::persist::LockState;
pub use self::ranges::{OFFSET_MAX, Owner, Range};
pub use self::table::{FileId, Locks, Shown, Waiting, all};

use self::table::Flock;
use super::fd_table::FdTable;
use super::file::File;

impl File {
    fn locks(&self) -> Result<(&Arc<Locks>, FileId), Errno> {
        let dentry = &self.path.dentry;
        Ok((&dentry.sb.locks, dentry.file_id()?))
    }

    /// A place among those who wait for a lock on it to go.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn wait_for_locks(&self) -> Result<Waiting, Errno> {
        let (locks, id) = self.locks()?;
        Ok(locks.wait(id))
    }

    /// The locks that were taken through this description, by itself or by the process of a table.
    #[must_use]
    pub fn locks_of(&self, table: &FdTable) -> Vec<Shown> {
        let Ok((locks, id)) = self.locks() else { return Vec::new() };
        if locks.is_empty() {
            return Vec::new();
        }
        let foreign = |owner| matches!(owner, Owner::Table(id) if id != table.id());
        let mut shown = locks.of(id, |of| of.shown(id).collect::<Vec<_>>()).unwrap_or_default();
        shown.retain(|s| s.range.file == self.id() && !foreign(s.range.owner));
        shown
    }

    /// Locks the whole file for this description, or with None unlocks it (flock(2)). Changing a lock gives the old one up
    /// first. `pid` is the process that asks for it.
    ///
    /// # Errors
    /// EAGAIN if another's is in the way, ENOLCK if there are too many.
    pub fn flock(&self, exclusive: Option<bool>, pid: i32) -> Result<(), Errno> {
        let (locks, id) = self.locks()?;
        if exclusive.is_some() {
            self.note_lock();
        }
        locks.change(id, |of| {
            let own = of.flocks.iter().position(|f| f.file == self.id());
            if own.is_some_and(|at| exclusive == Some(of.flocks[at].exclusive)) {
                return (Ok(()), false);
            }
            if let Some(at) = own {
                of.flocks.swap_remove(at);
            }
            let Some(exclusive) = exclusive else { return (Ok(()), own.is_some()) };
            let result = if of.flocks.iter().any(|f| f.exclusive || exclusive) {
                Err(Errno::EAGAIN)
            } else if !locks.has_room() {
                Err(Errno::ENOLCK)
            } else {
                of.flocks.push(Flock { file: self.id(), exclusive, pid });
                Ok(())
            };
            (result, own.is_some())
        })
    }

    /// The first lock that an owner has in a range (F_OFD_GETLK with F_UNLCK).
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn own_range(&self, owner: Owner, start: u64, end: u64) -> Result<Option<Range>, Errno> {
        let (locks, id) = self.locks()?;
        Ok(locks.of(id, |of| of.ranges.first_of(owner, start, end)).flatten())
    }

    /// The first lock that stands against one.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn test_range(&self, wanted: &Range) -> Result<Option<Range>, Errno> {
        let (locks, id) = self.locks()?;
        Ok(locks.conflict(id, wanted))
    }

    /// Locks a range; if another's lock is in the way, that is what it gives.
    ///
    /// # Errors
    /// ENOLCK if there are too many.
    pub fn lock_range(&self, wanted: Range) -> Result<Option<Range>, Errno> {
        let (locks, id) = self.locks()?;
        self.note_lock();
        locks.change(id, |of| {
            if let Some(other) = of.ranges.conflict(&wanted) {
                return (Ok(Some(other)), false);
            }
            if !locks.has_room() {
                return (Err(Errno::ENOLCK), false);
            }
            of.ranges.add(wanted);
            // A write lock that became a read lock lets readers in.
            (Ok(None), !wanted.write)
        })
    }

    /// Unlocks a range.
    ///
    /// # Errors
    /// ENOLCK if the pieces would be too many.
    pub fn unlock_range(&self, owner: Owner, start: u64, end: u64) -> Result<(), Errno> {
        let (locks, id) = self.locks()?;
        if locks.is_empty() {
            return Ok(());
        }
        if !locks.has_room() && (start, end) != (0, OFFSET_MAX) {
            return Err(Errno::ENOLCK);
        }
        locks.change(id, |of| {
            of.ranges.remove(owner, start, end);
            ((), true)
        });
        Ok(())
    }

    fn release(&self, owner: Owner) {
        let Ok((locks, id)) = self.locks() else { return };
        if !locks.is_empty() {
            locks.change(id, |of| ((), of.ranges.remove_all(owner)));
        }
    }

    /// The description ends: so do its locks.
    pub(super) fn release_locks(&self) {
        let _ = self.flock(None, 0);
        self.release(Owner::Description(self.id()));
    }
}

/// Releases the locks that a process has on ranges of a file, as closing any of its descriptors does.
pub fn release_posix(file: &File, owner: &FdTable) {
    // What was opened with O_PATH is not the file, and closing it does not close that.
    if !file.is_path_only() && !file.path.dentry.sb.locks.is_empty() {
        file.release(Owner::Table(owner.id()));
    }
}
