//! Memory of the sentry that guests may have mapped too.
//!
//! Its bytes change at any time, so no Rust reference to them may exist: they are only copied, through raw pointers.
#![expect(unsafe_code, reason = "mapped memory that others change can only be reached through raw pointers")]

use crate::host::errno;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use stockade_abi::Errno;

/// A shared mapping of a file (usually a memfd) into the sentry, unmapped on drop.
#[derive(Debug)]
pub struct SharedMemory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is valid from any thread; all access is by raw copies, with the races that implies for the bytes
// alone.
unsafe impl Send for SharedMemory {}
// SAFETY: as above; no method hands out references to the bytes.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Maps `len` bytes of `fd` from `offset` (page-aligned), readable and writable. Access beyond the end of the file
    /// is SIGBUS: callers keep the file as long as what they access.
    ///
    /// # Errors
    /// As mmap(2).
    pub fn map(fd: impl AsFd, offset: u64, len: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping at an address of the host's choice replaces nothing.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::NORESERVE,
                fd,
                offset,
            )
        }
        .map_err(errno)?;
        let base = NonNull::new(base.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { base, len })
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it.
    ///
    /// # Errors
    /// EINVAL if it is not inside.
    pub fn slice(&self, offset: usize, len: usize) -> Result<SharedSlice<'_>, Errno> {
        let end = offset.checked_add(len).ok_or(Errno::EINVAL)?;
        if end > self.len {
            return Err(Errno::EINVAL);
        }
        // SAFETY: offset is at most the length of the mapping.
        let base = unsafe { self.base.add(offset) };
        Ok(SharedSlice { base, len, _memory: PhantomData })
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: base and len are what mmap gave, and no slice outlives self. A failure leaves the mapping in place.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A borrowed part of a [`SharedMemory`].
#[derive(Clone, Copy, Debug)]
pub struct SharedSlice<'a> {
    base: NonNull<u8>,
    len: usize,
    _memory: PhantomData<&'a SharedMemory>,
}

impl<'a> SharedSlice<'a> {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its first byte, for host calls that take an address.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// The first `mid` bytes and the rest; `mid` beyond the end gives everything and nothing.
    #[must_use]
    pub fn split_at(self, mid: usize) -> (SharedSlice<'a>, SharedSlice<'a>) {
        let mid = mid.min(self.len);
        // SAFETY: mid is at most the length.
        let rest = unsafe { self.base.add(mid) };
        (
            Self { base: self.base, len: mid, _memory: PhantomData },
            Self { base: rest, len: self.len - mid, _memory: PhantomData },
        )
    }

    /// Copies out as much as fits; returns how much.
    pub fn read(&self, dst: &mut [u8]) -> usize {
        let n = dst.len().min(self.len);
        // SAFETY: both sides are valid for n bytes; a private buffer and a mapping cannot overlap. Concurrent changes by
        // guests give torn bytes, which is what a racing guest gets from Linux too.
        unsafe { std::ptr::copy_nonoverlapping(self.base.as_ptr(), dst.as_mut_ptr(), n) };
        n
    }

    /// Copies in as much as fits; returns how much.
    pub fn write(&self, src: &[u8]) -> usize {
        let n = src.len().min(self.len);
        // SAFETY: as in `read`.
        unsafe { std::ptr::copy_nonoverlapping(src.as_ptr(), self.base.as_ptr(), n) };
        n
    }

    /// Fills it with zeros.
    pub fn zero(&self) {
        // SAFETY: valid for len bytes.
        unsafe { std::ptr::write_bytes(self.base.as_ptr(), 0, self.len) };
    }

    /// Copies from another part of shared memory, overlapping or not, as much as fits; returns how much.
    pub fn copy_from(&self, src: SharedSlice<'_>) -> usize {
        let n = src.len.min(self.len);
        // SAFETY: both are valid for n bytes; `copy` allows overlap.
        unsafe { std::ptr::copy(src.base.as_ptr(), self.base.as_ptr(), n) };
        n
    }
}
