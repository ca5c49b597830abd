//! How often each call was made. One counter for all tasks costs a few nanoseconds of a call's microseconds, and each
//! task none of the memory.

use std::sync::atomic::{AtomicU64, Ordering};

use super::table::BY_NUMBER;

const SIZE: usize = BY_NUMBER.len();

static COUNTS: [AtomicU64; SIZE] = [const { AtomicU64::new(0) }; SIZE];
static UNKNOWN: AtomicU64 = AtomicU64::new(0);

/// A guest makes a call.
#[inline]
pub(super) fn note(number: u64) {
    let counter = usize::try_from(number).ok().and_then(|n| COUNTS.get(n)).unwrap_or(&UNKNOWN);
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Those calls that were made, by number. What has no place in the table comes last, as `u64::MAX`.
pub fn all() -> impl Iterator<Item = (u64, u64)> {
    let known = COUNTS.iter().enumerate().map(|(number, count)| (number as u64, count));
    let all = known.chain([(u64::MAX, &UNKNOWN)]);
    all.map(|(number, count)| (number, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
}
