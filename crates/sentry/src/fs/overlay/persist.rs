//! The saved forms of overlays. What was changed is in the inodes above, which are saved by their file system.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_platform::sync::{Mutex, RwLock};

use super::dir::OverlayDir;
use super::file::{Mapped, Opened, OverlayFile};
use super::inode::Layers;
use super::{OverlayFs, OverlayInode, Whiteouts};
use crate::fs::entries::{Entries, EntryState};
use crate::mm::Mappable;
use crate::mm::persist::MappableState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::persist::{FileOpsState, InodeState, restored_device};
use crate::vfs::{FileOps, FileType, Inode};

/// Devices of the host that can lie below one directory.
const MAX_DEVICES: usize = 1 << 12;

/// An [`OverlayFs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct OverlayFsState {
    dev: u64,
    lower_dev: u64,
    other_devs: Vec<u64>,
    whiteouts: Whiteouts,
    next_temporary: u64,
}

impl Component for OverlayFsState {
    type Object = Arc<OverlayFs>;

    fn save(fs: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self {
            dev: fs.dev,
            lower_dev: fs.lower_dev,
            other_devs: fs.other_devs.lock().clone(),
            whiteouts: fs.whiteouts,
            next_temporary: fs.next_temporary.load(Ordering::Relaxed),
        })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        if self.other_devs.len() > MAX_DEVICES {
            return Err(RestoreError::new("too many devices below"));
        }
        Ok(Arc::new(OverlayFs {
            dev: restored_device(self.dev)?,
            lower_dev: self.lower_dev,
            other_devs: Mutex::new(self.other_devs),
            whiteouts: self.whiteouts,
            next_temporary: AtomicU64::new(self.next_temporary),
        }))
    }
}

/// An [`OverlayInode`].
#[derive(Debug, Serialize, Deserialize)]
pub struct OverlayInodeState {
    fs: Id<OverlayFsState>,
    /// The directory and the name in it; none for the root and for what never had a name.
    pub(crate) place: Option<(Id<InodeState>, ByteBuf)>,
    upper: Option<Id<InodeState>>,
    lower: Option<Id<InodeState>>,
    file_type: FileType,
    ino: u64,
}

fn id(inode: &Arc<OverlayInode>, saver: &mut Saver) -> Id<InodeState> {
    let inode: Arc<dyn Inode> = inode.clone();
    saver.id(&inode)
}

fn get(inode: Id<InodeState>, restorer: &mut Restorer<'_>) -> Result<Arc<OverlayInode>, RestoreError> {
    let inode = restorer.get(inode)?.downcast();
    inode.ok_or_else(|| RestoreError::new("it refers to what is no file of an overlay"))
}

impl OverlayInodeState {
    pub(super) fn save(inode: &OverlayInode, saver: &mut Saver) -> Self {
        let (place, layers) = (inode.place.lock().clone(), inode.layers.read().clone());
        Self {
            fs: saver.id(&inode.fs),
            place: place.map(|(dir, name)| (id(&dir, saver), ByteBuf::from(name))),
            upper: layers.upper.as_ref().map(|upper| saver.id(upper)),
            lower: layers.lower.as_ref().map(|lower| saver.id(lower)),
            file_type: inode.file_type(),
            ino: inode.ino(),
        }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let wrong = |what: &str| RestoreError::new(what);
        let fs = restorer.get(self.fs)?;
        let place = match self.place {
            None => None,
            Some((dir, name)) => {
                let dir = get(dir, restorer)?;
                if !Arc::ptr_eq(&dir.fs, &fs)
                    || dir.file_type() != FileType::Directory
                    || name.is_empty()
                    || name.contains(&0)
                {
                    return Err(wrong("its place is no name in a directory of its overlay"));
                }
                Some((dir, name.into_vec()))
            }
        };
        let mut layer = |id: Option<Id<InodeState>>| {
            let inode = id.map(|id| restorer.get(id)).transpose()?;
            match inode {
                Some(inode) if inode.downcast_ref::<OverlayInode>().is_some() => {
                    Err(RestoreError::new("an overlay lies on an overlay"))
                }
                inode => Ok(inode),
            }
        };
        let layers = Layers { upper: layer(self.upper)?, lower: layer(self.lower)? };
        let Some(real) = layers.upper.as_ref().or(layers.lower.as_ref()) else {
            return Err(wrong("it is neither above nor below"));
        };
        if real.file_type() != self.file_type {
            return Err(wrong("it is of another type than what it is made of"));
        }
        Ok(OverlayInode::with_ino(&fs, place, layers, self.file_type, self.ino))
    }
}

/// An open file or directory.
#[derive(Debug, Serialize, Deserialize)]
pub struct OverlayFileState {
    inode: Id<InodeState>,
    open: OpenState,
}

#[derive(Debug, Serialize, Deserialize)]
enum OpenState {
    /// A regular file, and what is open of it.
    File { flags: u32, ops: Id<FileOpsState>, upper: bool },
    /// A directory, and what was read of it.
    Directory(Vec<EntryState>),
}

impl OverlayFileState {
    pub(super) fn save(file: &OverlayFile, saver: &mut Saver) -> Result<Self, Unsavable> {
        // What was copied up meanwhile is opened.
        let ops = file.ops().map_err(|e| Unsavable::new("an open file of an overlay", e.to_string()))?;
        let (flags, upper) = (file.flags, file.opened.read().upper);
        let open = OpenState::File { flags, ops: saver.id(&ops), upper };
        Ok(Self { inode: id(&file.inode, saver), open })
    }

    pub(super) fn save_dir(dir: &OverlayDir, saver: &mut Saver) -> Self {
        Self { inode: id(&dir.inode, saver), open: OpenState::Directory(dir.entries.lock().save()) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = get(self.inode, restorer)?;
        match (self.open, inode.file_type()) {
            (OpenState::File { flags, ops, upper }, FileType::Regular) => {
                let ops = restorer.get(ops)?;
                if ops.downcast_ref::<OverlayFile>().is_some() || upper && !inode.has_upper() {
                    return Err(RestoreError::new("what is open of it cannot be"));
                }
                let opened = RwLock::new(Opened { ops, upper });
                Ok(Arc::new(OverlayFile { inode, flags, opened }))
            }
            (OpenState::Directory(entries), FileType::Directory) => {
                Ok(Arc::new(OverlayDir { inode, entries: Mutex::new(Entries::restore(entries)?) }))
            }
            _ => Err(RestoreError::new("it is open as what it is not")),
        }
    }
}

/// A regular file as memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct OverlayMappedState {
    inner: Id<MappableState>,
    inode: Id<InodeState>,
}

impl OverlayMappedState {
    pub(super) fn save(mapped: &Mapped, saver: &mut Saver) -> Self {
        Self { inner: saver.id(&mapped.inner), inode: id(&mapped.inode, saver) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Mappable>, RestoreError> {
        Ok(Arc::new(Mapped { inner: restorer.get(self.inner)?, inode: get(self.inode, restorer)? }))
    }
}
