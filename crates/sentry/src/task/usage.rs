//! What tasks have used (getrusage(2), times(2)).

use std::time::Duration;

use nix::time::ClockId;
use rustix::thread::gettid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use stockade_platform::sync::Mutex;

use super::thread::Task;

/// More CPU time than anybody has used, in seconds; the sum of many is still a time.
const MOST_SECONDS: u64 = 1 << 40;
/// More than anybody has counted; the sum of many is still a number.
const MOST: u64 = 1 << 48;

/// What a thread, or several, have used (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in guest code.
    #[serde(deserialize_with = "time")]
    pub user: Duration,
    /// CPU time on its behalf in kernels.
    #[serde(deserialize_with = "time")]
    pub system: Duration,
    /// Page faults that needed no I/O.
    #[serde(deserialize_with = "count")]
    pub minor_faults: u64,
    /// Page faults that did.
    #[serde(deserialize_with = "count")]
    pub major_faults: u64,
    /// How often it waited in a call.
    #[serde(deserialize_with = "count")]
    pub waits: u64,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let time = Duration::deserialize(from)?;
    if time.as_secs() > MOST_SECONDS {
        Err(D::Error::custom("more CPU time than there is"))
    } else {
        Ok(time)
    }
}

fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let count = u64::deserialize(from)?;
    if count > MOST { Err(D::Error::custom("more faults or waits than there are")) } else { Ok(count) }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.waits += other.waits;
    }
}

/// The accounts of a task.
#[derive(Default)]
pub(super) struct Account {
    /// What its guest threads have used, as last seen.
    guest: Mutex<Usage>,
    /// The part of those that it had before execve(2).
    before: Mutex<Usage>,
    /// CPU time of the sentry's thread that serves it.
    service: Mutex<Service>,
}

/// A thread of the sentry that serves a task, and others before and after it.
#[derive(Clone, Copy)]
enum Service {
    /// The thread with this clock does, which showed so much when it began.
    Since(ClockId, Duration),
    /// None does; one has used so much.
    Ended(Duration),
}

impl Default for Service {
    fn default() -> Self {
        Self::Ended(Duration::ZERO)
    }
}

impl Service {
    /// By the calling thread, from now on.
    fn begin() -> Self {
        // As pthread_getcpuclockid(3) makes it: CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED.
        let clock = ClockId::from_raw(!gettid().as_raw_nonzero().get() << 3 | 4 | 2);
        Self::Since(clock, now(clock))
    }

    fn time(self) -> Duration {
        match self {
            Self::Since(clock, begin) => now(clock).saturating_sub(begin),
            Self::Ended(time) => time,
        }
    }
}

/// What a clock shows; nothing if the thread is gone.
fn now(clock: ClockId) -> Duration {
    clock.now().map(Duration::from).unwrap_or_default()
}

impl Account {
    /// The calling thread serves the task from now on.
    pub(super) fn begin_service(&self) {
        *self.service.lock() = Service::begin();
    }

    /// It does no more: what it does from now on is on nobody's account.
    pub(super) fn end_service(&self) {
        let mut service = self.service.lock();
        *service = Service::Ended(service.time());
    }
}

impl Task {
    /// What it has used until now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let now = self.kicker.read().as_ref().and_then(|kicker| kicker.usage());
        let mut sum = match now {
            Some(now) => self.note_usage(&now),
            None => *self.account.guest.lock(),
        };
        sum.system += self.account.service.lock().time();
        sum
    }

    /// CPU time that it has used until now, in nothing but sum: quicker than all of [`usage`](Self::usage).
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        let guest = match self.kicker.read().as_ref().and_then(|kicker| kicker.cpu_time()) {
            Some(now) => {
                let before = *self.account.before.lock();
                before.user + before.system + now
            }
            None => {
                let used = *self.account.guest.lock();
                used.user + used.system
            }
        };
        guest + self.account.service.lock().time()
    }

    /// Its guest thread has used this much; returns what its guest threads have used in all.
    pub(super) fn note_usage(&self, now: &stockade_platform::Usage) -> Usage {
        let mut sum = *self.account.before.lock();
        let stockade_platform::Usage { user, system, minor_faults, major_faults, resident } = *now;
        self.tg.note_rss(resident);
        sum += Usage { user, system, minor_faults, major_faults, waits: 0 };
        sum.waits = self.waiter.waits();
        *self.account.guest.lock() = sum;
        sum
    }

    /// It had used this much when it was saved.
    pub(super) fn has_used(&self, used: Usage) {
        *self.account.guest.lock() = used;
        *self.account.before.lock() = used;
        self.waiter.has_waited(used.waits);
    }

    /// Another guest thread takes over: what this one has used is history.
    pub(super) fn retire_usage(&self) {
        *self.account.before.lock() = *self.account.guest.lock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_added_up_is_not_read() {
        let read = |usage: Usage| {
            let bytes = cbor4ii::serde::to_vec(Vec::new(), &usage).unwrap();
            cbor4ii::serde::from_slice::<Usage>(&bytes)
        };
        let most = Duration::from_secs(MOST_SECONDS);
        let used = Usage { user: most, system: most, minor_faults: MOST, major_faults: MOST, waits: MOST };
        let mut sum = Usage::default();
        (0..1000).for_each(|_| sum += read(used).unwrap());
        assert_eq!((sum.user, sum.waits), (most * 1000, MOST * 1000));
        assert!(read(Usage { user: Duration::MAX, ..used }).is_err());
        assert!(read(Usage { system: most + Duration::from_secs(1), ..used }).is_err());
        assert!(read(Usage { waits: u64::MAX, ..used }).is_err());
    }
}
