//! The saved forms of host directories: names, beneath what the owner gives anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

use super::{HostFs, HostInode, stat_in};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::persist::{InodeState, SuperBlockState};
use crate::vfs::{FileOps, FileType, Inode};

/// A [`HostFs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HostFsState {
    label: String,
    sb: Id<SuperBlockState>,
    shared: bool,
}

impl Component for HostFsState {
    type Object = Arc<HostFs>;

    fn save(fs: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        if fs.proc.is_some() || fs.disk.is_some() {
            return Err(Unsavable::new(&fs.label, "this kind of volume has no saved form"));
        }
        Ok(Self { label: fs.label.clone(), sb: saver.id(&fs.sb), shared: fs.shared })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let refused = |e: Errno| RestoreError::refused(&self.label, e);
        let root = restorer.host.tree(&self.label).map_err(refused)?;
        let found = stat_in(&root, b"").map_err(refused)?;
        Ok(Arc::new(HostFs {
            sb: restorer.get(self.sb)?,
            root: Arc::new(root),
            proc: None,
            root_dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            shared: self.shared,
            disk: None,
            devices: Mutex::default(),
            open_dirs: Mutex::default(),
            fifos: Default::default(),
            label: self.label,
        }))
    }
}

/// A [`HostInode`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HostInodeState {
    pub(super) fs: Id<HostFsState>,
    /// The directory and the name in it; none for the root.
    pub(super) place: Option<(Id<InodeState>, ByteBuf)>,
    pub(super) ino: u64,
    pub(super) dev: u64,
    pub(super) file_type: FileType,
}

impl HostInodeState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = restorer.get(self.fs)?;
        let Some((dir, name)) = self.place else {
            let found = stat_in(&fs.root, b"").map_err(|e| RestoreError::refused(&fs.label, e))?;
            return Ok(HostInode::root(&fs, &found));
        };
        let dir = restorer.get(dir)?.downcast::<HostInode>();
        let dir = dir.filter(|dir| Arc::ptr_eq(&dir.fs, &fs));
        let dir = dir.ok_or_else(|| RestoreError::new("a name in what is no directory of its tree"))?;
        let found = dir.dir_fd().and_then(|fd| stat_in(&*fd, &name)).map_err(|e| {
            RestoreError::refused(&format!("{} in {}", String::from_utf8_lossy(&name), fs.label), e)
        })?;
        Ok(HostInode::make(&fs, Some((dir, Arc::from(name.into_vec()))), &found))
    }
}

/// An open regular file.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostFileState {
    pub(super) inode: Id<InodeState>,
    pub(super) access: u32,
}

impl HostFileState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = restorer.get(self.inode)?;
        inode.open(self.access & c::O_ACCMODE).map_err(|e| RestoreError::refused("a file of the host", e))
    }
}
