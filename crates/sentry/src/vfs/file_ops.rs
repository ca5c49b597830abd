//! What can be done with something that is open.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use stockade_abi::Errno;

use super::attrs::{Attrs, FileType};
use super::file::File;
use super::persist::FileOpsState;
use crate::io::{Sink, Source};
use crate::mm::{Mappable, MemoryManager};
use crate::net::Socket;
use crate::persist::{Saver, Unsavable};
use crate::tty::Tty;
use crate::wait::{Readiness, WaitQueue};

/// Where a seek is relative to (lseek(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in lseek(2)")]
pub enum Seek {
    Set,
    Current,
    End,
    Data,
    Hole,
}

/// The offset that stands for the position of what [keeps it itself](FileOps::keeps_position).
pub const OWN_POSITION: u64 = u64::MAX;

/// An entry as getdents64(2) gives it.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its inode number.
    pub ino: u64,
    /// Its type.
    pub file_type: FileType,
    /// The position after it, where reading can go on.
    pub next: u64,
}

/// What can be done with something open. Nothing here blocks but host regular files: what would block says EAGAIN, and
/// becomes possible when [`wait_queue`](Self::wait_queue) says so. Access modes were checked by the caller.
pub trait FileOps: Any + Send + Sync {
    /// Reads at an offset; streams ignore it.
    ///
    /// # Errors
    /// EINVAL if it cannot be read, EISDIR, EAGAIN, EFAULT.
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes at an offset; streams ignore it.
    ///
    /// # Errors
    /// EINVAL if it cannot be written, EAGAIN, EPIPE (the caller raises the signal), ENOSPC, EFBIG, EFAULT.
    fn write(&self, _file: &File, _src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes at the end (O_APPEND); returns where it ended beside how much was written.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let n = self.write(file, src, 0)?;
        Ok((n, 0))
    }

    /// Whether it has an offset.
    fn is_seekable(&self) -> bool {
        false
    }

    /// Whether lseek(2) succeeds without having a meaning, as for the files of eventfd(2) and its kin.
    fn ignores_seeks(&self) -> bool {
        false
    }

    /// Whether the position is kept behind it, by a description of the host's that others have too: reads and writes at
    /// [`OWN_POSITION`] move it, and `seek` takes every kind.
    fn keeps_position(&self) -> bool {
        false
    }

    /// A new offset, for all but `Set` and `Current`.
    ///
    /// # Errors
    /// EINVAL, ENXIO for data beyond the end.
    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    /// What is possible now.
    fn poll(&self) -> Readiness {
        Readiness::READABLE | Readiness::WRITABLE
    }

    /// Who is told when more becomes possible. None: always ready, and epoll(7) refuses it.
    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        None
    }

    /// How long a call waits for `ready` at most; forever unless said (SO_RCVTIMEO).
    fn timeout(&self, _ready: Readiness) -> Option<Duration> {
        None
    }

    /// Whether a read that has waited that long is at the end of the file, and has not failed.
    fn timeout_is_end(&self) -> bool {
        false
    }

    /// The terminal, if it is one that can control a session.
    fn terminal(&self) -> Option<&Arc<Tty>> {
        None
    }

    /// Whether writing to what nobody reads raises SIGPIPE, beside failing with EPIPE.
    fn breaks_with_signal(&self) -> bool {
        true
    }

    /// The socket, if it is one.
    fn socket(&self) -> Option<&dyn Socket> {
        None
    }

    /// ioctl(2), what is not common to all files.
    ///
    /// # Errors
    /// ENOTTY
    fn ioctl(&self, _file: &File, _mem: &MemoryManager, _request: u32, _arg: u64) -> Result<u64, Errno> {
        Err(Errno::ENOTTY)
    }

    /// Gives directory entries from a position on until `emit` says false; returns the position reached.
    ///
    /// # Errors
    /// ENOTDIR
    fn iterate(
        &self,
        _file: &File,
        _from: u64,
        _emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        Err(Errno::ENOTDIR)
    }

    /// fsync(2), or fdatasync(2).
    ///
    /// # Errors
    /// EINVAL where there is nothing to synchronize.
    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// fallocate(2).
    ///
    /// # Errors
    /// EOPNOTSUPP
    fn allocate(&self, _mode: u32, _offset: u64, _len: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// What mmap(2) maps.
    ///
    /// # Errors
    /// ENODEV
    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        Err(Errno::ENODEV)
    }

    /// What `/proc/PID/fdinfo` says of it beside what it says of all files.
    fn info(&self, _out: &mut String) {}

    /// Attributes, where they are better known from what is open than from the inode.
    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        None
    }

    /// F_SETFL changed the status flags.
    ///
    /// # Errors
    /// EINVAL for flags it cannot have.
    fn flags_changed(&self, _flags: u32) -> Result<(), Errno> {
        Ok(())
    }

    /// A descriptor of it is closed (close(2)); others may remain.
    fn flush(&self, _file: &File) {}

    /// The last descriptor is closed.
    fn release(&self, _file_flags: u32) {}

    /// Its saved form, one of the variants of [`FileOpsState`].
    ///
    /// # Errors
    /// What of it cannot be saved; all of it, unless implemented.
    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Err(Unsavable::kind::<Self>("open file"))
    }
}

impl dyn FileOps {
    /// The implementation, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: FileOps>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The implementation, if it is a `T`.
    #[must_use]
    pub fn downcast<T: FileOps>(self: Arc<Self>) -> Option<Arc<T>> {
        (self as Arc<dyn Any + Send + Sync>).downcast().ok()
    }
}
