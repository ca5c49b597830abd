//! Open files and directories.

use std::sync::Arc;

use stockade_abi::Errno;

use super::{Seals, TmpFileState, TmpInode, TmpMappedState};
use crate::io::{Sink, Source};
use crate::mm::persist::MappableState;
use crate::mm::{Mappable, ObjectId};
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{DirEntry, File, FileOps, FileType, HostFd, Inode, Seek};

/// FALLOC_FL_ flags (fallocate(2)).
const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;
const ZERO_RANGE: u32 = 16;

/// An open regular file.
pub struct TmpFile(pub(super) Arc<TmpInode>);

impl TmpFile {
    /// What is open.
    #[must_use]
    pub fn inode(&self) -> &Arc<TmpInode> {
        &self.0
    }
}

impl FileOps for TmpFile {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let n = self.0.content()?.read().read(dst, offset)?;
        self.0.touch_accessed();
        Ok(n)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        let n = self.0.content()?.write().write(src, offset)?;
        self.0.touch_modified();
        Ok(n)
    }

    fn append(&self, _file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let mut content = self.0.content()?.write();
        let end = content.size();
        let n = content.write(src, end)?;
        drop(content);
        self.0.touch_modified();
        Ok((n, end + n as u64))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        let content = self.0.content()?.read();
        match whence {
            Seek::End => {
                let end = i64::try_from(content.size()).unwrap_or(i64::MAX);
                u64::try_from(end.checked_add(offset).ok_or(Errno::EOVERFLOW)?).map_err(|_| Errno::EINVAL)
            }
            _ => content.seek(whence, u64::try_from(offset).map_err(|_| Errno::ENXIO)?),
        }
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn allocate(&self, mode: u32, offset: u64, len: u64) -> Result<(), Errno> {
        match mode {
            0 => self.0.content()?.write().reserve(offset, len, false),
            KEEP_SIZE => self.0.content()?.write().reserve(offset, len, true),
            m if m == PUNCH_HOLE | KEEP_SIZE => return self.0.punch_hole(offset, len),
            ZERO_RANGE => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::EOPNOTSUPP),
        }?;
        self.0.touch_modified();
        Ok(())
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        Ok(Arc::new(Mapped { inode: Arc::clone(&self.0), path: Vec::new() }))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Tmp(TmpFileState::save(&self.0, saver)))
    }
}

/// A regular file as memory.
pub(super) struct Mapped {
    pub(super) inode: Arc<TmpInode>,
    pub(super) path: Vec<u8>,
}

impl Mappable for Mapped {
    fn host_fd(&self, _writable: bool) -> Result<Arc<HostFd>, Errno> {
        self.inode.regular()?.memfd()
    }

    fn object_id(&self) -> ObjectId {
        ObjectId { dev: self.inode.dev(), ino: self.inode.ino() }
    }

    fn display_path(&self) -> Vec<u8> {
        self.path.clone()
    }

    fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.inode.punch_hole(offset, len)
    }

    fn admit_shared(&self, write: bool) -> Result<bool, Errno> {
        let sealed = self.inode.seals()?.intersects(Seals::WRITE | Seals::FUTURE_WRITE);
        if sealed && write { Err(Errno::EPERM) } else { Ok(!sealed) }
    }

    fn add_writable_pages(&self, pages: u64) -> Result<(), Errno> {
        self.inode.regular()?.writable.add(pages)
    }

    fn remove_writable_pages(&self, pages: u64) {
        if let Ok(regular) = self.inode.regular() {
            regular.writable.remove(pages);
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<MappableState, Unsavable> {
        Ok(MappableState::Tmp(TmpMappedState::save(self, saver)))
    }
}

/// An open directory.
pub(super) struct TmpDir(pub(super) Arc<TmpInode>);

impl FileOps for TmpDir {
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        match whence {
            Seek::End => u64::try_from(i64::MAX.saturating_add(offset.min(0))).map_err(|_| Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn iterate(
        &self,
        file: &File,
        from: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        let mut position = from;
        if position == 0 {
            if !emit(DirEntry { name: b".", ino: self.0.ino(), file_type: FileType::Directory, next: 1 }) {
                return Ok(position);
            }
            position = 1;
        }
        if position == 1 {
            let parent = file.path.dentry.parent();
            let ino = parent.and_then(|p| p.inode.attrs().ok()).map_or(self.0.ino(), |a| a.ino);
            if !emit(DirEntry { name: b"..", ino, file_type: FileType::Directory, next: 2 }) {
                return Ok(position);
            }
            position = 2;
        }
        self.0.touch_accessed();
        for (next, name, inode) in self.0.entries()?.read().from(position) {
            if !emit(DirEntry { name, ino: inode.ino(), file_type: inode.file_type(), next }) {
                break;
            }
            position = next;
        }
        Ok(position)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Tmp(TmpFileState::save(&self.0, saver)))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }
}
