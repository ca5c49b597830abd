//! Open file descriptions (open(2)).

mod persist;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

use super::attrs::Attrs;
use super::file_ops::{FileOps, OWN_POSITION, Seek};
use super::mount::Path;
use super::quota::OPEN_FILES;
use crate::creds::Credentials;
use crate::io::{Sink, Source};
use crate::persist::Counter;
use crate::wait::Registration;

pub use persist::FileState;

static IDS: Counter = Counter::from(1);

/// What an owner is (F_SETOWN_EX).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerKind {
    /// F_OWNER_TID
    #[default]
    Thread,
    /// F_OWNER_PID
    Process,
    /// F_OWNER_PGRP
    Group,
}

/// Who gets SIGIO (F_SETOWN, F_SETOWN_EX).
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its number where it was set, 0 for nobody.
    pub id: i32,
    /// Its number in the root namespace.
    pub root_id: i32,
    /// F_SETSIG
    pub signal: i32,
    /// Who set it.
    pub creds: Option<Arc<Credentials>>,
}

/// What an open file keeps away from what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Counted {
    No,
    /// It writes: nobody may execute it, or have its mount written no more.
    Writer,
    /// It is executed: nobody may write.
    Executable,
}

impl Counted {
    /// It is counted at its mount, too.
    fn begin(self, path: &Path) {
        if self == Self::Writer {
            path.mount.add_writer();
        }
    }
}

/// An open file description.
pub struct File {
    /// What it was opened by.
    pub path: Path,
    ops: Arc<dyn FileOps>,
    flags: AtomicU32,
    id: u64,
    position: Mutex<u64>,
    /// It has or has had a lock of its own.
    has_had_lock: AtomicBool,
    /// How it is counted at its name.
    counted: Counted,
    /// F_SETOWN
    pub owner: Mutex<Owner>,
    /// Watching for O_ASYNC, and what signals call the file.
    pub sigio: Mutex<Option<(i32, Registration)>>,
}

/// Status flags that F_SETFL changes.
pub const SETFL_FLAGS: u32 = c::O_APPEND | c::O_NONBLOCK | c::FASYNC | c::O_DIRECT | c::O_NOATIME;

impl File {
    /// A description of something open; `flags` are open(2)'s, without those that only matter while opening.
    #[must_use]
    pub fn new(path: Path, ops: Arc<dyn FileOps>, flags: u32) -> Arc<Self> {
        Self::counted(path, ops, flags, Counted::No)
    }

    fn counted(path: Path, ops: Arc<dyn FileOps>, flags: u32, counted: Counted) -> Arc<Self> {
        let flags = flags & !(c::O_CREAT | c::O_EXCL | c::O_NOCTTY | c::O_TRUNC | c::O_CLOEXEC);
        counted.begin(&path);
        OPEN_FILES.add(1);
        Arc::new(Self {
            path,
            ops,
            flags: AtomicU32::new(flags),
            id: IDS.take(),
            position: Mutex::new(0),
            has_had_lock: AtomicBool::new(false),
            counted,
            owner: Mutex::default(),
            sigio: Mutex::default(),
        })
    }

    /// As [`new`](Self::new), for those who open by name: whoever watches is told.
    #[must_use]
    pub fn open(path: Path, ops: Arc<dyn FileOps>, flags: u32) -> Arc<Self> {
        Self::opened(path, ops, flags, Counted::No)
    }

    /// As [`open`](Self::open), for who writes a regular file and has write access to it.
    pub(super) fn writer(path: Path, ops: Arc<dyn FileOps>, flags: u32) -> Arc<Self> {
        Self::opened(path, ops, flags, Counted::Writer)
    }

    /// As [`open`](Self::open), to execute it: nobody writes meanwhile.
    ///
    /// # Errors
    /// ETXTBSY while somebody writes.
    pub fn executable(path: Path, ops: Arc<dyn FileOps>) -> Result<Arc<Self>, Errno> {
        path.dentry.deny_write_access()?;
        Ok(Self::opened(path, ops, c::O_RDONLY, Counted::Executable))
    }

