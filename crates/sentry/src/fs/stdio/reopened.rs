//! Regular files of the host that were inherited and opened anew.

use std::sync::Arc;

use rustix::fs::FallocateFlags;
use stockade_abi::Errno;

use super::descriptor::Descriptor;
use super::host;
use super::persist::{HostStreamState, MappedStreamState, StreamKind};
use super::watch::Watched;
use crate::fs::host::file::with_buffer;
use crate::io::{Sink, Source};
use crate::mm::persist::MappableState;
use crate::mm::{Mappable, ObjectId};
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Attrs, File, FileOps, HostFd, Seek};

/// An inherited regular file that was opened anew: it has an offset of its own.
pub(super) struct Reopened {
    pub(super) fd: Arc<Watched>,
    pub(super) of: Arc<Descriptor>,
}

/// The memory that a regular file of the host is.
pub(super) fn mappable(of: &Arc<Descriptor>, fd: &Watched) -> Result<Arc<dyn Mappable>, Errno> {
    let host_fd = HostFd::new(rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(host)?)?;
    Ok(Arc::new(Mapped { of: Arc::clone(of), host_fd }))
}

struct Mapped {
    of: Arc<Descriptor>,
    host_fd: Arc<HostFd>,
}

impl Mappable for Mapped {
    fn host_fd(&self, _writable: bool) -> Result<Arc<HostFd>, Errno> {
        Ok(Arc::clone(&self.host_fd))
    }

    fn object_id(&self) -> ObjectId {
        ObjectId { dev: self.of.attrs.dev, ino: self.of.attrs.ino }
    }

    fn display_path(&self) -> Vec<u8> {
        Vec::new()
    }

    fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.host_fd, mode, offset, len).map_err(host)
    }

    fn save(&self, saver: &mut Saver) -> Result<MappableState, Unsavable> {
        let size = super::attrs_of(&*self.host_fd).map_or(self.of.attrs.size, |now| now.size);
        Ok(MappableState::HostStream(MappedStreamState { of: saver.id(&self.of), size }))
    }
}

impl Reopened {
    fn size(&self) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(&*self.fd).map_err(host)?.st_size as u64)
    }
}

impl FileOps for Reopened {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        with_buffer(dst.remaining(), |buf| {
            let n = rustix::io::pread(&*self.fd, &mut *buf, offset).map_err(host)?;
            if n == 0 { Ok(0) } else { dst.put(&buf[..n]) }
        })
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        with_buffer(src.remaining(), |buf| {
            let n = src.take(buf)?;
            rustix::io::pwrite(&*self.fd, &buf[..n], offset).map_err(host)
        })
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let end = self.size()?;
        let n = self.write(file, src, end)?;
        Ok((n, end + n as u64))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        match whence {
            Seek::End => (self.size()? as i64)
                .checked_add(offset)
                .and_then(|at| u64::try_from(at).ok())
                .ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        mappable(&self.of, &self.fd)
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        Some(self.size().map(|size| Attrs { size, ..self.of.attrs }))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        rustix::fs::fsync(&*self.fd).map_err(host)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let kind = StreamKind::Reopened;
        Ok(FileOpsState::HostStream(HostStreamState { of: saver.id(&self.of), kind }))
    }
}
