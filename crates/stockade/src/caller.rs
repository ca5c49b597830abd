//! Who calls and from where: everything that a program in a sandbox inherits, read once.

mod memory;
mod status;

use crate::config::Rlimit;
use crate::failure::{Failure, reason};
use rustix::process::{Resource, getgid, getgroups, getpriority_process, getrlimit, getuid};
use rustix::system::uname;
use std::ffi::OsString;
use std::path::PathBuf;

/// The caller of a command.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Working directory; `/` when it was removed.
    pub cwd: PathBuf,
    /// Environment in its order.
    pub env: Vec<(OsString, OsString)>,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// -20 to 19.
    pub nice: i32,
    /// Bit n-1 for signal n.
    pub blocked_signals: u64,
    /// Bit n-1 for signal n.
    pub ignored_signals: u64,
    /// All 16 of them.
    pub rlimits: Vec<Rlimit>,
    /// nodename of uname(2).
    pub hostname: String,
    /// Bytes of memory that the host, or the caller's cgroup, has.
    pub memory: u64,
}

impl Caller {
    /// The caller of this process.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn current() -> Result<Self, Failure> {
        let proc_hint = "Stockade needs /proc; mount it";
        let status = status::Status::read()
            .map_err(|e| Failure::new(format!("/proc/self/status: {}", reason(&e)), proc_hint))?;
        let memory = memory::available()
            .map_err(|e| Failure::new(format!("/proc/meminfo: {}", reason(&e)), proc_hint))?;
        let groups = getgroups().map_err(|e| {
            Failure::new(format!("cannot read the caller's groups: {}", reason(&e.into())), "")
        })?;
        Ok(Self {
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            env: std::env::vars_os().collect(),
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
            groups: groups.iter().map(|g| g.as_raw()).collect(),
            umask: status.umask,
            nice: getpriority_process(None).unwrap_or(0),
            blocked_signals: status.blocked,
            ignored_signals: status.ignored,
            rlimits: RESOURCES.iter().zip(0..).map(|(&r, n)| rlimit(r, n)).collect(),
            hostname: uname().nodename().to_string_lossy().into_owned(),
            memory,
        })
    }
}

/// In the order of Linux's numbers.
const RESOURCES: [Resource; 16] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

fn rlimit(resource: Resource, number: u32) -> Rlimit {
    let limit = getrlimit(resource);
    Rlimit {
        resource: number,
        soft: limit.current.unwrap_or(u64::MAX),
        hard: limit.maximum.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_caller() {
        let caller = Caller::current().unwrap();
        assert!(caller.cwd.is_absolute());
        assert!(caller.memory > 16 << 20);
        assert_eq!(caller.rlimits.len(), 16);
        assert!(RESOURCES.iter().zip(0..).all(|(&r, n)| r as u32 == n));
        assert!(caller.umask <= 0o777);
    }
}
