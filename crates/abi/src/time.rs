//! Times and timers (clock_gettime(2), timer_create(2), setitimer(2), getrusage(2)).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Errno;

/// Nanoseconds in a second.
pub const NSEC_PER_SEC: i64 = 1_000_000_000;

/// `struct timespec`
#[repr(C)]
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
pub struct Timespec {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: i64,
}

impl Timespec {
    /// From a non-negative duration; saturates.
    #[must_use]
    pub fn from_duration(d: Duration) -> Self {
        Self { sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), nsec: i64::from(d.subsec_nanos()) }
    }

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(ns: i64) -> Self {
        Self { sec: ns.div_euclid(NSEC_PER_SEC), nsec: ns.rem_euclid(NSEC_PER_SEC) }
    }

    /// As nanoseconds; saturates.
    #[must_use]
    pub const fn to_nanos(self) -> i64 {
        self.sec.saturating_mul(NSEC_PER_SEC).saturating_add(self.nsec)
    }

    /// As a duration.
    ///
    /// # Errors
    /// EINVAL if negative or if the nanoseconds are not below one second.
    pub fn to_duration(self) -> Result<Duration, Errno> {
        let sec = u64::try_from(self.sec).map_err(|_| Errno::EINVAL)?;
        if !(0..NSEC_PER_SEC).contains(&self.nsec) {
            return Err(Errno::EINVAL);
        }
        Ok(Duration::new(sec, self.nsec as u32))
    }
}

/// `struct timeval`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Timeval {
    /// Seconds.
    pub sec: i64,
    /// Microseconds.
    pub usec: i64,
}

impl Timeval {
    /// From a non-negative duration; saturates.
    #[must_use]
    pub fn from_duration(d: Duration) -> Self {
        Self { sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), usec: i64::from(d.subsec_micros()) }
    }

    /// As a duration.
    ///
    /// # Errors
    /// EINVAL if negative or if the microseconds are not below one second.
    pub fn to_duration(self) -> Result<Duration, Errno> {
        let sec = u64::try_from(self.sec).map_err(|_| Errno::EINVAL)?;
        if !(0..1_000_000).contains(&self.usec) {
            return Err(Errno::EINVAL);
        }
        Ok(Duration::new(sec, self.usec as u32 * 1000))
    }
}

/// `struct itimerspec`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Itimerspec {
    /// Period, zero for none.
    pub interval: Timespec,
    /// Next expiration, zero for disarmed.
    pub value: Timespec,
}

/// `struct itimerval`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Itimerval {
    /// Period, zero for none.
    pub interval: Timeval,
    /// Next expiration, zero for disarmed.
    pub value: Timeval,
}

/// `struct timex` (adjtimex(2))
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in adjtimex(2)")]
pub struct Timex {
    pub modes: u32,
    pub pad0: u32,
    pub offset: i64,
    pub freq: i64,
    pub maxerror: i64,
    pub esterror: i64,
    pub status: i32,
    pub pad1: u32,
    pub constant: i64,
    pub precision: i64,
    pub tolerance: i64,
    pub time: Timeval,
    pub tick: i64,
    pub ppsfreq: i64,
    pub jitter: i64,
    pub shift: i32,
    pub pad2: u32,
    pub stabil: i64,
    pub jitcnt: i64,
    pub calcnt: i64,
    pub errcnt: i64,
    pub stbcnt: i64,
    pub tai: i32,
    pub pad3: [u32; 11],
}

/// `struct rusage`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in getrusage(2)")]
pub struct Rusage {
    pub utime: Timeval,
    pub stime: Timeval,
    pub maxrss: i64,
    pub ixrss: i64,
    pub idrss: i64,
    pub isrss: i64,
    pub minflt: i64,
    pub majflt: i64,
    pub nswap: i64,
    pub inblock: i64,
    pub oublock: i64,
    pub msgsnd: i64,
    pub msgrcv: i64,
    pub nsignals: i64,
    pub nvcsw: i64,
    pub nivcsw: i64,
}

/// `struct tms` (times(2)), in clock ticks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in times(2)")]
pub struct Tms {
    pub utime: i64,
    pub stime: i64,
    pub cutime: i64,
    pub cstime: i64,
}

/// Clock ticks in a second (`sysconf(_SC_CLK_TCK)`).
pub const USER_HZ: u64 = 100;

/// `struct sigevent`: 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Sigevent {
    /// si_value
    pub value: u64,
    /// Signal number.
    pub signo: i32,
    /// SIGEV_ kind.
    pub notify: i32,
    /// Thread for SIGEV_THREAD_ID.
    pub tid: i32,
    /// The rest of the union.
    pub pad: [u8; 44],
}
