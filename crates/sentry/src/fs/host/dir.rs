//! Open directories.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::RawDir;
use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use super::{HostDirState, HostInode, host};
use crate::fs::entries::Entries;
use crate::io::Sink;
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{DirEntry, File, FileOps, FileType, HostFd, Inode, Seek};

/// An open directory.
pub(super) struct HostDir {
    inode: Arc<HostInode>,
    fd: Arc<HostFd>,
    entries: Mutex<Entries>,
}

impl HostDir {
    pub(super) fn new(inode: Arc<HostInode>, fd: OwnedFd) -> Result<Self, Errno> {
        Ok(Self { inode, fd: HostFd::new(fd)?, entries: Mutex::default() })
    }

    /// Goes on with what was read of it.
    pub(super) fn with_entries(self, entries: Entries) -> Self {
        Self { entries: Mutex::new(entries), ..self }
    }

    /// All entries; `again` if they have been read before.
    fn load(&self, again: bool) -> Result<Entries, Errno> {
        if again {
            rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::Start(0)).map_err(host)?;
        }
        let mut buf = Vec::with_capacity(32 * 1024);
        let mut dir = RawDir::new(&self.fd, buf.spare_capacity_mut());
        let mut entries = Entries::default();
        while let Some(entry) = dir.next() {
            let entry = entry.map_err(host)?;
            let file_type = match entry.file_type() {
                rustix::fs::FileType::Directory => FileType::Directory,
                rustix::fs::FileType::Symlink => FileType::Symlink,
                rustix::fs::FileType::Fifo => FileType::Fifo,
                rustix::fs::FileType::Socket => FileType::Socket,
                rustix::fs::FileType::CharacterDevice => FileType::CharDevice,
                rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
                _ => FileType::Regular,
            };
            entries.push(entry.file_name().to_bytes(), entry.ino(), file_type);
        }
        Ok(entries)
    }
}

impl FileOps for HostDir {
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn iterate(
        &self,
        _file: &File,
        from: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        let mut entries = self.entries.lock();
        if from == 0 {
            *entries = self.load(!entries.is_empty())?;
        }
        Ok(entries.emit(from, emit))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let inode: Arc<dyn Inode> = self.inode.clone();
        let entries = self.entries.lock().save();
        Ok(FileOpsState::HostDir(HostDirState { inode: saver.id(&inode), entries }))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        rustix::fs::fsync(&self.fd).map_err(host)
    }
}