    fn opened(path: Path, ops: Arc<dyn FileOps>, flags: u32, counted: Counted) -> Arc<Self> {
        let file = Self::counted(path, ops, flags | c::O_LARGEFILE, counted);
        file.path.dentry.notify(c::IN_OPEN);
        file
    }

    /// Tells whoever watches that something was read.
    fn accessed(&self, n: usize) -> usize {
        if n > 0 {
            self.path.dentry.notify(c::IN_ACCESS);
        }
        n
    }

    /// Tells whoever watches that something was written.
    fn modified(&self, n: usize) -> usize {
        if n > 0 {
            self.path.dentry.notify(c::IN_MODIFY);
        }
        n
    }

    /// A number that no other description has had, for locks.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// From now on it has locks to release at its end.
    pub(super) fn note_lock(&self) {
        self.has_had_lock.store(true, Ordering::Relaxed);
    }

    /// What can be done with it.
    #[must_use]
    pub fn ops(&self) -> &Arc<dyn FileOps> {
        &self.ops
    }

    /// Access mode and status flags (F_GETFL).
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Has F_GETFL tell of more, as of PIDFD_THREAD.
    pub(crate) fn add_flags(&self, flags: u32) {
        self.flags.fetch_or(flags, Ordering::Relaxed);
    }

    /// Changes the status flags (F_SETFL).
    ///
    /// # Errors
    /// EINVAL for flags it cannot have.
    pub fn set_flags(&self, flags: u32) -> Result<(), Errno> {
        self.ops.flags_changed(flags)?;
        let keep = self.flags() & !SETFL_FLAGS;
        self.flags.store(keep | (flags & SETFL_FLAGS), Ordering::Relaxed);
        Ok(())
    }

