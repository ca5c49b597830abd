//! Locks that tell how long they were waited for, if anybody wants to know. One that is free is taken as without.

#![expect(unsafe_code, reason = "locks behind other locks")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::lock_api;

/// Who wants to know of waits for locks.
#[derive(Clone, Copy, Debug)]
pub struct Contention {
    /// Whether it does just now.
    pub is_wanted: fn() -> bool,
    /// The calling thread has waited for so long. It may take no lock of this module.
    pub waited: fn(Duration),
}

static TOLD: OnceLock<Contention> = OnceLock::new();

/// From now on waits are told to this one; the first that comes stays.
pub fn tell(contention: Contention) {
    let _ = TOLD.set(contention);
}

#[cold]
fn wait(lock: impl FnOnce()) {
    let Some(told) = TOLD.get().filter(|told| (told.is_wanted)()) else { return lock() };
    let begun = Instant::now();
    lock();
    (told.waited)(begun.elapsed());
}

/// The lock of [`Mutex`].
#[expect(missing_debug_implementations, reason = "nor has the lock within")]
pub struct RawMutex(parking_lot::RawMutex);

/// Mutual exclusion.
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
/// What holds a [`Mutex`].
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;

// SAFETY: excludes as the lock within does.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: Self = Self(lock_api::RawMutex::INIT);

    type GuardMarker = <parking_lot::RawMutex as lock_api::RawMutex>::GuardMarker;

    #[inline]
    fn lock(&self) {
        if !self.0.try_lock() {
            wait(|| self.0.lock());
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds it.
        unsafe { self.0.unlock() }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// The lock of [`RwLock`].
#[expect(missing_debug_implementations, reason = "nor has the lock within")]
pub struct RawRwLock(parking_lot::RawRwLock);

/// Many readers or one writer.
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;
/// What holds a [`RwLock`] to read.
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

// SAFETY: excludes as the lock within does.
unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: Self = Self(lock_api::RawRwLock::INIT);

    type GuardMarker = <parking_lot::RawRwLock as lock_api::RawRwLock>::GuardMarker;

    #[inline]
    fn lock_shared(&self) {
        if !self.0.try_lock_shared() {
            wait(|| self.0.lock_shared());
        }
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.0.try_lock_shared()
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        // SAFETY: the caller holds it.
        unsafe { self.0.unlock_shared() }
    }

    #[inline]
    fn lock_exclusive(&self) {
        if !self.0.try_lock_exclusive() {
            wait(|| self.0.lock_exclusive());
        }
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.0.try_lock_exclusive()
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        // SAFETY: the caller holds it.
        unsafe { self.0.unlock_exclusive() }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn who_waits_for_a_lock_tells_of_it() {
        static WAITS: AtomicU64 = AtomicU64::new(0);
        tell(Contention {
            is_wanted: || true,
            waited: |time| {
                assert!(time > Duration::ZERO);
                WAITS.fetch_add(1, Ordering::SeqCst);
            },
        });
        let (mutex, rw, begun) = (Mutex::new(0), RwLock::new(0), Barrier::new(2));
        drop((mutex.lock(), rw.read(), rw.read()));
        assert_eq!(WAITS.load(Ordering::SeqCst), 0);
        std::thread::scope(|scope| {
            let held = (mutex.lock(), rw.write());
            scope.spawn(|| {
                begun.wait();
                *mutex.lock() += 1;
                drop(rw.read());
                *rw.write() += 1;
            });
            begun.wait();
            std::thread::sleep(Duration::from_millis(50));
            assert!(mutex.is_locked() && rw.is_locked());
            drop(held.0);
            std::thread::sleep(Duration::from_millis(50));
        });
        assert_eq!((*mutex.lock(), *rw.read(), WAITS.load(Ordering::SeqCst)), (1, 1, 2));
    }
}
