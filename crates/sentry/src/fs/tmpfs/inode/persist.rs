//! The saved form of [`TmpInode`].

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::misc::NAME_MAX;
use stockade_platform::sync::{Mutex, RwLock};

use super::{Data, MAX_XATTRS, Meta, NODE, Regular, TmpInode, size_of_xattrs};
use crate::fs::pipe::PipeState;
use crate::fs::tmpfs::content::{Content, ContentState};
use crate::fs::tmpfs::dir::Entries;
use crate::fs::tmpfs::seals::{Seals, WritablePages};
use crate::fs::tmpfs::{TmpFs, TmpFsState};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::persist::InodeState;
use crate::vfs::{FileType, Inode};

/// More entries than any directory has had.
const MAX_POSITIONS: u64 = 1 << 62;
/// What a symbolic link may have.
const MAX_TARGET: usize = 4096;

/// A [`TmpInode`], but for the contents of a regular file.
#[derive(Debug, Serialize, Deserialize)]
pub struct TmpInodeState {
    fs: Id<TmpFsState>,
    ino: u64,
    file_type: FileType,
    meta: Meta,
    data: DataState,
    xattrs: Vec<(ByteBuf, ByteBuf)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum DataState {
    Regular(ContentState),
    Directory { next: u64, entries: Vec<EntryState> },
    Symlink(ByteBuf),
    Fifo(Id<PipeState>),
    Special { rdev: u64 },
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryState {
    position: u64,
    name: ByteBuf,
    inode: Id<InodeState>,
}

impl DataState {
    fn save(data: &Data, saver: &mut Saver) -> Self {
        match data {
            Data::Regular(regular) => Self::Regular(regular.content.read().save()),
            Data::Directory(entries) => {
                let entries = entries.read();
                let states = entries.from(0).map(|(next, name, inode)| {
                    let inode: Arc<dyn Inode> = inode.clone();
                    let name = ByteBuf::from(name.to_vec());
                    EntryState { position: next - 1, name, inode: saver.id(&inode) }
                });
                Self::Directory { entries: states.collect(), next: entries.next() }
            }
            Data::Symlink(target) => Self::Symlink(ByteBuf::from(target.clone())),
            Data::Fifo(pipe) => Self::Fifo(saver.id(pipe)),
            Data::Special { rdev } => Self::Special { rdev: *rdev },
        }
    }

    fn is(&self, file_type: FileType) -> bool {
        match self {
            Self::Regular(_) => file_type == FileType::Regular,
            Self::Directory { .. } => file_type == FileType::Directory,
            Self::Symlink(_) => file_type == FileType::Symlink,
            Self::Fifo(_) => file_type == FileType::Fifo,
            Self::Special { .. } => {
                matches!(file_type, FileType::Socket | FileType::CharDevice | FileType::BlockDevice)
            }
        }
    }

    /// What it is, and the entries that a directory is still to get.
    fn restore(
        self,
        fs: &TmpFs,
        restorer: &mut Restorer<'_>,
    ) -> Result<(Data, Vec<EntryState>), RestoreError> {
        let data = match self {
            Self::Regular(state) => {
                let content = Content::restore(state, Arc::clone(&fs.budget))?;
                let (memfd, writable) = (OnceLock::new(), WritablePages::default());
                if content.seals().contains(Seals::WRITE) {
                    // Nothing is mapped yet.
                    let _ = writable.forbid();
                }
                Data::Regular(Regular { content: RwLock::new(content), memfd, writable })
            }
            Self::Directory { next, entries } => {
                if next > MAX_POSITIONS {
                    return Err(RestoreError::new("a directory that has had too many entries"));
                }
                return Ok((Data::Directory(RwLock::new(Entries::from_next(next))), entries));
            }
            Self::Symlink(target) if target.len() > MAX_TARGET => {
                return Err(RestoreError::new("a symbolic link that is too long"));
            }
            Self::Symlink(target) => Data::Symlink(target.into_vec()),
            Self::Fifo(pipe) => Data::Fifo(restorer.get(pipe)?),
            Self::Special { rdev } => Data::Special { rdev },
        };
        Ok((data, Vec::new()))
    }
}

/// Whether a directory can have an entry of this name.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= NAME_MAX
        && !name.iter().any(|b| matches!(b, 0 | b'/'))
}

impl TmpInodeState {
    pub(super) fn save(inode: &TmpInode, saver: &mut Saver) -> Self {
        let xattrs = inode.xattrs.lock();
        let bytes = |bytes: &[u8]| ByteBuf::from(bytes.to_vec());
        Self {
            fs: saver.id(&inode.fs),
            ino: inode.ino,
            file_type: inode.file_type,
            meta: *inode.meta.lock(),
            data: DataState::save(&inode.data, saver),
            xattrs: xattrs.iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        }
    }

    /// The entries of a directory.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Id<InodeState>> {
        let entries = match &self.data {
            DataState::Directory { entries, .. } => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| entry.inode)
    }

    /// Whether it is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        matches!(self.data, DataState::Directory { .. })
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = restorer.get(self.fs)?;
        if !self.data.is(self.file_type) || self.meta.mode > 0o7777 {
            return Err(RestoreError::new("its type or mode is none that a file has"));
        }
        let bytes = |(name, value): (ByteBuf, ByteBuf)| (name.into_vec(), value.into_vec());
        let xattrs: BTreeMap<_, _> = self.xattrs.into_iter().map(bytes).collect();
        let (names, target) = match &self.data {
            DataState::Directory { .. } => (0, 0),
            DataState::Symlink(target) => (self.meta.nlink.saturating_sub(1), target.len()),
            _ => (self.meta.nlink.saturating_sub(1), 0),
        };
        let size_of_xattrs = size_of_xattrs(&xattrs);
        if size_of_xattrs > MAX_XATTRS as u64 {
            return Err(RestoreError::new("too many extended attributes"));
        }
        let (data, entries) = self.data.restore(&fs, restorer)?;
        // As it is given back when the inode goes.
        let charged = NODE * (1 + u64::from(names)) + target as u64 + size_of_xattrs;
        fs.budget.take_kernel(charged).map_err(|e| RestoreError::refused("files in memory", e))?;
        let (meta, xattrs) = (Mutex::new(self.meta), Mutex::new(xattrs));
        let inode = Arc::new(TmpInode { fs, ino: self.ino, file_type: self.file_type, meta, data, xattrs });
        if !entries.is_empty() {
            let inode = Arc::clone(&inode);
            restorer.later(move |restorer| inode.put_back(entries, restorer));
        }
        Ok(inode)
    }
}

impl TmpInode {
    /// Gives a directory its entries, when all are made.
    fn put_back(&self, states: Vec<EntryState>, restorer: &mut Restorer<'_>) -> Result<(), RestoreError> {
        let Data::Directory(entries) = &self.data else { return Ok(()) };
        for state in states {
            let inode = restorer.get(state.inode)?.downcast::<Self>();
            let inode = inode.filter(|inode| Arc::ptr_eq(&inode.fs, &self.fs));
            let inode = inode.ok_or_else(|| RestoreError::new("an entry is no file of its file system"))?;
            if !is_name(&state.name) {
                return Err(RestoreError::new("an entry has no name that a file can have"));
            }
            entries.write().put_back(state.position, &state.name, inode).map_err(RestoreError::new)?;
        }
        Ok(())
    }
}
