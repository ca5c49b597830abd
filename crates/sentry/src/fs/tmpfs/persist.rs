//! The saved forms of [`TmpFs`] and of its open files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::file::{Mapped, TmpDir};
use super::{Budget, TmpFile, TmpFs, TmpInode};
use crate::mm::Mappable;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::persist::{InodeState, restored_device};
use crate::vfs::{FileOps, FileType, Inode};

/// The path of what is mapped has no more.
const MAX_PATH: usize = 8192;

/// A [`TmpFs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TmpFsState {
    dev: u64,
    next_ino: u64,
    /// Bytes that it may have of what the sandbox has; none for all of them.
    limit: Option<u64>,
}

impl Component for TmpFsState {
    type Object = Arc<TmpFs>;

    fn save(fs: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        let next_ino = fs.next_ino.load(Ordering::Relaxed);
        Ok(Self { dev: fs.dev, next_ino, limit: fs.budget.limit_of_part() })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let whole = &restorer.kernel().memory_files;
        let budget = match self.limit {
            Some(limit) => Budget::within(whole, limit),
            None => Arc::clone(whole),
        };
        let (dev, next_ino) = self.numbers()?;
        Ok(TmpFs::restored(dev, next_ino, budget))
    }
}

impl TmpFs {
    /// One without files, which goes on with these numbers.
    pub(crate) fn restored(dev: u64, next_ino: u64, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { dev, next_ino: AtomicU64::new(next_ino), budget })
    }
}

impl TmpFsState {
    /// Its device and next inode number.
    ///
    /// # Errors
    /// Numbers that it cannot have.
    pub(crate) fn numbers(&self) -> Result<(u64, u64), RestoreError> {
        if i64::try_from(self.next_ino).is_err() {
            return Err(RestoreError::new("an inode number that is too large"));
        }
        Ok((restored_device(self.dev)?, self.next_ino))
    }
}

/// An open file or directory.
#[derive(Debug, Serialize, Deserialize)]
pub struct TmpFileState {
    inode: Id<InodeState>,
}

fn id(inode: &Arc<TmpInode>, saver: &mut Saver) -> Id<InodeState> {
    let inode: Arc<dyn Inode> = inode.clone();
    saver.id(&inode)
}

fn get(inode: Id<InodeState>, restorer: &mut Restorer<'_>) -> Result<Arc<TmpInode>, RestoreError> {
    let inode = restorer.get(inode)?.downcast();
    inode.ok_or_else(|| RestoreError::new("it is no file in memory"))
}

impl TmpFileState {
    pub(super) fn save(inode: &Arc<TmpInode>, saver: &mut Saver) -> Self {
        Self { inode: id(inode, saver) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = get(self.inode, restorer)?;
        match inode.file_type() {
            FileType::Regular => Ok(Arc::new(TmpFile(inode))),
            FileType::Directory => Ok(Arc::new(TmpDir(inode))),
            _ => Err(RestoreError::new("it is neither a file in memory nor a directory")),
        }
    }
}

/// A regular file as memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct TmpMappedState {
    inode: Id<InodeState>,
    path: ByteBuf,
}

impl TmpMappedState {
    pub(super) fn save(mapped: &Mapped, saver: &mut Saver) -> Self {
        Self { inode: id(&mapped.inode, saver), path: ByteBuf::from(mapped.path.clone()) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Mappable>, RestoreError> {
        let inode = get(self.inode, restorer)?;
        let regular = inode.regular().ok().filter(|_| self.path.len() <= MAX_PATH);
        let regular = regular.ok_or_else(|| RestoreError::new("it is no file that can be mapped"))?;
        // Before its pages come, which are copied then.
        regular.memfd().map_err(|e| RestoreError::refused("files in memory", e))?;
        Ok(inode.as_mappable(self.path.into_vec()))
    }
}
