//! Numbers that are given out once, and go on after a restore where they were.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives out numbers in order.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The first number that it gives.
    #[must_use]
    pub const fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }

    /// A number that nobody has had.
    pub fn take(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// A restored object has this number: others get higher ones.
    pub fn note(&self, taken: u64) {
        self.0.fetch_max(taken.saturating_add(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_after_what_was_taken() {
        let counter = Counter::from(5);
        assert_eq!(counter.take(), 5);
        counter.note(9);
        counter.note(3);
        assert_eq!((counter.take(), counter.take()), (10, 11));
    }
}
