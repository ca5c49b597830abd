//! Open files of the host whose names are gone. There is nothing to find them by after a restore: their contents are saved,
//! and lie in memory from then on.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, Mode, fchmod, ftruncate, memfd_create};
use stockade_abi::Errno;
use stockade_abi::general as c;

use super::file::access_of;
use super::{HostInode, host, stat_in};
use crate::persist::contents::{check_run, restore_run, save_file};
use crate::persist::{PageObject, PageSink, PageSource, RestoreError, SaveError};
use crate::vfs::HostFd;

/// The largest file (`MAX_LFS_FILESIZE`).
const MAX_SIZE: u64 = i64::MAX as u64;

impl HostInode {
    /// Whether its name is gone, or another file has it.
    pub(super) fn is_orphan(&self) -> bool {
        match self.location() {
            Ok((dir, name)) => {
                let found = dir.dir_fd().and_then(|fd| stat_in(&*fd, &name));
                !found.is_ok_and(|found| self.is_same(&self.fs.attrs_of(&found)))
            }
            Err(_) => false,
        }
    }

    /// Has its contents saved, by a descriptor that is open; false if they cannot be read by it.
    pub(super) fn save_orphan(&self, fd: &Arc<HostFd>) -> bool {
        let mut orphan = self.orphan.lock();
        if orphan.is_none() && access_of(fd) != c::O_WRONLY {
            *orphan = Some(Arc::clone(fd));
        }
        orphan.is_some()
    }

    /// The file in memory that takes its place, made if there is none yet.
    pub(super) fn restored_orphan(&self, size: u64, mode: u32) -> Result<Arc<HostFd>, Errno> {
        let mut orphan = self.orphan.lock();
        if let Some(fd) = &*orphan {
            return Ok(Arc::clone(fd));
        }
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let fd = memfd_create(c"stockade-orphan", MemfdFlags::CLOEXEC).map_err(host)?;
        ftruncate(&fd, size).and_then(|()| fchmod(&fd, Mode::from_raw_mode(mode & 0o777))).map_err(host)?;
        let fd = HostFd::new(fd)?;
        *orphan = Some(Arc::clone(&fd));
        Ok(fd)
    }

    pub(super) fn save_orphan_pages(
        &self,
        object: PageObject,
        sink: &mut dyn PageSink,
    ) -> Result<(), SaveError> {
        let Some(fd) = self.orphan.lock().clone() else { return Ok(()) };
        let error = |error| SaveError::Memory { object, at: 0, error };
        let size = stat_in(fd.as_fd(), b"").map_err(error)?.stx_size;
        save_file(fd, size, object, sink)
    }

    pub(super) fn restore_orphan_pages(
        &self,
        object: PageObject,
        source: &mut dyn PageSource,
    ) -> Result<(), RestoreError> {
        let Some(fd) = self.orphan.lock().clone() else { return Ok(()) };
        let size = stat_in(fd.as_fd(), b"").map_err(|e| RestoreError::refused("a deleted file", e))?.stx_size;
        for run in source.runs(object) {
            check_run(&run, size)?;
            restore_run(&fd, size, run, source)?;
        }
        Ok(())
    }
}
