//! The saved forms of `/proc`: paths. What they are about is looked up when it is used.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_platform::sync::Mutex;

use super::inode::{Node, OpenDir, ProcInode};
use super::maps::Memory;
use super::root::Root;
use super::text::TextFile;
use super::{ProcFs, root_inode};
use crate::mm::persist::MemoryManagerState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::task::persist::PidNamespaceState;
use crate::vfs::persist::{InodeState, restored_device};
use crate::vfs::{FileOps, FileType, Inode};

/// More than any path here has.
const MAX_PATH: usize = 1024;
/// More than any text has that was read in part.
const MAX_TEXT: usize = 64 << 20;

/// A [`ProcFs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcFsState {
    pidns: Id<PidNamespaceState>,
    dev: u64,
}

impl Component for ProcFsState {
    type Object = Arc<ProcFs>;

    fn save(fs: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { pidns: saver.id(&fs.pidns), dev: fs.dev })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let (kernel, pidns) = (Arc::clone(restorer.kernel()), restorer.get(self.pidns)?);
        Ok(Arc::new(ProcFs { kernel, pidns, dev: restored_device(self.dev)? }))
    }
}

impl ProcFs {
    /// What is at a path, if it is of the type that it was.
    pub(super) fn find(self: &Arc<Self>, path: &[u8], mode: u32) -> Option<Arc<ProcInode>> {
        let mut at = root_inode(self);
        for name in path.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
            let Ok(Node::Dir(dir)) = at.node() else { return None };
            at = at.entry(dir.as_ref(), name).ok()?;
        }
        (at.file_type() == FileType::from_mode(mode)).then_some(at)
    }
}

/// An inode.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProcInodeState {
    fs: Id<ProcFsState>,
    path: ByteBuf,
    ino: u64,
    mode: u32,
    owner: (u32, u32),
}

impl ProcInodeState {
    pub(super) fn save(inode: &ProcInode, saver: &mut Saver) -> Self {
        Self {
            fs: saver.id(&inode.fs),
            path: ByteBuf::from(inode.path.clone()),
            ino: inode.ino,
            mode: inode.mode,
            owner: inode.owner,
        }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = restorer.get(self.fs)?;
        if self.path.len() > MAX_PATH {
            return Err(RestoreError::new("a path that is too long"));
        }
        let node = match self.path.is_empty() {
            true => Node::Dir(Box::new(Root)),
            false => Node::Saved(OnceLock::new()),
        };
        let (ino, mode, owner, path) = (self.ino, self.mode, self.owner, self.path.into_vec());
        Ok(Arc::new(ProcInode { fs, ino, mode, owner, node, path }))
    }
}

/// An open file.
#[derive(Debug, Serialize, Deserialize)]
pub enum ProcFileState {
    /// A directory.
    Directory {
        /// Which one.
        inode: Id<InodeState>,
    },
    /// A text.
    Text {
        /// Which one.
        inode: Id<InodeState>,
        /// What it was when reading began.
        made: Option<ByteBuf>,
    },
    /// The memory of a process.
    Memory {
        /// Which one; none if it has ended.
        mm: Option<Id<MemoryManagerState>>,
    },
}

fn id(inode: &Arc<ProcInode>, saver: &mut Saver) -> Id<InodeState> {
    let inode: Arc<dyn Inode> = inode.clone();
    saver.id(&inode)
}

fn get(inode: Id<InodeState>, restorer: &mut Restorer<'_>) -> Result<Arc<ProcInode>, RestoreError> {
    let inode = restorer.get(inode)?.downcast();
    inode.ok_or_else(|| RestoreError::new("it is nothing of /proc"))
}

impl ProcFileState {
    pub(super) fn save_dir(inode: &Arc<ProcInode>, saver: &mut Saver) -> Self {
        Self::Directory { inode: id(inode, saver) }
    }

    pub(super) fn save_text(file: &TextFile, saver: &mut Saver) -> Self {
        Self::Text { inode: id(&file.inode, saver), made: file.made.lock().clone().map(ByteBuf::from) }
    }

    pub(super) fn save_memory(memory: &Memory, saver: &mut Saver) -> Self {
        let mm = memory.0.as_ref().filter(|mm| mm.has_process());
        Self::Memory { mm: mm.map(|mm| saver.id(mm)) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        match self {
            Self::Directory { inode } => Ok(Arc::new(OpenDir(get(inode, restorer)?))),
            Self::Text { inode, made } => {
                let (inode, made) = (get(inode, restorer)?, made.map(ByteBuf::into_vec));
                if made.as_ref().is_some_and(|made| made.len() > MAX_TEXT) {
                    return Err(RestoreError::new("a text that is too long"));
                }
                Ok(Arc::new(TextFile { inode, made: Mutex::new(made) }))
            }
            Self::Memory { mm } => Ok(Arc::new(Memory(mm.map(|mm| restorer.get(mm)).transpose()?))),
        }
    }
}
