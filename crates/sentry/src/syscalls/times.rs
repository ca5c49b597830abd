//! How long calls take and how often they fail, while somebody looks: taking the time of a call costs some of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::SysResult;
use super::table::BY_NUMBER;
use crate::observe::{self, TIMES};

const SIZE: usize = BY_NUMBER.len();

/// What is known of the calls with one number, since somebody began to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    /// The number; `u64::MAX` for all that have no place in the table.
    pub number: u64,
    /// How many ended.
    pub count: u64,
    /// How many of them with an error.
    pub failed: u64,
    /// Nanoseconds that they took together, waiting included.
    pub nanos: u64,
    /// Nanoseconds of the longest.
    pub longest: u64,
}

struct Entry {
    count: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

impl Entry {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }
}

static ENTRIES: [Entry; SIZE] = [const { Entry::new() }; SIZE];
static OTHERS: Entry = Entry::new();

/// When to stop, in nanoseconds of the monotonic clock.
static UNTIL: AtomicU64 = AtomicU64::new(0);

/// Times are taken from now on, and for so long: who looks says so again in time.
pub fn look_for(time: Duration) {
    let until = observe::now().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    UNTIL.fetch_max(until, Ordering::SeqCst);
    observe::want(TIMES);
}

/// A call has ended.
pub(crate) fn add(number: u64, now: u64, took: u64, result: SysResult) {
    let entry = usize::try_from(number).ok().and_then(|n| ENTRIES.get(n)).unwrap_or(&OTHERS);
    entry.count.fetch_add(1, Ordering::Relaxed);
    entry.nanos.fetch_add(took, Ordering::Relaxed);
    entry.longest.fetch_max(took, Ordering::Relaxed);
    if result.is_err_and(|e| !e.is_restart()) {
        entry.failed.fetch_add(1, Ordering::Relaxed);
    }
    if now > UNTIL.load(Ordering::Relaxed) {
        observe::want_no_more(TIMES);
    }
}

/// Those calls that ended while somebody looked.
pub fn all() -> impl Iterator<Item = CallTimes> {
    let known = ENTRIES.iter().enumerate().map(|(number, entry)| (number as u64, entry));
    let all = known.chain([(u64::MAX, &OTHERS)]);
    all.map(|(number, entry)| CallTimes {
        number,
        count: entry.count.load(Ordering::Relaxed),
        failed: entry.failed.load(Ordering::Relaxed),
        nanos: entry.nanos.load(Ordering::Relaxed),
        longest: entry.longest.load(Ordering::Relaxed),
    })
    .filter(|times| times.count > 0)
}
