//! How long what is known of a tree that nobody else should change is believed.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds.
const TRUST: i64 = 1000;

/// When something was learnt, to the tick of the host's clock: a walk asks for the time at each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        Self(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
    }

    /// Whether what was learnt then is still believed.
    pub(super) fn is_recent(self) -> bool {
        Self::now().0 - self.0 < TRUST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belief_ends() {
        let now = Moment::now();
        assert!(now.is_recent());
        assert!(!Moment(now.0 - TRUST).is_recent());
    }
}
