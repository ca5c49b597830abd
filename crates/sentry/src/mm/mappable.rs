//! What a file gives to be mapped.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::Errno;

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
    fn host_fd(&self, writable: bool) -> Result<Arc<OwnedFd>, Errno>;

    /// Which object it is.
    fn object_id(&self) -> ObjectId;

    /// Its path as `/proc/PID/maps` shows it, empty for none.
    fn display_path(&self) -> Vec<u8>;

    /// Told when a writable shared mapping appears (true) or goes (false), for file seals and ETXTBSY.
    fn note_writable_mapping(&self, _appears: bool) {}
}
