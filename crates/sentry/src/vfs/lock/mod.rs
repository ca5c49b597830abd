//! Advisory locks of files (fcntl(2), flock(2)). They bind those inside the sandbox only.
//!
//! Each file system has a table of its locked files, by inode number. Nothing here waits: who finds a lock in the way
//! registers with the file's queue and tries again.

mod deadlock;
mod ranges;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use stockade_abi::Errno;

pub use self::deadlock::LockWaits;
pub use self::ranges::{OFFSET_MAX, Owner, Range};

use self::ranges::Ranges;
use super::fd_table::FdTable;
use super::file::File;
use crate::wait::{Readiness, WaitQueue};

/// Locks that the files of one file system have at most.
const MAX_LOCKS: usize = 1 << 16;

/// A lock on a whole file (flock(2)).
struct Flock {
    /// The open file description.
    file: u64,
    exclusive: bool,
    pid: i32,
}

#[derive(Default)]
struct FileLocks {
    flocks: Vec<Flock>,
    ranges: Ranges,
    queue: Arc<WaitQueue>,
}

impl FileLocks {
    fn len(&self) -> usize {
        self.flocks.len() + self.ranges.len()
    }
}

/// The locks on the files of one file system.
#[derive(Default)]
pub struct Locks {
    files: Mutex<HashMap<u64, FileLocks>>,
    /// How many there are in all, so that closing a file costs one load where there are none.
    count: AtomicUsize,
}

/// The tables that have ever had a lock.
static TABLES: Mutex<Vec<(u64, Weak<Locks>)>> = Mutex::new(Vec::new());

/// A lock as `/proc/locks` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The lock; flock(2)'s are of open file descriptions, on everything.
    pub range: Range,
    /// Whether it is one of flock(2).
    pub is_flock: bool,
    /// `st_dev` and `st_ino`
    pub file: (u64, u64),
}

/// All locks of the sandbox.
#[must_use]
pub fn all() -> Vec<Shown> {
    let mut shown = Vec::new();
    for (dev, table) in &*TABLES.lock() {
        let Some(table) = table.upgrade() else { continue };
        for (&ino, locks) in &*table.files.lock() {
            let file = (*dev, ino);
            let flocks = locks.flocks.iter().map(|f| {
                let owner = Owner::Description(f.file);
                let range = Range { owner, pid: f.pid, write: f.exclusive, start: 0, end: OFFSET_MAX };
                Shown { range, is_flock: true, file }
            });
            let ranges = locks.ranges.iter().map(|&range| Shown { range, is_flock: false, file });
            shown.extend(flocks.chain(ranges));
        }
    }
    shown
}

impl Locks {
    /// Changes the locks of a file; whoever waits is woken if there may be less in the way.
    fn change<T>(
        self: &Arc<Self>,
        dev: u64,
        ino: u64,
        change: impl FnOnce(&mut FileLocks) -> (T, bool),
    ) -> T {
        let mut files = self.files.lock();
        let locks = files.entry(ino).or_default();
        let before = locks.len();
        let (result, wake) = change(locks);
        let after = locks.len();
        let queue = wake.then(|| Arc::clone(&locks.queue));
        // A queue that somebody has got must stay the file's.
        if after == 0 && Arc::strong_count(&locks.queue) == 1 + usize::from(wake) {
            files.remove(&ino);
        }
        if after > before {
            if self.count.fetch_add(after - before, Ordering::Relaxed) == 0 {
                self.register(dev);
            }
        } else {
            self.count.fetch_sub(before - after, Ordering::Relaxed);
        }
        drop(files);
        if let Some(queue) = queue {
            queue.notify(Readiness::IN);
        }
        result
    }

    fn register(self: &Arc<Self>, dev: u64) {
        let mut tables = TABLES.lock();
        tables.retain(|(_, table)| table.strong_count() > 0);
        if !tables.iter().any(|(d, _)| *d == dev) {
            tables.push((dev, Arc::downgrade(self)));
        }
    }

    fn has_room(&self) -> bool {
        self.count.load(Ordering::Relaxed) < MAX_LOCKS
    }

    /// Who is told when a lock on a file goes.
    fn queue(&self, ino: u64) -> Arc<WaitQueue> {
        Arc::clone(&self.files.lock().entry(ino).or_default().queue)
    }
}

impl File {
    fn locks(&self) -> Result<(&Arc<Locks>, u64, u64), Errno> {
        let dentry = &self.path.dentry;
        Ok((&dentry.sb.locks, dentry.sb.dev, dentry.ino()?))
    }

    /// Who is told when a lock on it goes.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn lock_queue(&self) -> Result<Arc<WaitQueue>, Errno> {
        let (locks, _, ino) = self.locks()?;
        Ok(locks.queue(ino))
    }

    /// Locks the whole file for this description, or with None unlocks it (flock(2)). Changing a lock gives the old one up
    /// first. `pid` is the process that asks for it.
    ///
    /// # Errors
    /// EAGAIN if another's is in the way, ENOLCK if there are too many.
    pub fn flock(&self, exclusive: Option<bool>, pid: i32) -> Result<(), Errno> {
        let (locks, dev, ino) = self.locks()?;
        if exclusive.is_some() {
            self.note_lock();
        }
        locks.change(dev, ino, |of| {
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

    /// The first lock that stands against one.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn test_range(&self, wanted: &Range) -> Result<Option<Range>, Errno> {
        let (locks, _, ino) = self.locks()?;
        Ok(locks.files.lock().get(&ino).and_then(|of| of.ranges.conflict(wanted)))
    }

    /// Locks a range; if another's lock is in the way, that is what it gives.
    ///
    /// # Errors
    /// ENOLCK if there are too many.
    pub fn lock_range(&self, wanted: Range) -> Result<Option<Range>, Errno> {
        let (locks, dev, ino) = self.locks()?;
        self.note_lock();
        locks.change(dev, ino, |of| {
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
        let (locks, dev, ino) = self.locks()?;
        if locks.count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        if !locks.has_room() && (start, end) != (0, OFFSET_MAX) {
            return Err(Errno::ENOLCK);
        }
        locks.change(dev, ino, |of| {
            of.ranges.remove(owner, start, end);
            ((), true)
        });
        Ok(())
    }

    fn release(&self, owner: Owner) {
        let Ok((locks, dev, ino)) = self.locks() else { return };
        if locks.count.load(Ordering::Relaxed) > 0 {
            locks.change(dev, ino, |of| ((), of.ranges.remove_all(owner)));
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
    if file.path.dentry.sb.locks.count.load(Ordering::Relaxed) > 0 {
        file.release(Owner::Table(owner.id()));
    }
}
