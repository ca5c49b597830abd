//! The memory file system (tmpfs(5)).

mod budget;
mod content;
mod dir;
mod file;
mod inode;
mod options;
mod persist;
mod seals;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use budget::Budget;
pub use content::Content;
pub use file::TmpFile;
pub use inode::{TmpInode, TmpInodeState};
pub use options::Options;
pub use persist::{TmpFileState, TmpFsState, TmpMappedState};
pub use seals::Seals;

use stockade_abi::Errno;

use crate::vfs::{Dentry, NewNode, NodeKind, SuperBlock};

/// What all inodes of one instance share.
pub struct TmpFs {
    dev: u64,
    next_ino: AtomicU64,
    budget: Arc<Budget>,
}

impl TmpFs {
    fn new(dev: u64, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { dev, next_ino: AtomicU64::new(1), budget })
    }

    /// An instance without a root, for files that no directory names.
    #[must_use]
    pub fn unattached(budget: Arc<Budget>) -> Arc<Self> {
        Self::new(SuperBlock::new("tmpfs", "shm", false, false).dev, budget)
    }

    /// A new instance as mount(2) makes it: of its own size, within what is left of `budget`.
    ///
    /// # Errors
    /// ENOSPC
    pub fn mount_with(budget: &Arc<Budget>, options: &Options) -> Result<Arc<Dentry>, Errno> {
        let budget = match options.size {
            Some(0) => Arc::clone(budget),
            size => Budget::within(budget, size.unwrap_or(Budget::NO_LIMIT)),
        };
        let sb = SuperBlock::new("tmpfs", "tmpfs", true, false);
        let root = Self::new(sb.dev, budget).make(&options.root())?;
        Ok(Dentry::root(sb, root))
    }

    /// A new instance with a root directory of this mode.
    ///
    /// # Errors
    /// ENOSPC
    pub fn mount(budget: Arc<Budget>, mode: u32) -> Result<(Arc<TmpFs>, Arc<Dentry>), Errno> {
        let sb = SuperBlock::new("tmpfs", "tmpfs", true, false);
        let fs = Self::new(sb.dev, budget);
        let root = fs.make(&NewNode { kind: NodeKind::Directory, mode, uid: 0, gid: 0 })?;
        let dentry = Dentry::root(sb, root);
        Ok((fs, dentry))
    }

    /// A new inode without a name.
    ///
    /// # Errors
    /// ENOSPC
    pub fn make(self: &Arc<Self>, node: &NewNode) -> Result<Arc<TmpInode>, Errno> {
        let ino = self.next_ino.fetch_add(1, Ordering::Relaxed);
        TmpInode::new(Arc::clone(self), ino, node)
    }

    /// A new inode without a name, and without a link.
    ///
    /// # Errors
    /// ENOSPC
    pub fn make_unnamed(self: &Arc<Self>, node: &NewNode) -> Result<Arc<TmpInode>, Errno> {
        let inode = self.make(node)?;
        inode.add_links(-1);
        Ok(inode)
    }
}

#[cfg(test)]
mod tests;
