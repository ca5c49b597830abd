//! Open regular files.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{ReadWriteFlags, preadv, pwrite, pwritev2};
use stockade_abi::Errno;
use stockade_abi::general as c;

use super::{HostFileState, HostInode, host, stat_in};
use crate::io::{Sink, Source};
use crate::mm::persist::MappableState;
use crate::mm::{Mappable, ObjectId};
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Attrs, File, FileOps, HostFd, Inode, Seek};

/// Bytes moved at once between host and guest.
const BOUNCE: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends a buffer of this thread of `len` bytes, at most [`BOUNCE`]. Its old contents are whatever they are.
pub(crate) fn with_buffer<T>(len: usize, act: impl FnOnce(&mut [u8]) -> T) -> T {
    let len = len.min(BOUNCE);
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.len() < len {
                buffer.resize(len.next_multiple_of(4096), 0);
            }
            act(&mut buffer[..len])
        }
        Err(_) => act(&mut vec![0; len]),
    })
}

/// An open regular file of the host.
pub(super) struct HostFile {
    inode: Arc<HostInode>,
    fd: Arc<HostFd>,
    /// Where a read last met the end; 0 if none has.
    end: AtomicU64,
}

impl HostFile {
    pub(super) fn new(inode: Arc<HostInode>, fd: Arc<HostFd>) -> Arc<Self> {
        Arc::new(Self { inode, fd, end: AtomicU64::new(0) })
    }

    /// Whether a read from here on is known to find nothing, without asking the host: most files are read until that. A read
    /// has ended here, and in a tree that nobody else should change this is the size, too, as far as that is believed. (The
    /// size alone says nothing where a file system makes contents up.)
    fn is_known_end(&self, offset: u64) -> bool {
        offset != 0
            && self.end.load(Ordering::Relaxed) == offset
            && self.inode.trusted_attrs().is_some_and(|attrs| attrs.size == offset)
    }

    fn write_with(
        &self,
        src: &mut dyn Source,
        mut put: impl FnMut(&[u8], usize) -> rustix::io::Result<usize>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while src.remaining() > 0 {
            let step = with_buffer(src.remaining(), |buf| {
                self.inode.may_grow()?;
                let n = src.take(buf)?;
                let written = put(&buf[..n], done).map_err(host)?;
                self.inode.settle(&self.fd);
                Ok((n, written))
            });
            match step {
                Ok((n, written)) => {
                    done += written;
                    if written < n || n == 0 {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        self.inode.forget_attrs();
        Ok(done)
    }
}

impl FileOps for HostFile {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        if self.is_known_end(offset) {
            return Ok(0);
        }
        let mut done = 0;
        while dst.remaining() > 0 {
            let step = with_buffer(dst.remaining(), |buf| {
                let at = offset + done as u64;
                let n = preadv(&*self.fd, &mut [IoSliceMut::new(buf)], at).map_err(host)?;
                if n < buf.len() {
                    self.end.store(at + n as u64, Ordering::Relaxed);
                }
                let put = if n == 0 { 0 } else { dst.put(&buf[..n])? };
                Ok((n < buf.len(), put))
            });
            match step {
                Ok((end, n)) => {
                    done += n;
                    if end || n == 0 {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        self.write_with(src, |bytes, done| pwrite(&*self.fd, bytes, offset + done as u64))
    }

    fn append(&self, _file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let n = self.write_with(src, |bytes, _| {
            pwritev2(&*self.fd, &[IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::APPEND)
        })?;
        Ok((n, stat_in(&self.fd, b"")?.stx_size))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        let from = match whence {
            Seek::Data => SeekFrom::Data(u64::try_from(offset).map_err(|_| Errno::ENXIO)?),
            Seek::Hole => SeekFrom::Hole(u64::try_from(offset).map_err(|_| Errno::ENXIO)?),
            _ => {
                let end = i64::try_from(stat_in(&self.fd, b"")?.stx_size).unwrap_or(i64::MAX);
                return u64::try_from(end.checked_add(offset).ok_or(Errno::EOVERFLOW)?)
                    .map_err(|_| Errno::EINVAL);
            }
        };
        rustix::fs::seek(&*self.fd, from).map_err(host)
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        if data_only { rustix::fs::fdatasync(&*self.fd) } else { rustix::fs::fsync(&*self.fd) }.map_err(host)
    }

    fn allocate(&self, mode: u32, offset: u64, len: u64) -> Result<(), Errno> {
        let mode = FallocateFlags::from_bits(mode).ok_or(Errno::EOPNOTSUPP)?;
        self.inode.forget_attrs();
        self.inode.may_grow()?;
        rustix::fs::fallocate(&*self.fd, mode, offset, len).map_err(host)?;
        self.inode.settle(&self.fd);
        Ok(())
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        HostFileState::save(&self.inode, &self.fd, saver).map(FileOpsState::HostFile)
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        // Not what the name says now: it may be gone.
        let (dev, ino) = self.inode.id()?;
        let (inode, fd) = (Arc::clone(&self.inode), Arc::clone(&self.fd));
        Ok(Arc::new(Mapped { inode, fd, id: ObjectId { dev, ino } }))
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        if let Some(attrs) = self.inode.trusted_attrs() {
            return Some(Ok(attrs));
        }
        let found = stat_in(&self.fd, b"").map(|found| self.inode.attrs_of(&found));
        Some(found.inspect(|attrs| _ = self.inode.note(*attrs)))
    }
}

/// Access mode of a descriptor (open(2)).
pub(super) fn access_of(fd: &HostFd) -> u32 {
    rustix::fs::fcntl_getfl(fd).map_or(0, |flags| flags.bits() & c::O_ACCMODE)
}

struct Mapped {
    inode: Arc<HostInode>,
    fd: Arc<HostFd>,
    id: ObjectId,
}

impl Mappable for Mapped {
    fn host_fd(&self, _writable: bool) -> Result<Arc<HostFd>, Errno> {
        Ok(Arc::clone(&self.fd))
    }

    fn object_id(&self) -> ObjectId {
        self.id
    }

    fn display_path(&self) -> Vec<u8> {
        Vec::new()
    }

    fn save(&self, saver: &mut Saver) -> Result<MappableState, Unsavable> {
        HostFileState::save(&self.inode, &self.fd, saver).map(MappableState::Host)
    }

    fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&*self.fd, mode, offset, len).map_err(host)
    }
}