    /// Whether O_NONBLOCK is set.
    #[must_use]
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & c::O_NONBLOCK != 0
    }

    /// Whether it was opened with O_PATH.
    #[must_use]
    pub fn is_path_only(&self) -> bool {
        self.flags() & c::O_PATH != 0
    }

    /// Whether it was opened for reading.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.is_path_only() && matches!(self.flags() & c::O_ACCMODE, c::O_RDONLY | c::O_RDWR)
    }

    /// Whether it was opened for writing.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.is_path_only() && matches!(self.flags() & c::O_ACCMODE, c::O_WRONLY | c::O_RDWR)
    }

    /// Attributes of what is open.
    ///
    /// # Errors
    /// What the storage says.
    pub fn attrs(&self) -> Result<Attrs, Errno> {
        self.ops.attrs().unwrap_or_else(|| self.path.dentry.inode.attrs())
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.path.dentry.inode.is_dir()
    }

    /// read(2): from the position on, which advances.
    ///
    /// # Errors
    /// EBADF if not open for reading, and [`FileOps::read`]'s.
    pub fn read(&self, dst: &mut dyn Sink) -> Result<usize, Errno> {
        if !self.is_readable() {
            return Err(Errno::EBADF);
        }
        if !self.ops.is_seekable() {
            return self.ops.read(self, dst, OWN_POSITION).map(|n| self.accessed(n));
        }
        let mut position = self.position.lock();
        let n = self.ops.read(self, dst, *position)?;
        *position += n as u64;
        Ok(self.accessed(n))
    }

    /// pread(2).
    ///
    /// # Errors
    /// EBADF, ESPIPE without offsets, EINVAL for a negative offset, and [`FileOps::read`]'s.
    pub fn read_at(&self, dst: &mut dyn Sink, offset: i64) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        if !self.ops.is_seekable() && !self.ops.keeps_position() && !self.is_dir() {
            return Err(Errno::ESPIPE);
        }
        if !self.is_readable() {
            return Err(Errno::EBADF);
        }
        self.ops.read(self, dst, offset).map(|n| self.accessed(n))
    }

    /// write(2): at the position, or with O_APPEND at the end.
    ///
    /// # Errors
    /// EBADF if not open for writing, and [`FileOps::write`]'s.
    pub fn write(&self, src: &mut dyn Source) -> Result<usize, Errno> {
        if !self.is_writable() {
            return Err(Errno::EBADF);
        }
        if !self.ops.is_seekable() {
            return self.ops.write(self, src, OWN_POSITION).map(|n| self.modified(n));
        }
        let mut position = self.position.lock();
        if self.flags() & c::O_APPEND != 0 {
            let (n, end) = self.ops.append(self, src)?;
            *position = end;
            return Ok(self.modified(n));
        }
        let n = self.ops.write(self, src, *position)?;
        *position += n as u64;
        Ok(self.modified(n))
    }

    /// pwrite(2). With O_APPEND Linux appends all the same.
    ///
    /// # Errors
    /// EBADF, ESPIPE without offsets, EINVAL for a negative offset, and [`FileOps::write`]'s.
    pub fn write_at(&self, src: &mut dyn Source, offset: i64) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        if !self.ops.is_seekable() && !self.ops.keeps_position() {
            return Err(Errno::ESPIPE);
        }
        if !self.is_writable() {
            return Err(Errno::EBADF);
        }
        if self.flags() & c::O_APPEND != 0 {
            return self.append(src);
        }
        self.ops.write(self, src, offset).map(|n| self.modified(n))
    }

    /// Writes at the end, wherever the position is (RWF_APPEND). The caller has checked that it is open for writing.
    ///
    /// # Errors
    /// [`FileOps::append`]'s.
    pub fn append(&self, src: &mut dyn Source) -> Result<usize, Errno> {
        self.ops.append(self, src).map(|(n, _)| self.modified(n))
    }

    /// Writes at `offset`, though it was opened to append (RWF_NOAPPEND). The caller has checked that it is open for writing
    /// and has offsets.
    ///
    /// # Errors
    /// [`FileOps::write`]'s.
    pub fn write_in_place(&self, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        self.ops.write(self, src, offset).map(|n| self.modified(n))
    }

    /// lseek(2).
    ///
    /// # Errors
    /// ESPIPE without offsets, EINVAL, ENXIO.
    pub fn seek(&self, whence: Seek, offset: i64) -> Result<u64, Errno> {
        if self.ops.ignores_seeks() {
            return Ok(0);
        }
        if self.ops.keeps_position() {
            return self.ops.seek(self, whence, offset);
        }
        if !self.ops.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        let mut position = self.position.lock();
        let target = match whence {
            Seek::Set => offset,
            Seek::Current => (*position as i64).checked_add(offset).ok_or(Errno::EINVAL)?,
            _ => self.ops.seek(self, whence, offset)? as i64,
        };
        *position = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
        Ok(*position)
    }

    /// Uses and moves the position under its lock, for getdents64(2), sendfile(2) and the like.
    ///
    /// # Errors
    /// What `with` fails with.
    pub fn with_position<T>(&self, with: impl FnOnce(&mut u64) -> Result<T, Errno>) -> Result<T, Errno> {
        with(&mut self.position.lock())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        OPEN_FILES.remove(1);
        if !self.is_path_only() {
            let event = if self.is_writable() { c::IN_CLOSE_WRITE } else { c::IN_CLOSE_NOWRITE };
            self.path.dentry.notify(event);
        }
        match self.counted {
            Counted::No => {}
            Counted::Writer => {
                self.path.mount.remove_writer();
                self.path.dentry.put_write_access();
            }
            Counted::Executable => self.path.dentry.allow_write_access(),
        }
        if self.has_had_lock.load(Ordering::Relaxed) {
            self.release_locks();
        }
        self.ops.release(self.flags());
    }
}
