//! Samples of where threads wait, with how long.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::channel::{Channel, Collector, Sample};

static CHANNEL: Channel = Channel::new();

/// Of all waits that are longer than this every one is taken, of shorter ones in proportion; in nanoseconds.
static RATE: AtomicU64 = AtomicU64::new(1);

/// Sampling under way, until it is dropped.
pub struct WaitSampling {
    collector: Collector,
}

impl WaitSampling {
    /// Begins to take one sample for each `rate` nanoseconds that a thread waits, on average; none if this goes on already.
    #[must_use]
    pub fn start(rate: u64) -> Option<Self> {
        let collector = CHANNEL.open()?;
        RATE.store(rate.max(1), Ordering::Relaxed);
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
    CHANNEL.is_open()
}

/// The calling thread has waited for so long.
pub fn note_wait(time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let rate = RATE.load(Ordering::Relaxed);
    // A wait of half the rate counts for the whole, and is taken half of the times.
    if nanos >= rate || random() % rate < nanos {
        CHANNEL.add(nanos.max(rate), None);
    }
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
