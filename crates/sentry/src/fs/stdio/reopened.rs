//! Regular files of the host that were inherited and opened anew.

use std::sync::Arc;

use stockade_abi::Errno;

use super::host;
use super::watch::Watched;
use crate::fs::host::file::{mapped, with_buffer};
use crate::io::{Sink, Source};
use crate::mm::{Mappable, ObjectId};
use crate::vfs::{Attrs, File, FileOps, HostFd, Seek};

/// An inherited regular file that was opened anew: it has an offset of its own.
pub(super) struct Reopened {
    pub(super) fd: Arc<Watched>,
    pub(super) attrs: Attrs,
}

/// The memory that a regular file of the host is.
pub(super) fn mappable(fd: &Watched, attrs: &Attrs) -> Result<Arc<dyn Mappable>, Errno> {
    let fd = rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(host)?;
    Ok(mapped(HostFd::new(fd)?, ObjectId { dev: attrs.dev, ino: attrs.ino }))
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
        mappable(&self.fd, &self.attrs)
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        Some(self.size().map(|size| Attrs { size, ..self.attrs }))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        rustix::fs::fsync(&*self.fd).map_err(host)
    }
}
