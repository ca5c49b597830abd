//! Waiting: queues that things get onto, and the parking of a task's own thread.
//!
//! Nothing that can block does so by itself: an object tries, says EAGAIN, and has a [`WaitQueue`]; the caller
//! registers a [`Waiter`], tries again, and parks. That gives poll, epoll and every blocking call one mechanism.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Instant;

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use crate::diagnosis;

bitflags::bitflags! {
    /// What an object is ready for; the bits are poll(2)'s.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Readiness: u32 {
        /// POLLIN
        const IN = 0x001;
        /// POLLPRI
        const PRI = 0x002;
        /// POLLOUT
        const OUT = 0x004;
        /// POLLERR
        const ERR = 0x008;
        /// POLLHUP
        const HUP = 0x010;
        /// POLLNVAL
        const NVAL = 0x020;
        /// POLLRDNORM
        const RDNORM = 0x040;
        /// POLLRDBAND
        const RDBAND = 0x080;
        /// POLLWRNORM
        const WRNORM = 0x100;
        /// POLLWRBAND
        const WRBAND = 0x200;
        /// POLLRDHUP
        const RDHUP = 0x2000;
    }
}

impl Readiness {
    /// Readable, in both of poll's spellings.
    pub const READABLE: Self = Self::IN.union(Self::RDNORM);
    /// Writable, in both of poll's spellings.
    pub const WRITABLE: Self = Self::OUT.union(Self::WRNORM);
    /// Reported whether asked for or not.
    pub const ALWAYS: Self = Self::ERR.union(Self::HUP);
}

/// Told when something it registered for may have happened. Called with no lock of the queue held that it could need,
/// but often with the notifier's own locks held: it must only set flags, wake threads or queue work.
pub trait Observer: Send + Sync {
    /// `ready` is what has become possible; an observer that needs the truth asks the object.
    fn notify(&self, ready: Readiness);
}

struct Entry {
    id: u64,
    mask: Readiness,
    exclusive: bool,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct Entries {
    next_id: u64,
    list: Vec<Entry>,
}

/// Those who wait for one object. Notifying an empty queue costs one load.
#[derive(Default)]
pub struct WaitQueue {
    len: AtomicUsize,
    entries: Mutex<Entries>,
}

impl WaitQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an observer for as long as the registration lives. Check the condition after registering.
    pub fn register(self: &Arc<Self>, mask: Readiness, observer: Arc<dyn Observer>) -> Registration {
        self.add(mask, false, observer)
    }

    /// As [`register`](Self::register), but of all exclusive observers one notification tells only the first
    /// (accept(2), EPOLLEXCLUSIVE, FUTEX_WAKE).
    pub fn register_exclusive(
        self: &Arc<Self>,
        mask: Readiness,
        observer: Arc<dyn Observer>,
    ) -> Registration {
        self.add(mask, true, observer)
    }

    fn add(self: &Arc<Self>, mask: Readiness, exclusive: bool, observer: Arc<dyn Observer>) -> Registration {
        let mut entries = self.entries.lock();
        let id = entries.next_id;
        entries.next_id = id.wrapping_add(1);
        entries.list.push(Entry { id, mask, exclusive, observer });
        // SeqCst pairs with `notify`: either it sees the entry, or the caller's check sees the change notified of.
        self.len.store(entries.list.len(), Ordering::SeqCst);
        Registration { queue: Arc::clone(self), id }
    }

    /// Tells everybody who registered for any of `ready` (all of them: `Readiness::all()`), and at most one exclusive.
    pub fn notify(&self, ready: Readiness) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.len.load(Ordering::SeqCst) == 0 {
            return;
        }
        let entries = self.entries.lock();
        let mut exclusive_told = false;
        for entry in &entries.list {
            if !entry.mask.intersects(ready) || (entry.exclusive && exclusive_told) {
                continue;
            }
            exclusive_told |= entry.exclusive;
            entry.observer.notify(ready);
        }
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }
}

/// A place in a queue, left on drop.
#[must_use = "dropping it leaves the queue"]
pub struct Registration {
    queue: Arc<WaitQueue>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut entries = self.queue.entries.lock();
        entries.list.retain(|e| e.id != self.id);
        self.queue.len.store(entries.list.len(), Ordering::SeqCst);
    }
}

