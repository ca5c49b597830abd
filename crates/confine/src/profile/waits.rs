//! Samples of where threads wait, with how long: in calls for what has to happen, and for locks.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::channel::{Channel, Collector, Sample};

static WAITS: Channel = Channel::new();
static LOCKS: Channel = Channel::new();

/// Of all waits that are longer than this every one is taken, of shorter ones in proportion; in nanoseconds.
static RATE: AtomicU64 = AtomicU64::new(1);
/// One of so many waits for locks is taken.
static FRACTION: AtomicU64 = AtomicU64::new(1);

/// Sampling under way, until it is dropped.
pub struct WaitSampling {
    collector: Collector,
}

impl WaitSampling {
    /// Begins to take one sample for each `rate` nanoseconds that a thread waits, on average; none if this goes on already.
    #[must_use]
    pub fn start(rate: u64) -> Option<Self> {
        Self::open(&WAITS, &RATE, rate)
    }

    /// Begins to take one of `fraction` waits for locks, on average; none if this goes on already.
    #[must_use]
    pub fn start_for_locks(fraction: u64) -> Option<Self> {
        Self::open(&LOCKS, &FRACTION, fraction)
    }

    fn open(channel: &'static Channel, setting: &AtomicU64, value: u64) -> Option<Self> {
        let collector = channel.open()?;
        setting.store(value.max(1), Ordering::Relaxed);
        Some(Self { collector })
    }

    /// Gives `take` what has arrived since it was last asked: [`Sample::nanos`] is what the sample stands for.
    pub fn drain(&self, take: impl FnMut(&Sample)) {
        self.collector.drain(take);
    }

    /// Ends it; what arrived last can still be drained.
    pub fn stop(&self) {
        self.collector.close();
    }

    /// Samples that found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.collector.lost()
    }
}

/// Whether anybody wants to know of waits.
#[inline]
#[must_use]
pub fn waits_are_sampled() -> bool {
    WAITS.is_open()
}

/// The calling thread has waited for so long.
pub fn note_wait(time: Duration) {
    let nanos = nanos(time);
    let rate = RATE.load(Ordering::Relaxed);
    // A wait of half the rate counts for the whole, and is taken half of the times.
    if nanos >= rate || random() % rate < nanos {
        WAITS.add(nanos.max(rate), None);
    }
}

/// Whether anybody wants to know of waits for locks.
#[inline]
#[must_use]
pub fn lock_waits_are_sampled() -> bool {
    LOCKS.is_open()
}

/// The calling thread has waited for a lock for so long.
pub fn note_lock_wait(time: Duration) {
    let fraction = FRACTION.load(Ordering::Relaxed);
    if random().is_multiple_of(fraction) {
        LOCKS.add(nanos(time).saturating_mul(fraction), None);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Good enough to choose by (xorshift).
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let mut x = STATE.get();
    if x == 0 {
        x = std::ptr::from_ref(&x).addr() as u64 | 1;
    }
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    STATE.set(x);
    x
}
