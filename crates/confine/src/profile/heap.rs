//! Who has allocated what is alive: an allocator that samples.
//!
//! It is the system's, with a countdown: each time a thread has allocated [`RATE`] bytes, on average, one allocation is
//! remembered with its stack, until it is freed. The first [`UNSEEN`] bytes of a process are not looked at: walking
//! stacks takes more memory than an idle sandbox has.

#![expect(unsafe_code, reason = "a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

use super::unwind;

/// Bytes for each sample, on average.
pub const RATE: u64 = 1 << 20;

/// Bytes at the beginning that are not looked at, freed ones included.
pub const UNSEEN: u64 = 8 << 20;

/// Frames that are kept of a stack, the innermost.
const MAX_FRAMES: usize = 32;

/// Samples that are kept at most. When three quarters are taken, fewer new ones are.
const CAPACITY: usize = 4096;

/// Lists of samples, by hash of their address.
const LISTS: usize = 16 << 10;

/// The fewest samples: one in 2 to the power of this.
const MAX_SHIFT: u32 = 16;

/// What a program that is to be profiled declares as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Sampling;

/// An allocation that is alive, standing for others like it.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Its size in bytes.
    pub size: u64,
    /// How many allocations like it there are, estimated.
    pub count: f64,
    depth: usize,
    frames: [usize; MAX_FRAMES],
}

impl Live {
    /// Addresses, the innermost first.
    #[must_use]
    pub fn stack(&self) -> &[usize] {
        self.frames.get(..self.depth).unwrap_or_default()
    }
}

/// What is known of the heap.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Samples of what is alive.
    pub live: Vec<Live>,
    /// Samples that there was no room for.
    pub lost: u64,
    /// Bytes at the beginning that were not looked at.
    pub unseen: u64,
}

/// From now on nothing goes unseen. Says how much did.
pub fn miss_nothing() -> u64 {
    let unseen = match WENT_UNSEEN.load(Ordering::Relaxed) {
        0 => ALLOCATED.swap(UNSEEN, Ordering::Relaxed).min(UNSEEN),
        known => known,
    };
    WENT_UNSEEN.store(unseen, Ordering::Relaxed);
    unseen
}

/// What is alive now of what was sampled. From now on nothing goes unseen.
#[must_use]
pub fn snapshot() -> Snapshot {
    let unseen = miss_nothing();
    let mut live = Vec::with_capacity(CAPACITY);
    let lost = with_samples(|samples| {
        // There is room: nothing is allocated here.
        let taken = samples.entries.iter().take(samples.used).filter(|entry| entry.address != 0);
        live.extend(taken.map(|entry| entry.live));
        samples.lost
    });
    Snapshot { live, lost, unseen }
}

/// What all threads have allocated before the first sample, in steps of the countdown.
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
/// The same, once somebody has asked.
static WENT_UNSEEN: AtomicU64 = AtomicU64::new(0);

/// The first of each list: its place and one more, 0 for none. Freeing looks here, and in most cases no further.
static LIST: [AtomicU16; LISTS] = [const { AtomicU16::new(0) }; LISTS];

struct Entry {
    /// 0 if the place is free.
    address: usize,
    /// The next of the list, or of the free places; as in [`LIST`].
    next: u16,
    live: Live,
}

struct Samples {
    entries: [Entry; CAPACITY],
    /// Places that were ever taken.
    used: usize,
    free: u16,
    count: usize,
    /// One in 2 to the power of this is taken.
    shift: u32,
    lost: u64,
}

struct Locked {
    taken: AtomicBool,
    samples: UnsafeCell<Samples>,
}

// SAFETY: reached with the lock only.
unsafe impl Sync for Locked {}

/// All zero, so that it takes memory as it fills.
static SAMPLES: Locked = Locked {
    taken: AtomicBool::new(false),
    samples: UnsafeCell::new(Samples {
        entries: [const {
            Entry {
                address: 0,
                next: 0,
                live: Live { size: 0, count: 0.0, depth: 0, frames: [0; MAX_FRAMES] },
            }
        }; CAPACITY],
        used: 0,
        free: 0,
        count: 0,
        shift: 0,
        lost: 0,
    }),
};

/// `work` must not allocate or free.
fn with_samples<T>(work: impl FnOnce(&mut Samples) -> T) -> T {
    // A lock of a library may allocate when it waits. This one is held for a moment.
    while SAMPLES.taken.swap(true, Ordering::Acquire) {
        let mut spins = 0;
        while SAMPLES.taken.load(Ordering::Relaxed) {
            spins += 1;
            if spins % 64 == 0 { std::thread::yield_now() } else { hint::spin_loop() }
        }
    }
    // SAFETY: the lock is ours.
    let result = work(unsafe { &mut *SAMPLES.samples.get() });
    SAMPLES.taken.store(false, Ordering::Release);
    result
}

