//! The memory file system (tmpfs(5)).

mod content;
mod dir;
mod file;
mod inode;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stockade_abi::Errno;

pub use content::Content;
pub use inode::TmpInode;

use crate::vfs::{Dentry, NewNode, NodeKind, SuperBlock};

/// Bytes that memory file systems of a sandbox may take together.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
    exhausted: AtomicBool,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0), exhausted: AtomicBool::new(false) })
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// ENOSPC
    pub fn take(&self, bytes: u64) -> Result<(), Errno> {
        self.used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= self.limit)
            })
            .map(|_| ())
            .map_err(|_| self.full())
    }

    /// ENOSPC, and remembers that it was said.
    fn full(&self) -> Errno {
        self.exhausted.store(true, Ordering::Relaxed);
        Errno::ENOSPC
    }

    /// Whether there was ever less left than asked for.
    #[must_use]
    pub fn was_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Gives bytes back.
    pub fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The limit, and how much of it is taken.
    #[must_use]
    pub fn figures(&self) -> (u64, u64) {
        (self.limit, self.used.load(Ordering::Relaxed))
    }
}

/// What all inodes of one instance share.
pub struct TmpFs {
    dev: u64,
    next_ino: AtomicU64,
    budget: Arc<Budget>,
}

impl TmpFs {
    /// An instance on a device, without a root: for unattached files.
    #[must_use]
    pub fn new(dev: u64, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { dev, next_ino: AtomicU64::new(1), budget })
    }

    /// A new instance with a root directory of this mode.
    #[must_use]
    pub fn mount(budget: Arc<Budget>, mode: u32) -> (Arc<TmpFs>, Arc<Dentry>) {
        let sb = SuperBlock::new("tmpfs", "tmpfs", true, false);
        let fs = Self::new(sb.dev, budget);
        let root = fs.make(&NewNode { kind: NodeKind::Directory, mode, uid: 0, gid: 0 });
        let dentry = Dentry::root(sb, root);
        (fs, dentry)
    }

    /// A new inode without a name.
    #[must_use]
    pub fn make(self: &Arc<Self>, node: &NewNode) -> Arc<TmpInode> {
        let ino = self.next_ino.fetch_add(1, Ordering::Relaxed);
        TmpInode::new(Arc::clone(self), ino, node)
    }
}

#[cfg(test)]
mod tests;
