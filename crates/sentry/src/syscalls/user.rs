//! Arguments in guest memory.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::PATH_MAX;

use super::Ctx;
use crate::creds::Credentials;
use crate::mm::UserMemory;
use crate::vfs::{Fd, File, ops};

impl Ctx {
    /// A path.
    ///
    /// # Errors
    /// EFAULT, ENAMETOOLONG.
    pub(super) fn path(&self, addr: u64) -> Result<Vec<u8>, Errno> {
        self.mm.copy_in_c_string(addr, PATH_MAX)
    }

    /// A path that may be empty (AT_EMPTY_PATH), or null for the empty one.
    ///
    /// # Errors
    /// As [`path`](Self::path).
    pub(super) fn path_or_empty(&self, addr: u64, flags: u32) -> Result<Vec<u8>, Errno> {
        let may_be_empty = flags & c::AT_EMPTY_PATH != 0;
        if may_be_empty && (addr == 0 || self.mm.has_empty_string(addr)) {
            return Ok(Vec::new());
        }
        let path = self.path(addr)?;
        if may_be_empty && path.is_empty() {
            self.mm.note_empty_string(addr);
        }
        Ok(path)
    }

    /// An open file.
    ///
    /// # Errors
    /// EBADF
    pub(super) fn file(&self, fd: Fd) -> Result<Arc<File>, Errno> {
        self.files.get_open(fd)
    }

    /// Surroundings for operations on names.
    ///
    /// # Errors
    /// EBADF, ENOTDIR.
    pub(super) fn request<'a>(
        &self,
        creds: &'a Credentials,
        dirfd: Fd,
        path: &[u8],
    ) -> Result<ops::Request<'a>, Errno> {
        let fs = self.task.fs();
        let start = if dirfd == c::AT_FDCWD || path.first() == Some(&b'/') {
            fs.cwd()
        } else {
            let file = self.files.get(dirfd)?;
            if !path.is_empty() && !file.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            file.path.clone()
        };
        Ok(ops::Request { root: fs.root(), start, creds, umask: fs.umask() })
    }
}