/// What a thread of the sentry parks on. One for each task; spurious wake-ups are allowed.
#[derive(Default)]
pub struct Waiter {
    thread: OnceLock<Thread>,
    woken: AtomicBool,
    waits: AtomicU64,
}

impl Waiter {
    /// A waiter for the thread that first parks on it.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Wakes the owner, or makes its next park return at once.
    pub fn wake(&self) {
        // The owner looks at the flag before it sleeps and unpark leaves a token, so no wake-up is lost.
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// How often its owner has slept.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// Its owner had slept so often before it was saved.
    pub fn has_waited(&self, times: u64) {
        self.waits.store(times, Ordering::Relaxed);
    }

    /// Says which thread parks here, so that wake-ups reach it from now on. Called once by the owner.
    pub fn bind_current(&self) {
        let _ = self.thread.set(thread::current());
    }

    /// Sleeps until woken or until `deadline`; returns false if the deadline passed.
    pub fn park(&self, deadline: Option<Instant>) -> bool {
        self.bind_current();
        loop {
            if self.woken.swap(false, Ordering::AcqRel) {
                return true;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            match deadline {
                None => diagnosis::waiting(thread::park),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
                    else {
                        return false;
                    };
                    diagnosis::waiting(|| thread::park_timeout(left));
                }
            }
        }
    }
}

impl Observer for Waiter {
    fn notify(&self, _ready: Readiness) {
        self.wake();
    }
}

/// Tries until `attempt` gives something, parking in between.
///
/// # Errors
/// ERESTARTSYS once `interrupted` says so, ETIMEDOUT at the deadline, and whatever `attempt` fails with other than EAGAIN.
pub fn block_on<T>(
    waiter: &Waiter,
    deadline: Option<Instant>,
    interrupted: impl Fn() -> bool,
    mut attempt: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    waiter.bind_current();
    let mut timed_out = false;
    loop {
        match attempt() {
            Err(Errno::EAGAIN) => {}
            other => return other,
        }
        if interrupted() {
            return Err(Errno::ERESTARTSYS);
        }
        if timed_out {
            return Err(Errno::ETIMEDOUT);
        }
        timed_out = !waiter.park(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn wakes_a_parked_thread() {
        let queue = Arc::new(WaitQueue::new());
        let value = Arc::new(AtomicU32::new(0));
        let waiter = Waiter::new();
        let registration = queue.register(Readiness::IN, waiter.clone());
        let writer = {
            let (queue, value) = (Arc::clone(&queue), Arc::clone(&value));
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                value.store(7, Ordering::SeqCst);
                queue.notify(Readiness::IN);
            })
        };
        let got = block_on(
            &waiter,
            None,
            || false,
            || match value.load(Ordering::SeqCst) {
                0 => Err(Errno::EAGAIN),
                v => Ok(v),
            },
        );
        assert_eq!(got, Ok(7));
        writer.join().unwrap();
        drop(registration);
        assert!(queue.is_empty());
    }

    #[test]
    fn deadline_and_interruption_end_a_wait() {
        let waiter = Waiter::new();
        let deadline = Some(Instant::now() + Duration::from_millis(5));
        let timed_out: Result<(), _> = block_on(&waiter, deadline, || false, || Err(Errno::EAGAIN));
        assert_eq!(timed_out, Err(Errno::ETIMEDOUT));
        let interrupted: Result<(), _> = block_on(&waiter, None, || true, || Err(Errno::EAGAIN));
        assert_eq!(interrupted, Err(Errno::ERESTARTSYS));
    }

    #[test]
    fn one_exclusive_observer_is_told() {
        #[derive(Default)]
        struct Count(AtomicU32);
        impl Observer for Count {
            fn notify(&self, _: Readiness) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let queue = Arc::new(WaitQueue::new());
        let count = Arc::new(Count::default());
        let _a = queue.register_exclusive(Readiness::IN, count.clone());
        let _b = queue.register_exclusive(Readiness::IN, count.clone());
        let _c = queue.register(Readiness::IN, count.clone());
        queue.notify(Readiness::IN);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        queue.notify(Readiness::OUT);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
    }
}
