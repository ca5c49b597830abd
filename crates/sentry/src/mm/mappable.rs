//! What a file gives to be mapped.

use std::sync::Arc;

use stockade_abi::Errno;

use super::persist::MappableState;
use crate::persist::{Saver, Unsavable};
use crate::vfs::HostFd;

/// Which object a page belongs to, for futex keys and `/proc/PID/maps`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// `st_dev`
    pub dev: u64,
    /// `st_ino`
    pub ino: u64,
}

/// A file as memory sees it: a descriptor of the host whose bytes are the file's, at the same offsets. The host's kernel
/// then gives coherence with read and write, SIGBUS beyond the end, and truncation.
pub trait Mappable: Send + Sync {
    /// The descriptor; `writable` if a shared mapping may be written through.
    ///
    /// # Errors
    /// ENODEV if it cannot be mapped, EACCES if not that way, ENOMEM or ENFILE if the host has no more.
    fn host_fd(&self, writable: bool) -> Result<Arc<HostFd>, Errno>;

    /// Which object it is.
    fn object_id(&self) -> ObjectId;

    /// Its path as `/proc/PID/maps` shows it, empty for none.
    fn display_path(&self) -> Vec<u8>;

    /// Makes a range of it a hole (MADV_REMOVE).
    ///
    /// # Errors
    /// EOPNOTSUPP, EPERM where a seal is against it.
    fn punch_hole(&self, _offset: u64, _len: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Asked before mmap(2) makes a shared mapping: whether it can ever be written through.
    ///
    /// # Errors
    /// EPERM if it is to be writable and a seal is against it.
    fn admit_shared(&self, _write: bool) -> Result<bool, Errno> {
        Ok(true)
    }

    /// Told when pages are mapped shared and writable, or so that mprotect(2) can make them writable.
    ///
    /// # Errors
    /// EPERM if a seal is against it; never while such pages exist.
    fn add_writable_pages(&self, _pages: u64) -> Result<(), Errno> {
        Ok(())
    }

    /// Told when such pages go.
    fn remove_writable_pages(&self, _pages: u64) {}

    /// Its saved form, one of the variants of [`MappableState`].
    ///
    /// # Errors
    /// What of it cannot be saved; all of it, unless implemented.
    fn save(&self, _saver: &mut Saver) -> Result<MappableState, Unsavable> {
        Err(Unsavable::kind::<Self>("mapped object"))
    }
}
