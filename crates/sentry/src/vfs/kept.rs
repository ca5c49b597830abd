//! Names that a file system keeps beyond those in use: so many, the oldest directories forget theirs first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use stockade_platform::sync::Mutex;

use super::dentry::{Child, Children, Dentry, LockedDir};

/// How many are kept, if not more are in use.
const MAX: usize = 16384;
/// When there are too many, so many new ones make it time to forget, and twice as many old ones are enough.
const STEP: usize = 64;
/// Directories that are looked at in one go.
const MOST: usize = 16;

/// How many names there are, and in which directories.
#[derive(Default)]
pub(super) struct KeptNames {
    count: AtomicUsize,
    directories: Mutex<Directories>,
}

/// Names hold the directories that they are in, which keep them: so they are let go with the last mount, and none are kept
/// from then on.
#[derive(Default)]
struct Directories {
    mounts: usize,
    unmounted: bool,
    /// Those that keep names, in the order in which they began to.
    queue: VecDeque<Weak<Dentry>>,
}

impl KeptNames {
    /// There is one more mount.
    pub(super) fn mounted(&self) {
        let mut directories = self.directories.lock();
        directories.mounts += 1;
        directories.unmounted = false;
    }

    /// There is one mount less.
    pub(super) fn unmounted(&self) {
        let mut directories = self.directories.lock();
        directories.mounts -= 1;
        if directories.mounts > 0 {
            return;
        }
        directories.unmounted = true;
        let queue = std::mem::take(&mut directories.queue);
        drop(directories);
        for directory in queue.iter().filter_map(Weak::upgrade) {
            let children = directory.let_go();
            self.remove(children.len());
        }
    }

    /// One more; true if some have to go.
    fn add(&self) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        count > MAX && count.is_multiple_of(STEP)
    }

    /// So many less.
    pub(super) fn remove(&self, n: usize) {
        self.count.fetch_sub(n, Ordering::Relaxed);
    }

    /// A directory begins to keep names; false if none are kept any more.
    fn push(&self, directory: &Arc<Dentry>) -> bool {
        let mut directories = self.directories.lock();
        if directories.unmounted {
            return false;
        }
        // Those that are no more go at times, when as many are new.
        let queue = &mut directories.queue;
        if queue.len() >= 2 * MAX && queue.len() == queue.capacity() {
            queue.retain(|d| d.strong_count() > 0);
        }
        queue.push_back(Arc::downgrade(directory));
        true
    }
}

impl Dentry {
    /// Forgets the names that nobody uses, and gives them to the caller; true if some remain.
    fn forget_unused(&self, children: &mut Children, forgotten: &mut Vec<Child>) -> bool {
        let unused = |child: &Child| match child {
            Child::Kept(dentry) => Arc::strong_count(dentry) == 1,
            Child::Used(_) => false,
        };
        forgotten.extend(children.extract_if(|_, child| unused(child)).map(|(_, child)| child));
        if children.is_empty() {
            *children = Children::default();
            self.keeps_names.store(false, Ordering::Relaxed);
        }
        !children.is_empty()
    }

    /// Leaves all names to those who use them, and gives what kept them to the caller, to be dropped without locks.
    fn let_go(&self) -> Vec<Child> {
        let mut children = self.children.lock();
        self.keeps_names.store(false, Ordering::Relaxed);
        let kept = children.values_mut().filter_map(|child| match child {
            Child::Kept(dentry) => Some(Child::used(dentry)).map(|used| std::mem::replace(child, used)),
            Child::Used(_) => None,
        });
        kept.collect()
    }
}

impl LockedDir<'_> {
    /// Keeps a name of this directory.
    pub(super) fn keep(&mut self, name: Arc<[u8]>, child: &Arc<Dentry>) {
        let (dir, kept) = (self.dir, &self.dir.sb.kept);
        if !dir.keeps_names.load(Ordering::Relaxed) && !kept.push(dir) {
            self.children.insert(name, Child::used(child));
            return;
        }
        dir.keeps_names.store(true, Ordering::Relaxed);
        self.children.insert(name, Child::Kept(Arc::clone(child)));
        if kept.add() {
            self.shrink();
        }
    }

    /// Has the directories that keep names longest forget those that nobody uses. Others than this one are only tried to
    /// lock, as they may be locked in any order.
    fn shrink(&mut self) {
        let kept = &self.dir.sb.kept;
        let (mut forgotten, mut looked_at) = (Vec::new(), Vec::new());
        // All the while none of them is missing there, in case that the last mount goes.
        let mut directories = kept.directories.lock();
        while looked_at.len() < MOST && forgotten.len() < 2 * STEP {
            let Some(oldest) = directories.queue.pop_front() else { break };
            let Some(directory) = oldest.upgrade() else { continue };
            let some_remain = if Arc::ptr_eq(&directory, self.dir) {
                directory.forget_unused(&mut self.children, &mut forgotten)
            } else {
                let children = directory.children.try_lock();
                children.is_none_or(|mut children| directory.forget_unused(&mut children, &mut forgotten))
            };
            if some_remain {
                directories.queue.push_back(oldest);
            }
            looked_at.push(directory);
        }
        drop(directories);
        kept.remove(forgotten.len());
    }
}

#[cfg(test)]
mod tests;
