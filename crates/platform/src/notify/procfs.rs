//! Reading small files beneath the proc directory that the platform was given.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use stockade_abi::Errno;

use super::error::errno;
use crate::Usage;

/// A whole file.
pub(crate) fn read(proc: &OwnedFd, path: &str) -> Result<String, Errno> {
    let fd = openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if bytes.capacity() - bytes.len() < 512 {
            bytes.reserve(4096);
        }
        if rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut bytes)).map_err(errno)? == 0 {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Writes a file in one call.
pub(crate) fn write(proc: &OwnedFd, path: &str, text: &str) -> Result<(), Errno> {
    let fd = openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    rustix::io::write(&fd, text.as_bytes()).map_err(errno)?;
    Ok(())
}

/// What a thread has used. CPU time is precise in sum (`schedstat`), split into user and system as the host samples it
/// (`stat`).
pub(crate) fn usage(proc: &OwnedFd, pid: i32, tid: i32) -> Option<Usage> {
    let total = run_time(proc, pid, tid)?;
    let stat = read(proc, &format!("{pid}/task/{tid}/stat")).ok()?;
    let Sampled { minor_faults, major_faults, user, system } = sampled(&stat)?;
    let user = if user + system == 0 { total } else { total.mul_f64(user as f64 / (user + system) as f64) };
    Some(Usage { user, system: total.saturating_sub(user), minor_faults, major_faults })
}

/// Time a thread has run.
pub(crate) fn run_time(proc: &OwnedFd, pid: i32, tid: i32) -> Option<Duration> {
    let text = read(proc, &format!("{pid}/task/{tid}/schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Some of `stat`; times in clock ticks.
#[derive(Debug, PartialEq, Eq)]
struct Sampled {
    minor_faults: u64,
    major_faults: u64,
    user: u64,
    system: u64,
}

/// Fields 10, 12, 14 and 15, counted after the name in parentheses.
fn sampled(stat: &str) -> Option<Sampled> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(7);
    let mut next = || fields.next()?.parse().ok();
    let (minor_faults, _, major_faults, _) = (next()?, next()?, next()?, next()?);
    Some(Sampled { minor_faults, major_faults, user: next()?, system: next()? })
}

/// Resident pages of a process.
pub(crate) fn resident_pages(proc: &OwnedFd, pid: i32) -> Option<u64> {
    read(proc, &format!("{pid}/statm")).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ticks_behind_an_odd_name() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0 20 0 1";
        let expected = Sampled { minor_faults: 7, major_faults: 9, user: 77, system: 88 };
        assert_eq!(sampled(stat), Some(expected));
    }
}