#[derive(Clone, Copy)]
struct Countdown {
    /// Bytes until the next sample; negative when it is due.
    left: i64,
    /// State of the random numbers; 0 before the first.
    random: u64,
}

thread_local! {
    /// Constant and without a destructor: the allocator is used before and after those of others.
    static COUNTDOWN: Cell<Countdown> = const { Cell::new(Countdown { left: 0, random: 0 }) };
}

#[inline]
fn note(address: *mut u8, size: usize) {
    let mut countdown = COUNTDOWN.get();
    countdown.left -= size as i64;
    COUNTDOWN.set(countdown);
    if countdown.left < 0 {
        due(address, size);
    }
}

#[inline]
fn forget(address: *mut u8) {
    if list(address.addr()).load(Ordering::Relaxed) != 0 {
        remove(address.addr());
    }
}

fn list(address: usize) -> &'static AtomicU16 {
    // Fibonacci hashing: the upper bits are the good ones.
    let hash = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
    &LIST[hash as usize % LISTS]
}

/// Bytes up to the next sample, drawn so that each byte is as likely as any other to be the one.
fn distance(random: &mut u64) -> f64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let uniform = ((*random >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -uniform.ln() * RATE as f64
}

#[cold]
#[inline(never)]
fn due(address: *mut u8, size: usize) {
    let mut countdown = COUNTDOWN.get();
    if countdown.random == 0 {
        // The thread's first allocation: only now it is known which one is to be sampled.
        countdown.random = std::ptr::from_ref(&countdown).addr() as u64 | 1;
        countdown.left += (0..8).map(|_| distance(&mut countdown.random) as i64).last().unwrap_or(0);
        if countdown.left >= 0 {
            COUNTDOWN.set(countdown);
            return;
        }
    }
    countdown.left = distance(&mut countdown.random) as i64;
    COUNTDOWN.set(countdown);
    if ALLOCATED.load(Ordering::Relaxed) < UNSEEN {
        ALLOCATED.fetch_add(RATE, Ordering::Relaxed);
    } else if !address.is_null() {
        sample(address.addr(), size, countdown.random);
    }
}

fn sample(address: usize, size: usize, random: u64) {
    let mut frames = [0; MAX_FRAMES];
    let depth = unwind::walk(&mut frames, None);
    with_samples(|samples| {
        if samples.count < CAPACITY / 4 {
            samples.shift = 0;
        } else if samples.count >= CAPACITY * 3 / 4 && samples.shift < MAX_SHIFT {
            samples.shift += 1;
        }
        // Fewer are taken, and stand for more.
        if random >> 20 & ((1 << samples.shift) - 1) != 0 {
            return;
        }
        let chance = (1.0 - (-(size as f64) / RATE as f64).exp()) / f64::from(1 << samples.shift);
        let live = Live { size: size as u64, count: 1.0 / chance.max(1e-12), depth, frames };
        samples.insert(address, live);
    });
}

fn remove(address: usize) {
    with_samples(|samples| samples.remove(address));
}

impl Samples {
    fn insert(&mut self, address: usize, live: Live) {
        let place = if self.free != 0 {
            let place = usize::from(self.free) - 1;
            self.free = self.entries.get(place).map_or(0, |entry| entry.next);
            place
        } else {
            self.used
        };
        let Some(entry) = self.entries.get_mut(place) else {
            self.lost += 1;
            return;
        };
        self.used = self.used.max(place + 1);
        let list = list(address);
        *entry = Entry { address, next: list.load(Ordering::Relaxed), live };
        list.store(place as u16 + 1, Ordering::Relaxed);
        self.count += 1;
    }

    fn remove(&mut self, address: usize) {
        let list = list(address);
        let (mut before, mut place) = (0_u16, list.load(Ordering::Relaxed));
        while let Some(entry) = usize::from(place).checked_sub(1).and_then(|at| self.entries.get_mut(at)) {
            let next = entry.next;
            if entry.address != address {
                (before, place) = (place, next);
                continue;
            }
            (entry.address, entry.next) = (0, self.free);
            self.free = place;
            self.count -= 1;
            match usize::from(before).checked_sub(1).and_then(|at| self.entries.get_mut(at)) {
                Some(before) => before.next = next,
                None => list.store(next, Ordering::Relaxed),
            }
            return;
        }
    }
}

// SAFETY: the system's allocator does the work. What is added beside it neither touches the memory nor allocates.
unsafe impl GlobalAlloc for Sampling {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps this method's contract, which is the same.
        let address = unsafe { System.alloc(layout) };
        note(address, layout.size());
        address
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let address = unsafe { System.alloc_zeroed(layout) };
        note(address, layout.size());
        address
    }

    #[inline]
    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        forget(address);
        // SAFETY: as above.
        unsafe { System.dealloc(address, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Before somebody else may get the address.
        forget(address);
        // SAFETY: as above.
        let new = unsafe { System.realloc(address, layout, size) };
        note(new, size);
        new
    }
}
