//! Memory of all pipes together (`/proc/sys/fs/pipe-user-pages-soft`, pipe(7)).

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes from which on new pipes are small, and none becomes larger: 16384 pages. Here it binds root too, and all users
/// together.
const SOFT_LIMIT: usize = 16384 * 4096;

static USED: AtomicUsize = AtomicUsize::new(0);

/// Whether pipes may have so many bytes more.
pub(super) fn allows(more: usize) -> bool {
    USED.load(Ordering::Relaxed).saturating_add(more) <= SOFT_LIMIT
}

/// The buffer of a pipe, which is counted.
#[derive(Default)]
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(super) fn new(size: usize) -> Self {
        Self::of(vec![0; size])
    }

    pub(super) fn of(bytes: Vec<u8>) -> Self {
        USED.fetch_add(bytes.len(), Ordering::Relaxed);
        Self(bytes.into_boxed_slice())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        USED.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}
