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

/// How many names there are, and in which directories, in the order in which these began to keep some.
#[derive(Default)]
pub(super) struct KeptNames {
    count: AtomicUsize,
    directories: Mutex<VecDeque<Weak<Dentry>>>,
}

impl KeptNames {
    /// One more; true if some have to go.
    fn add(&self) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        count > MAX && count.is_multiple_of(STEP)
    }

    /// So many less.
    pub(super) fn remove(&self, n: usize) {
        self.count.fetch_sub(n, Ordering::Relaxed);
    }

    fn push(&self, directory: &Arc<Dentry>) {
        let mut directories = self.directories.lock();
        // Those that are no more go at times, when as many are new.
        if directories.len() >= 2 * MAX && directories.len() == directories.capacity() {
            directories.retain(|d| d.strong_count() > 0);
        }
        directories.push_back(Arc::downgrade(directory));
    }

    fn oldest(&self) -> Option<Arc<Dentry>> {
        let mut directories = self.directories.lock();
        while let Some(directory) = directories.pop_front() {
            if let Some(directory) = directory.upgrade() {
                return Some(directory);
            }
        }
        None
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
}

impl LockedDir<'_> {
    /// Keeps a name of this directory.
    pub(super) fn keep(&mut self, name: Arc<[u8]>, child: Child) {
        let too_many = self.dir.sb.kept.add();
        self.children.insert(name, child);
        if !self.dir.keeps_names.swap(true, Ordering::Relaxed) {
            self.dir.sb.kept.push(self.dir);
        }
        if too_many {
            self.shrink();
        }
    }

    /// Has the directories that keep names longest forget those that nobody uses. Others than this one are only tried to
    /// lock, as they may be locked in any order.
    fn shrink(&mut self) {
        let kept = &self.dir.sb.kept;
        let mut forgotten = Vec::new();
        for _ in 0..MOST {
            let Some(directory) = kept.oldest() else { break };
            let some_remain = if Arc::ptr_eq(&directory, self.dir) {
                directory.forget_unused(&mut self.children, &mut forgotten)
            } else {
                let children = directory.children.try_lock();
                children.is_none_or(|mut children| directory.forget_unused(&mut children, &mut forgotten))
            };
            if some_remain {
                kept.push(&directory);
            }
            if forgotten.len() >= 2 * STEP {
                break;
            }
        }
        kept.remove(forgotten.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::creds::Credentials;
    use crate::fs::tmpfs::{Budget, TmpFs};
    use crate::vfs::ops::Request;
    use crate::vfs::{LookupFlags, Mount, MountFlags, NodeKind, Path};

    #[test]
    fn small_directories_do_not_keep_names_without_end() {
        let (_, root) = TmpFs::mount(Budget::new(1 << 30), 0o755).unwrap();
        let kept = || root.sb.kept.count.load(Ordering::Relaxed);
        let creds = Credentials::root();
        let place = Path::of_mount(&Mount::new(Arc::clone(&root), MountFlags::empty()));
        let request = Request { root: place.clone(), start: place, creds: &creds, umask: 0 };
        let make = |path: String, kind| request.make(path.as_bytes(), kind, 0o755).unwrap();
        let mut used = Vec::new();
        for d in 0..600 {
            make(format!("/{d}"), NodeKind::Directory);
            for f in 0..50 {
                let made = make(format!("/{d}/{f}"), NodeKind::Regular);
                if f == d % 50 {
                    used.push((format!("/{d}/{f}"), made));
                }
            }
            assert!(kept() <= MAX + STEP, "{}", kept());
        }
        assert!(kept() > MAX / 2, "{}", kept());
        let resolve = |path: &str| request.walk(LookupFlags::empty()).resolve(path.as_bytes()).unwrap();
        for (path, made) in used {
            // What is in use stays, and is found.
            assert!(Arc::ptr_eq(&resolve(&path).dentry, &made.dentry), "{path}");
            assert_eq!(made.display(&request.root).0, path.as_bytes());
        }
        for d in 0..600 {
            for f in 0..50 {
                resolve(&format!("/{d}/{f}"));
            }
            assert!(kept() <= MAX + STEP, "{}", kept());
        }
        for d in 0..600 {
            for f in 0..50 {
                request.remove(format!("/{d}/{f}").as_bytes(), false).unwrap();
            }
            request.remove(format!("/{d}").as_bytes(), true).unwrap();
        }
        assert_eq!(kept(), 0);
    }
}
