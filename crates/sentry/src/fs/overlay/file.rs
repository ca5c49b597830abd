//! Open regular files. One that was opened before its file was copied up goes on with the copy.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::RwLock;

use super::inode::OverlayInode;
use super::{OverlayFileState, OverlayMappedState};
use crate::io::{Sink, Source};
use crate::mm::persist::MappableState;
use crate::mm::{Mappable, ObjectId};
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Attrs, File, FileOps, HostFd, Inode, Seek};

pub(super) struct Opened {
    pub(super) ops: Arc<dyn FileOps>,
    pub(super) upper: bool,
}

/// An open regular file.
pub(super) struct OverlayFile {
    pub(super) inode: Arc<OverlayInode>,
    pub(super) flags: u32,
    pub(super) opened: RwLock<Opened>,
}

impl OverlayFile {
    pub(super) fn open(inode: Arc<OverlayInode>, flags: u32) -> Result<Self, Errno> {
        let upper = inode.has_upper();
        let ops = inode.real()?.open(flags & !c::O_TRUNC)?;
        Ok(Self { inode, flags, opened: RwLock::new(Opened { ops, upper }) })
    }

    pub(super) fn ops(&self) -> Result<Arc<dyn FileOps>, Errno> {
        {
            let opened = self.opened.read();
            if opened.upper || !self.inode.has_upper() {
                return Ok(Arc::clone(&opened.ops));
            }
        }
        let mut opened = self.opened.write();
        if !opened.upper
            && let Some(upper) = self.inode.upper()
        {
            *opened = Opened { ops: upper.open(self.flags & !c::O_TRUNC)?, upper: true };
        }
        Ok(Arc::clone(&opened.ops))
    }
}

impl FileOps for OverlayFile {
    fn read(&self, file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        self.ops()?.read(file, dst, offset)
    }

    fn write(&self, file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        self.ops()?.write(file, src, offset)
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        self.ops()?.append(file, src)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        self.ops()?.seek(file, whence, offset)
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        // A file that is only below has nothing to write.
        if !self.inode.has_upper() { Ok(()) } else { self.ops()?.sync(data_only) }
    }

    fn allocate(&self, mode: u32, offset: u64, len: u64) -> Result<(), Errno> {
        self.ops()?.allocate(mode, offset, len)
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        Ok(Arc::new(Mapped { inner: self.ops()?.mappable()?, inode: Arc::clone(&self.inode) }))
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        let own = |a: Attrs| Attrs { dev: self.inode.fs.dev, ino: self.inode.ino(), ..a };
        match self.ops() {
            Ok(ops) => match ops.attrs() {
                Some(attrs) => Some(attrs.map(own)),
                None => Some(self.inode.attrs()),
            },
            Err(e) => Some(Err(e)),
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        OverlayFileState::save(self, saver).map(FileOpsState::Overlay)
    }
}

pub(super) struct Mapped {
    pub(super) inner: Arc<dyn Mappable>,
    pub(super) inode: Arc<OverlayInode>,
}

impl Mappable for Mapped {
    fn host_fd(&self, writable: bool) -> Result<Arc<HostFd>, Errno> {
        self.inner.host_fd(writable)
    }

    fn object_id(&self) -> ObjectId {
        ObjectId { dev: self.inode.fs.dev, ino: self.inode.ino() }
    }

    fn display_path(&self) -> Vec<u8> {
        self.inner.display_path()
    }

    fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.inner.punch_hole(offset, len)
    }

    fn admit_shared(&self, write: bool) -> Result<bool, Errno> {
        self.inner.admit_shared(write)
    }

    fn add_writable_pages(&self, pages: u64) -> Result<(), Errno> {
        self.inner.add_writable_pages(pages)
    }

    fn remove_writable_pages(&self, pages: u64) {
        self.inner.remove_writable_pages(pages);
    }

    fn save(&self, saver: &mut Saver) -> Result<MappableState, Unsavable> {
        Ok(MappableState::Overlay(OverlayMappedState::save(self, saver)))
    }
}
