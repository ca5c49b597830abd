//! Reading small files beneath the proc directory that the platform was given.
//!
//! To look into a process's directory costs twice, the second time when it ends and the host forgets what it has shown
//! of it: the deeper the path, the more.
#![expect(unsafe_code, reason = "rustix has no clocks of other processes")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, openat};
use stockade_abi::Errno;

use super::error::errno;
use super::layout::PAGE;
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

/// What a thread has used until some moment, as the host says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Precise CPU time.
    pub(crate) run_time: Duration,
    pub(crate) stat: Stat,
}

impl Sample {
    /// What has come since an earlier moment. The time is split into user and system as the host samples it.
    pub(crate) fn since(&self, before: &Self) -> Usage {
        let total = self.run_time.saturating_sub(before.run_time);
        let (now, then) = (&self.stat, &before.stat);
        let (user, system) = (now.user.saturating_sub(then.user), now.system.saturating_sub(then.system));
        let user =
            if user + system == 0 { total } else { total.mul_f64(user as f64 / (user + system) as f64) };
        Usage {
            user,
            system: total.saturating_sub(user),
            minor_faults: now.minor_faults.saturating_sub(then.minor_faults),
            major_faults: now.major_faults.saturating_sub(then.major_faults),
            resident: now.resident * PAGE,
        }
    }
}

/// How a process has spent its time, or one thread of it, and on what else.
pub(crate) fn stat(proc: &OwnedFd, pid: i32, tid: Option<i32>) -> Option<Stat> {
    match tid {
        None => line(proc, &format!("{pid}/stat"), parse_stat),
        Some(tid) => line(proc, &format!("{pid}/task/{tid}/stat"), parse_stat),
    }
}

/// Time a process has run, its helper too.
pub(crate) fn process_time(pid: i32) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // The clock of a process (CPUCLOCK_SCHED of clock_getcpuclockid(3)); there is none of a thread of another process.
    let clock = !pid << 3 | 2;
    // SAFETY: the call fills the structure.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } < 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// Time a thread has run.
pub(crate) fn run_time(proc: &OwnedFd, pid: i32, tid: i32) -> Option<Duration> {
    let first = |text: &str| text.split_ascii_whitespace().next()?.parse().ok();
    line(proc, &format!("{pid}/task/{tid}/schedstat"), first).map(Duration::from_nanos)
}

/// Makes something of a file of one short line, which the host gives in one read.
fn line<T>(proc: &OwnedFd, path: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let fd = openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = [0; 1024];
    let len = rustix::io::read(&fd, &mut bytes).ok()?;
    parse(&String::from_utf8_lossy(&bytes[..len]))
}

/// Some of `stat`; times in clock ticks, memory of the process in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    minor_faults: u64,
    major_faults: u64,
    user: u64,
    system: u64,
    resident: u64,
}

/// Fields 10, 12, 14, 15 and 24, counted after the name in parentheses.
fn parse_stat(stat: &str) -> Option<Stat> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(7);
    let mut after = |skipped: usize| fields.nth(skipped)?.parse().ok();
    Some(Stat {
        minor_faults: after(0)?,
        major_faults: after(1)?,
        user: after(1)?,
        system: after(0)?,
        resident: after(8)?,
    })
}

/// Resident pages of a process.
pub(crate) fn resident_pages(proc: &OwnedFd, pid: i32) -> Option<u64> {
    line(proc, &format!("{pid}/statm"), |text| text.split_ascii_whitespace().nth(1)?.parse().ok())
}

/// Pages of a process that are its own.
pub(crate) fn private_pages(proc: &OwnedFd, pid: i32) -> Option<u64> {
    line(proc, &format!("{pid}/statm"), |text| {
        let mut words = text.split_ascii_whitespace().skip(1).map(|word| word.parse::<u64>().ok());
        let (resident, shared) = (words.next()??, words.next()??);
        Some(resident.saturating_sub(shared))
    })
}

/// Bytes of a process's private memory, of what several have each its part (`smaps_rollup`).
pub(crate) fn divided_size(proc: &OwnedFd, pid: i32) -> Option<u64> {
    let text = read(proc, &format!("{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ticks_behind_an_odd_name() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0 20 0 1 0 55 4096 66 0";
        let expected = Stat { minor_faults: 7, major_faults: 9, user: 77, system: 88, resident: 66 };
        assert_eq!(parse_stat(stat), Some(expected));
    }
}
