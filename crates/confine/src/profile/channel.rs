//! Samples on their way from the threads they are of to the one that collects them: slots in a fixed buffer, taken without
//! locks, since a signal handler fills them.

#![expect(unsafe_code, reason = "a buffer shared between signal handlers and a thread")]

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::label::{self, Label};
use super::unwind;
use crate::crash::current_call;

/// Frames that are kept of a stack, the innermost.
pub const MAX_FRAMES: usize = 64;

/// Samples that wait at most.
const SLOTS: usize = 512;

/// A stack, and whose it was.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// For whom the thread worked.
    pub label: Label,
    /// The thread's name, filled up with zero bytes.
    pub thread: [u8; 16],
    /// The call that it served.
    pub call: Option<&'static &'static str>,
    /// Nanoseconds, where a sample stands for time.
    pub nanos: u64,
    depth: usize,
    frames: [usize; MAX_FRAMES],
}

impl Sample {
    /// Addresses, the innermost first.
    #[must_use]
    pub fn stack(&self) -> &[usize] {
        self.frames.get(..self.depth).unwrap_or_default()
    }

    pub(super) const fn empty() -> Self {
        let label = Label { pid: 0, tid: 0, command: [0; 16] };
        Self { label, thread: [0; 16], call: None, nanos: 0, depth: 0, frames: [0; MAX_FRAMES] }
    }

    /// Makes this a sample of the calling thread. For signal handlers too.
    pub(super) fn take(&mut self, nanos: u64, at: Option<usize>) {
        self.label = label::current();
        self.call = current_call();
        self.nanos = nanos;
        // SAFETY: PR_GET_NAME writes 16 bytes, which there are.
        unsafe { libc::prctl(libc::PR_GET_NAME, self.thread.as_mut_ptr()) };
        self.depth = unwind::walk(&mut self.frames, at);
    }
}

const FREE: u8 = 0;
const BEING_FILLED: u8 = 1;
const FULL: u8 = 2;

struct Slot {
    state: AtomicU8,
    sample: UnsafeCell<Sample>,
}

struct Buffer {
    next: AtomicUsize,
    lost: AtomicU64,
    slots: Box<[Slot]>,
}

/// Where samples of one kind go.
pub(super) struct Channel {
    /// Null while nobody collects.
    buffer: AtomicPtr<Buffer>,
    /// Threads that may be using the buffer.
    inside: AtomicUsize,
}

impl Channel {
    pub(super) const fn new() -> Self {
        Self { buffer: AtomicPtr::new(ptr::null_mut()), inside: AtomicUsize::new(0) }
    }

    /// Begins to collect; none if somebody does already.
    pub(super) fn open(&'static self) -> Option<Collector> {
        let slot = || Slot { state: AtomicU8::new(FREE), sample: UnsafeCell::new(Sample::empty()) };
        let slots = (0..SLOTS).map(|_| slot()).collect();
        let new =
            Box::into_raw(Box::new(Buffer { next: AtomicUsize::new(0), lost: AtomicU64::new(0), slots }));
        match self.buffer.compare_exchange(ptr::null_mut(), new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Some(Collector { channel: self, buffer: new }),
            Err(_) => {
                // SAFETY: nobody has seen it.
                drop(unsafe { Box::from_raw(new) });
                None
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.buffer.load(Ordering::Relaxed).is_null()
    }

    /// Adds a sample of the calling thread. For signal handlers too.
    pub(super) fn add(&self, nanos: u64, at: Option<usize>) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        // SAFETY: `close` frees it only after it has made the pointer null and then seen nobody inside.
        if let Some(buffer) = unsafe { self.buffer.load(Ordering::SeqCst).as_ref() } {
            buffer.add(nanos, at);
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Buffer {
    fn add(&self, nanos: u64, at: Option<usize>) {
        let slot = self.slots.get(self.next.fetch_add(1, Ordering::Relaxed) % SLOTS);
        let is_ours = |slot: &&Slot| {
            slot.state.compare_exchange(FREE, BEING_FILLED, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        match slot.filter(is_ours) {
            Some(slot) => {
                // SAFETY: who has put the state from FREE to BEING_FILLED is alone with the sample.
                unsafe { (*slot.sample.get()).take(nanos, at) };
                slot.state.store(FULL, Ordering::Release);
            }
            None => _ = self.lost.fetch_add(1, Ordering::Relaxed),
        }
    }
}

// SAFETY: a sample is reached only by whom its slot's state belongs to.
unsafe impl Sync for Slot {}

/// The collecting side of a [`Channel`], which is open for as long as this lives.
pub(super) struct Collector {
    channel: &'static Channel,
    buffer: *const Buffer,
}

// SAFETY: the buffer is shared between threads anyway.
unsafe impl Send for Collector {}
// SAFETY: as above; a full slot is taken by whom its state lets.
unsafe impl Sync for Collector {}

impl Collector {
    /// Gives `take` what has arrived.
    pub(super) fn drain(&self, mut take: impl FnMut(&Sample)) {
        // SAFETY: it lives until `drop`.
        for slot in &unsafe { &*self.buffer }.slots {
            let taken = slot.state.compare_exchange(FULL, BEING_FILLED, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                // SAFETY: who has put the state from FULL to BEING_FILLED is alone with the sample.
                take(unsafe { &*slot.sample.get() });
                slot.state.store(FREE, Ordering::Release);
            }
        }
    }

    /// How many found no room.
    pub(super) fn lost(&self) -> u64 {
        // SAFETY: it lives until `drop`.
        unsafe { &*self.buffer }.lost.load(Ordering::Relaxed)
    }

    /// Nothing arrives any more; what has arrived can still be drained.
    pub(super) fn close(&self) {
        let own = self.buffer.cast_mut();
        let null = ptr::null_mut();
        let _ = self.channel.buffer.compare_exchange(own, null, Ordering::SeqCst, Ordering::SeqCst);
        while self.channel.inside.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.close();
        // SAFETY: nobody is inside, and nobody can get there any more.
        drop(unsafe { Box::from_raw(self.buffer.cast_mut()) });
    }
}
