//! Whether anybody looks at what tasks do, and the times of their calls. While nobody does, a call costs one load more.

use std::sync::atomic::{AtomicU8, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::syscalls::{SysResult, times};
use crate::task::Task;
use crate::trace;

/// Traces ([`trace`]) are written.
pub(crate) const TRACE: u8 = 1;
/// Times of calls ([`times`]) are taken.
pub(crate) const TIMES: u8 = 2;

static WANTED: AtomicU8 = AtomicU8::new(0);

/// What is wanted: bits.
#[inline]
pub(crate) fn wanted() -> u8 {
    WANTED.load(Ordering::Relaxed)
}

pub(crate) fn want(bit: u8) {
    WANTED.fetch_or(bit, Ordering::SeqCst);
}

pub(crate) fn want_no_more(bit: u8) {
    WANTED.fetch_and(!bit, Ordering::SeqCst);
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The time, if traces are written.
#[inline]
pub(crate) fn now_if_traced() -> Option<u64> {
    if wanted() & TRACE == 0 { None } else { Some(now()) }
}

/// A call that is looked at.
pub(crate) struct Observed {
    number: u64,
    wanted: u8,
    begun: u64,
}

/// A task makes a call; none if nobody looks.
#[inline]
pub(crate) fn begin(task: &Task, number: u64) -> Option<Observed> {
    match wanted() {
        0 => None,
        wanted => Some(begin_observed(task, number, wanted)),
    }
}

#[cold]
fn begin_observed(task: &Task, number: u64, wanted: u8) -> Observed {
    let begun = now();
    if wanted & TRACE != 0 {
        trace::call(task, begun, number);
    }
    Observed { number, wanted, begun }
}

impl Observed {
    /// It was made.
    pub(crate) fn end(self, task: &Task, result: SysResult) {
        let now = now();
        if self.wanted & TRACE != 0 {
            trace::called(task, now, self.number, result);
        }
        if self.wanted & TIMES != 0 {
            times::add(self.number, now, now.saturating_sub(self.begun), result);
        }
    }
}
