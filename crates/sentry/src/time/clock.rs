//! The clocks of the sandbox (clock_gettime(2)). They are the host's, as the vDSO in guests has them.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use stockade_abi::time::Timespec;

/// The clocks.
#[derive(Debug, Default)]
pub struct Clock {}

fn nanos(id: ClockId) -> u64 {
    let t = clock_gettime(id);
    (t.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec as u64)
}

/// A clock that goes on by itself, on which timers can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Base {
    /// CLOCK_MONOTONIC
    Monotonic,
    /// CLOCK_BOOTTIME
    Boottime,
    /// CLOCK_REALTIME, the only one that can be set.
    Realtime,
}

impl Base {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Monotonic, Self::Boottime, Self::Realtime];

    /// What it shows, in nanoseconds.
    #[must_use]
    pub fn now(self) -> u64 {
        nanos(match self {
            Self::Monotonic => ClockId::Monotonic,
            Self::Boottime => ClockId::Boottime,
            Self::Realtime => ClockId::Realtime,
        })
    }

    /// When CLOCK_MONOTONIC shows what it shows when this clock shows `at`, unless this clock is set.
    #[must_use]
    pub fn on_monotonic(self, at: u64) -> u64 {
        match self {
            Self::Monotonic => at,
            _ => Self::Monotonic.now().saturating_add(at.saturating_sub(self.now())),
        }
    }

    /// The clock on which a relative time runs, which setting CLOCK_REALTIME must not change.
    #[must_use]
    pub fn for_relative(self) -> Self {
        if self == Self::Realtime { Self::Monotonic } else { self }
    }
}

impl Clock {
    /// CLOCK_MONOTONIC in nanoseconds.
    #[must_use]
    pub fn monotonic_nanos(&self) -> u64 {
        nanos(ClockId::Monotonic)
    }

    /// CLOCK_REALTIME
    #[must_use]
    pub fn realtime(&self) -> Timespec {
        now()
    }

    /// CLOCK_BOOTTIME, which is what uptime means.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        uptime()
    }
}

/// CLOCK_BOOTTIME: how long the machine has been up.
#[must_use]
pub fn uptime() -> Duration {
    Duration::from_nanos(nanos(ClockId::Boottime))
}

/// How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC.
#[must_use]
pub fn now_boot_offset() -> Duration {
    uptime().saturating_sub(Duration::from_nanos(nanos(ClockId::Monotonic)))
}

/// CLOCK_REALTIME, for time stamps.
#[must_use]
pub fn now() -> Timespec {
    let t = clock_gettime(ClockId::Realtime);
    Timespec { sec: t.tv_sec, nsec: t.tv_nsec }
}

/// The coarse variant, as inode time stamps use it.
#[must_use]
pub fn now_coarse() -> Timespec {
    let t = clock_gettime(ClockId::RealtimeCoarse);
    Timespec { sec: t.tv_sec, nsec: t.tv_nsec }
}

/// The point of [`Instant`] that is `at` on CLOCK_REALTIME.
#[must_use]
pub fn instant_of_realtime(at: Duration) -> Instant {
    let t = now();
    let now = t.to_duration().unwrap_or_default();
    let base = Instant::now();
    if at > now { base + (at - now).min(Duration::from_secs(1 << 33)) } else { base }
}

/// The point of [`Instant`] that is `at` on CLOCK_MONOTONIC.
#[must_use]
pub fn instant_of_monotonic(at: Duration) -> Instant {
    let now = Duration::from_nanos(nanos(ClockId::Monotonic));
    let base = Instant::now();
    if at > now { base + (at - now).min(Duration::from_secs(1 << 33)) } else { base }
}

/// The saved form of a point of [`Instant`]: what CLOCK_MONOTONIC shows then, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline(u64);

impl Deadline {
    /// Of a point in time; what has passed is now.
    #[must_use]
    pub fn of(at: Instant) -> Self {
        let left = super::interval::nanos(at.saturating_duration_since(Instant::now()));
        Self(super::interval::after(nanos(ClockId::Monotonic), left))
    }

    /// That point in time.
    #[must_use]
    pub fn instant(self) -> Instant {
        instant_of_monotonic(Duration::from_nanos(self.0))
    }
}
