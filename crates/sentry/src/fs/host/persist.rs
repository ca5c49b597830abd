//! The saved forms of host directories: names, beneath what the owner gives anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;
use stockade_platform::sync::Mutex;

use super::disk::Disk;
use super::fifos::Fifos;
use super::file::{HostFile, access_of};
use super::{HostFs, HostInode, stat_in};
use crate::fs::entries::{Entries, EntryState};
use crate::fs::pipe::PipeState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::persist::{InodeState, SuperBlockState, restored_device};
use crate::vfs::{Attrs, FileOps, FileType, HostFd, Inode};

/// Devices of the host that can lie below one directory.
const MAX_DEVICES: usize = 1 << 12;

/// A [`HostFs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HostFsState {
    label: String,
    sb: Id<SuperBlockState>,
    shared: bool,
    /// Whether it is a single file.
    #[serde(default)]
    is_file: bool,
    /// What it has taken of the budget, if it may not grow without bound.
    #[serde(default)]
    taken: Option<u64>,
    /// Device numbers of the host, and those that they have here.
    #[serde(default)]
    devices: Vec<(u64, u64)>,
    /// Pipes of FIFOs that are open, by device and inode number.
    #[serde(default)]
    fifos: Vec<((u64, u64), Id<PipeState>)>,
}

impl Component for HostFsState {
    type Object = Arc<HostFs>;

    fn save(fs: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self {
            label: fs.label.clone(),
            sb: saver.id(&fs.sb),
            shared: fs.shared,
            is_file: fs.proc.is_some(),
            taken: fs.disk.as_ref().map(Disk::taken),
            devices: fs.devices.lock().iter().map(|(&host, &dev)| (host, dev)).collect(),
            fifos: fs.fifos.open().iter().map(|(file, pipe)| (*file, saver.id(pipe))).collect(),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let refused = |e: Errno| RestoreError::refused(&self.label, e);
        let root = restorer.host.tree(&self.label).map_err(refused)?;
        let found = stat_in(&root, b"").map_err(refused)?;
        let proc = match (self.is_file, FileType::from_mode(found.stx_mode.into())) {
            (false, FileType::Directory) => None,
            (true, FileType::Regular) => Some(restorer.host.proc().map_err(refused)?),
            (false, _) => return Err(refused(Errno::ENOTDIR)),
            (true, _) => return Err(RestoreError::new(format!("{}: it is no regular file", self.label))),
        };
        let disk = self.taken.map(|taken| {
            let disk = Disk::new(Arc::clone(&restorer.kernel().memory_files));
            disk.take(taken).map(|()| disk)
        });
        if self.devices.len() > MAX_DEVICES {
            return Err(RestoreError::new(format!("{}: too many devices", self.label)));
        }
        for (_, dev) in &self.devices {
            restored_device(*dev)?;
        }
        let fifos = Fifos::default();
        for (file, pipe) in self.fifos {
            fifos.put_back(file, &restorer.get(pipe)?);
        }
        Ok(Arc::new(HostFs {
            sb: restorer.get(self.sb)?,
            root: Arc::new(root),
            proc,
            root_dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            shared: self.shared,
            disk: disk.transpose().map_err(refused)?,
            devices: Mutex::new(self.devices.into_iter().collect()),
            open_dirs: Mutex::default(),
            fifos,
            label: self.label,
        }))
    }
}

/// A [`HostInode`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HostInodeState {
    pub(super) fs: Id<HostFsState>,
    /// The directory and the name in it; none for the root.
    pub(crate) place: Option<(Id<InodeState>, ByteBuf)>,
    pub(super) ino: u64,
    pub(super) dev: u64,
    pub(super) file_type: FileType,
    /// Whether the name was gone already, or another file's.
    #[serde(default)]
    pub(super) is_orphan: bool,
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
        if matches!(&**name, b"" | b"." | b"..") || name.iter().any(|b| matches!(b, 0 | b'/')) {
            return Err(RestoreError::new("no name that a file can have"));
        }
        let found = dir.dir_fd().and_then(|fd| stat_in(&*fd, &name)).map(|found| fs.attrs_of(&found));
        // What has gone meanwhile, or is something else now, answers so when it is used.
        let attrs = match found {
            Ok(attrs) if attrs.file_type() == self.file_type && !self.is_orphan => attrs,
            _ => Attrs { ino: self.ino, dev: self.dev, mode: self.file_type.mode_bits(), ..Attrs::default() },
        };
        let place = Some((dir, Arc::from(name.into_vec())));
        let inode = HostInode::with_attrs(&fs, place, attrs);
        inode.forget_attrs();
        Ok(inode)
    }
}

/// An open regular file, or one that is mapped: which one it is, and how it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostFileState {
    inode: Id<InodeState>,
    access: u32,
    size: u64,
    mtime: Timespec,
    /// If its name was gone: its mode. Its contents are saved then.
    #[serde(default)]
    orphan: Option<u32>,
}

impl HostFileState {
    pub(super) fn save(
        inode: &Arc<HostInode>,
        fd: &Arc<HostFd>,
        saver: &mut Saver,
    ) -> Result<Self, Unsavable> {
        let unsavable = |e: Errno| Unsavable::new(inode.display(), e.to_string());
        let attrs = inode.attrs_of(&stat_in(fd, b"").map_err(unsavable)?);
        let orphan = inode.is_orphan().then_some(attrs.mode);
        if orphan.is_some() && !inode.save_orphan(fd) {
            return Err(Unsavable::new(inode.display(), "it was deleted, and may not be read"));
        }
        let (size, mtime, access) = (attrs.size, attrs.mtime, access_of(fd));
        let inode: Arc<dyn Inode> = inode.clone();
        Ok(Self { inode: saver.id(&inode), access, size, mtime, orphan })
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = restorer.get(self.inode)?.downcast::<HostInode>();
        let inode = inode.ok_or_else(|| RestoreError::new("it is no file of the host"))?;
        let refused = |e| RestoreError::refused(&inode.display(), e);
        if let Some(mode) = self.orphan {
            let fd = inode.restored_orphan(self.size, mode).map_err(refused)?;
            return Ok(HostFile::new(inode, fd));
        }
        let ops = Arc::clone(&inode).open(self.access & c::O_ACCMODE).map_err(refused)?;
        if ops.downcast_ref::<HostFile>().is_none() {
            return Err(RestoreError::new(format!("{} is no regular file", inode.display())));
        }
        let attrs = ops.attrs().unwrap_or_else(|| inode.attrs()).map_err(refused)?;
        if (attrs.size, attrs.mtime) != (self.size, self.mtime) {
            return Err(RestoreError::new(format!(
                "{} was open and has changed since the sandbox was saved",
                inode.display()
            )));
        }
        Ok(ops)
    }
}

/// An open directory, and what was read of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostDirState {
    pub(super) inode: Id<InodeState>,
    pub(super) entries: Vec<EntryState>,
}

impl HostDirState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = restorer.get(self.inode)?.downcast::<HostInode>();
        let inode = inode.ok_or_else(|| RestoreError::new("it is no directory of the host"))?;
        let refused = |e| RestoreError::refused(&inode.display(), e);
        let dir = Arc::clone(&inode).open_dir().map_err(refused)?;
        Ok(Arc::new(dir.with_entries(Entries::restore(self.entries)?)))
    }
}
