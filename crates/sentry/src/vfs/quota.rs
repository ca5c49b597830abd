//! What is bounded for a sandbox as a whole: open files, the descriptors of the host that they take, and kernel memory that
//! nothing else bounds. It is counted for the whole process, which is one sandbox's: descriptors and memory are its.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stockade_abi::Errno;

/// A number of things that is bounded.
#[derive(Debug)]
pub struct Quota {
    limit: AtomicUsize,
    used: AtomicUsize,
    exhausted: AtomicBool,
}

/// Open file descriptions (`fs.file-max`).
pub static OPEN_FILES: Quota = Quota::new();

/// Descriptors of the host that guests' files hold. One file may hold several, and one that is closed but mapped still
/// holds one; what the sentry needs for itself is not counted and has to remain.
pub static HOST_FDS: Quota = Quota::new();

/// Bytes in the queues of UNIX sockets. Linux has no such bound but its memory; nor does it answer but ENOBUFS.
pub static SOCKET_BYTES: Quota = Quota::new();

/// Files that instances of epoll(7) watch (`fs.epoll.max_user_watches`); here it binds all users together.
pub static EPOLL_WATCHES: Quota = Quota::new();

/// Sockets; open files bound them.
pub static SOCKETS: Quota = Quota::new();

/// Areas of all address spaces. Linux binds those of one alone (`vm.max_map_count`).
pub static AREAS: Quota = Quota::new();

/// Signals and timers of all processes. Linux binds those of one user alone (RLIMIT_SIGPENDING).
pub static SIGNALS: Quota = Quota::new();

/// Events in queues of inotify(7). Linux binds those of one instance alone (`fs.inotify.max_queued_events`).
pub static INOTIFY_EVENTS: Quota = Quota::new();

/// Mounts of all namespaces. Linux binds those of one alone (`fs.mount-max`).
pub static MOUNTS: Quota = Quota::new();

/// Bytes that one of each takes, about; an event with a long name.
const WATCH_SIZE: usize = 256;
const AREA_SIZE: usize = 192;
const SIGNAL_SIZE: usize = 256;
const EVENT_SIZE: usize = 384;
const MOUNT_SIZE: usize = 256;

/// Sets what depends on the memory that the sandbox has: as Linux, 4 % of it for watches, and 12 % for sockets; as much
/// for areas, and 3 % each for signals, events and mounts.
pub(crate) fn limit_kernel_memory(memory: u64) {
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    SOCKET_BYTES.set_limit((memory / 8).max(8 << 20));
    EPOLL_WATCHES.set_limit(memory / 25 / WATCH_SIZE);
    AREAS.set_limit(memory / 8 / AREA_SIZE);
    SIGNALS.set_limit(memory / 32 / SIGNAL_SIZE);
    INOTIFY_EVENTS.set_limit(memory / 32 / EVENT_SIZE);
    MOUNTS.set_limit(memory / 32 / MOUNT_SIZE);
}

impl Quota {
    const fn new() -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            used: AtomicUsize::new(0),
            exhausted: AtomicBool::new(false),
        }
    }

    /// No more than this from now on; unlimited at first.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The limit, and how many there are.
    #[must_use]
    pub fn figures(&self) -> (usize, usize) {
        (self.limit.load(Ordering::Relaxed), self.used.load(Ordering::Relaxed))
    }

    /// Whether there was ever one too many.
    #[must_use]
    pub fn was_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// So many more.
    pub(crate) fn add(&self, n: usize) {
        self.used.fetch_add(n, Ordering::Relaxed);
    }

    /// So many less.
    pub(crate) fn remove(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::Relaxed);
    }

    /// Whether those that were added are too many: the last one has to go.
    ///
    /// # Errors
    /// ENFILE
    pub(super) fn check(&self) -> Result<(), Errno> {
        if self.has_room(0) { Ok(()) } else { Err(Errno::ENFILE) }
    }

    /// Whether there may be so many more.
    pub fn has_room(&self, more: usize) -> bool {
        let (limit, used) = self.figures();
        let has_room = used.saturating_add(more) <= limit;
        if !has_room {
            self.exhausted.store(true, Ordering::Relaxed);
        }
        has_room
    }
}

/// What one owner has of a [`Quota`]; it goes with the owner.
#[derive(Debug)]
pub struct Share {
    quota: &'static Quota,
    n: usize,
}

impl Share {
    /// Nothing yet.
    #[must_use]
    pub fn new(quota: &'static Quota) -> Self {
        Self { quota, n: 0 }
    }

    /// The owner has so many now.
    pub fn set(&mut self, n: usize) {
        if n > self.n {
            self.quota.add(n - self.n);
        } else if n < self.n {
            self.quota.remove(self.n - n);
        }
        self.n = n;
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        self.quota.add(self.n);
        Self { ..*self }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.remove(self.n);
    }
}

/// A descriptor of the host for a file of a guest's.
#[derive(Debug)]
pub struct HostFd(OwnedFd);

impl HostFd {
    /// Counts it.
    ///
    /// # Errors
    /// ENFILE if there are too many; it is closed then.
    pub fn new(fd: OwnedFd) -> Result<Arc<Self>, Errno> {
        HOST_FDS.add(1);
        let counted = Self(fd);
        HOST_FDS.check()?;
        Ok(Arc::new(counted))
    }
}

impl AsFd for HostFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for HostFd {
    fn drop(&mut self) {
        HOST_FDS.remove(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_go_with_their_owners() {
        static QUOTA: Quota = Quota::new();
        let mut share = Share::new(&QUOTA);
        share.set(5);
        share.set(3);
        let copy = share.clone();
        assert_eq!(QUOTA.figures().1, 6);
        drop((share, copy));
        assert_eq!(QUOTA.figures().1, 0);
    }

    #[test]
    fn one_too_many_is_told_until_it_goes() {
        let quota = Quota::new();
        quota.set_limit(2);
        for _ in 0..2 {
            quota.add(1);
            assert_eq!(quota.check(), Ok(()));
        }
        assert!(!quota.was_exhausted());
        quota.add(1);
        assert_eq!(quota.check(), Err(Errno::ENFILE));
        quota.remove(1);
        assert_eq!((quota.check(), quota.figures()), (Ok(()), (2, 2)));
        assert!(quota.was_exhausted());
    }
}
