//! Clocks that go on where those of another host, or of another time, stood (time_namespaces(7)).

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustix::time::{ClockId, clock_gettime};

use crate::error::{Error, Step};

const SECOND: i128 = 1_000_000_000;

/// What the clocks of a sandbox show when its sentry starts, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// CLOCK_MONOTONIC
    pub monotonic: u64,
    /// CLOCK_BOOTTIME
    pub boottime: u64,
}

/// Moves the calling process, which has one thread and all capabilities in its namespaces, to where the clocks show this;
/// with it come those that it forks from then on.
pub(crate) fn enter(clocks: &Clocks, proc: BorrowedFd<'_>) -> Result<(), Error> {
    crate::sys::unshare_time().step("making a time namespace")?;
    let line = |name, now, wanted| {
        let (seconds, nanos) = offset(now, wanted);
        format!("{name} {seconds} {nanos}\n")
    };
    // In this order: then the time since boot is never found to be before the monotonic time.
    let (boottime, monotonic) = (now(ClockId::Boottime), now(ClockId::Monotonic));
    let text = line("monotonic", monotonic, clocks.monotonic) + &line("boottime", boottime, clocks.boottime);
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(proc, "self/timens_offsets", flags, Mode::empty()).step("opening timens_offsets")?;
    rustix::io::write(&file, text.as_bytes()).step("setting the clocks of the time namespace")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = openat(proc, "self/ns/time_for_children", flags, Mode::empty());
    let namespace = namespace.step("opening the time namespace")?;
    move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Time))
        .step("entering the time namespace")
}

fn now(id: ClockId) -> u64 {
    let t = clock_gettime(id);
    (t.tv_sec as u64).saturating_mul(SECOND as u64).saturating_add(t.tv_nsec as u64)
}

/// What has to be added to a clock: seconds, and nanoseconds of less than one.
fn offset(now: u64, wanted: u64) -> (i128, i128) {
    let nanos = i128::from(wanted) - i128::from(now);
    (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_can_be_negative() {
        assert_eq!(offset(1_500_000_000, 4_000_000_000), (2, 500_000_000));
        assert_eq!(offset(4_000_000_000, 1_500_000_000), (-3, 500_000_000));
        assert_eq!(offset(5, 5), (0, 0));
    }
}
