//! Arithmetic of periodic timers, in nanoseconds.

use std::time::Duration;

/// The largest time a clock can show, as on Linux (`KTIME_MAX`).
pub const MAX: u64 = i64::MAX as u64;

/// A duration in nanoseconds; saturates.
#[must_use]
pub fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(MAX).min(MAX)
}

/// `value` after `now`; saturates.
#[must_use]
pub fn after(now: u64, value: u64) -> u64 {
    now.saturating_add(value).min(MAX)
}

/// Moves `next` on by whole periods until it is after `now`; returns how many. `interval` 0 moves nothing.
pub fn forward(next: &mut u64, interval: u64, now: u64) -> u64 {
    let Some(late) = now.checked_sub(*next).filter(|_| interval > 0) else { return 0 };
    let periods = late / interval + 1;
    *next = periods.checked_mul(interval).map_or(MAX, |more| after(*next, more));
    periods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_counts_periods_until_the_future() {
        let mut next = 100;
        assert_eq!((forward(&mut next, 10, 99), next), (0, 100));
        assert_eq!((forward(&mut next, 10, 100), next), (1, 110));
        assert_eq!((forward(&mut next, 10, 135), next), (3, 140));
        assert_eq!((forward(&mut next, 0, 1000), next), (0, 140));
        assert_eq!((forward(&mut next, MAX, 1000), next), (1, MAX));
        assert_eq!(after(MAX, 5), MAX);
    }
}
