//! The locks on the files of one file system.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use stockade_platform::sync::Mutex;

use super::ranges::{OFFSET_MAX, Owner, Range, Ranges};
use crate::wait::{Readiness, WaitQueue};

/// Locks that the files of one file system have at most.
const MAX_LOCKS: usize = 1 << 16;

/// Which file it is: `st_dev`, `st_ino`. A file system of the host may lie on several devices.
pub type FileId = (u64, u64);

/// A lock on a whole file (flock(2)).
pub(super) struct Flock {
    /// The open file description.
    pub file: u64,
    pub exclusive: bool,
    pub pid: i32,
}

#[derive(Default)]
pub(super) struct FileLocks {
    pub flocks: Vec<Flock>,
    pub ranges: Ranges,
    queue: Arc<WaitQueue>,
    waiters: usize,
}

impl FileLocks {
    fn len(&self) -> usize {
        self.flocks.len() + self.ranges.len()
    }

    fn is_unused(&self) -> bool {
        self.len() == 0 && self.waiters == 0
    }

    pub(super) fn shown(&self, file: FileId) -> impl Iterator<Item = Shown> {
        let flocks = self.flocks.iter().map(move |f| {
            let owner = Owner::Description(f.file);
            let (start, end) = (0, OFFSET_MAX);
            let range = Range { owner, file: f.file, pid: f.pid, write: f.exclusive, start, end };
            Shown { range, is_flock: true, file }
        });
        flocks.chain(self.ranges.iter().map(move |&range| Shown { range, is_flock: false, file }))
    }
}

/// The locks on the files of one file system.
#[derive(Default)]
pub struct Locks {
    files: Mutex<HashMap<FileId, FileLocks>>,
    /// How many there are in all, so that closing a file costs one load where there are none.
    count: AtomicUsize,
}

/// The tables that have ever had a lock. Held with no table locked.
static TABLES: Mutex<Vec<Weak<Locks>>> = Mutex::new(Vec::new());

/// A lock as `/proc` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The lock; flock(2)'s are of open file descriptions, on everything.
    pub range: Range,
    /// Whether it is one of flock(2).
    pub is_flock: bool,
    /// What is locked.
    pub file: FileId,
}

/// All locks of the sandbox.
#[must_use]
pub fn all() -> Vec<Shown> {
    let tables: Vec<_> = TABLES.lock().iter().filter_map(Weak::upgrade).collect();
    let mut shown = Vec::new();
    for table in tables {
        for (&file, locks) in &*table.files.lock() {
            shown.extend(locks.shown(file));
        }
    }
    shown
}

impl Locks {
    /// Whether nothing is locked.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Whether there may be more.
    pub(super) fn has_room(&self) -> bool {
        self.count.load(Ordering::Relaxed) < MAX_LOCKS
    }

    /// Changes the locks of a file; whoever waits is woken if `change` says that there may be less in the way.
    pub(super) fn change<T>(
        self: &Arc<Self>,
        file: FileId,
        change: impl FnOnce(&mut FileLocks) -> (T, bool),
    ) -> T {
        let mut files = self.files.lock();
        let locks = files.entry(file).or_default();
        let before = locks.len();
        let (result, wake) = change(locks);
        let after = locks.len();
        let queue = (wake && locks.waiters > 0).then(|| Arc::clone(&locks.queue));
        if locks.is_unused() {
            files.remove(&file);
        }
        let first = if after > before {
            self.count.fetch_add(after - before, Ordering::Relaxed) == 0
        } else {
            self.count.fetch_sub(before - after, Ordering::Relaxed);
            false
        };
        drop(files);
        if first {
            self.register();
        }
        if let Some(queue) = queue {
            queue.notify(Readiness::IN);
        }
        result
    }

    fn register(self: &Arc<Self>) {
        let mut tables = TABLES.lock();
        tables.retain(|table| table.strong_count() > 0);
        let own = Arc::downgrade(self);
        if !tables.iter().any(|table| table.ptr_eq(&own)) {
            tables.push(own);
        }
    }

    /// The first lock that stands against one.
    pub(super) fn conflict(&self, file: FileId, wanted: &Range) -> Option<Range> {
        self.of(file, |of| of.ranges.conflict(wanted)).flatten()
    }

    /// Looks at the locks of a file, if there are any.
    pub(super) fn of<T>(&self, file: FileId, look: impl FnOnce(&FileLocks) -> T) -> Option<T> {
        self.files.lock().get(&file).map(look)
    }

    /// A place among those who wait for a lock on a file to go.
    pub(super) fn wait(self: &Arc<Self>, file: FileId) -> Waiting {
        let mut files = self.files.lock();
        let locks = files.entry(file).or_default();
        locks.waiters += 1;
        Waiting { locks: Arc::clone(self), file, queue: Arc::clone(&locks.queue) }
    }
}

/// Somebody waits for a lock on a file to go, as long as this lives.
pub struct Waiting {
    locks: Arc<Locks>,
    file: FileId,
    queue: Arc<WaitQueue>,
}

impl Waiting {
    /// Who is told.
    #[must_use]
    pub fn queue(&self) -> &Arc<WaitQueue> {
        &self.queue
    }

    /// What stands against a lock on the file now.
    pub(super) fn conflict(&self, wanted: &Range) -> Option<Range> {
        self.locks.conflict(self.file, wanted)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut files = self.locks.files.lock();
        if let Some(locks) = files.get_mut(&self.file) {
            locks.waiters -= 1;
            if locks.is_unused() {
                files.remove(&self.file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is left of a file that was waited for.
    #[test]
    fn files_without_locks_are_forgotten() {
        let locks = Arc::new(Locks::default());
        let file = (1, 2);
        let mine = Flock { file: 1, exclusive: true, pid: 1 };
        locks.change(file, |of| (of.flocks.push(mine), false));
        let waiting = [locks.wait(file), locks.wait(file)];
        locks.change(file, |of| (of.flocks.clear(), true));
        assert!(locks.is_empty());
        assert_eq!(locks.files.lock().len(), 1);
        drop(waiting);
        assert_eq!(locks.files.lock().len(), 0);
    }
}
