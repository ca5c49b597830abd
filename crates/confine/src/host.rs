//! What a sentry has of the host.

use std::os::fd::OwnedFd;

use rustix::fs::Mode;
use rustix::thread::CapabilitySet;

use crate::error::{Error, Step};
use crate::landlock::LandlockState;
use crate::link::Link;
use crate::{privileges, seccomp};

/// Who started the sandbox; ids as the caller's user namespace has them, and the sentry's too.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask; the sentry's own is 0.
    pub umask: u32,
    pub(crate) capabilities: CapabilitySet,
}

impl Caller {
    pub(crate) fn current() -> Self {
        use rustix::process as p;
        let umask = p::umask(Mode::RWXU | Mode::RWXG | Mode::RWXO);
        p::umask(umask);
        Self {
            uid: p::geteuid().as_raw(),
            gid: p::getegid().as_raw(),
            groups: p::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect(),
            umask: umask.as_raw_mode(),
            capabilities: rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |c| c.effective),
        }
    }
}

/// Given to the sentry's function: it stands in its own namespaces, in an empty root, under Landlock, but still has its
/// namespaces' capabilities and may make any call. It starts the platform and then calls [`lock_down`](Self::lock_down).
#[derive(Debug)]
pub struct SentryHost {
    /// The trees of [`Options::trees`](crate::Options::trees), in that order: each the root of a detached mount.
    pub trees: Vec<OwnedFd>,
    /// The root of a proc file system of the sentry's own PID namespace; it shows processes and nothing else.
    pub proc: OwnedFd,
    /// Messages from and to the front.
    pub link: Link,
    /// Who called.
    pub caller: Caller,
    /// User and group id that stubs can get, if the sentry may map another than its own.
    pub stub_ids: Option<(u32, u32)>,
    /// What Landlock enforces here.
    pub landlock: LandlockState,
    /// The program that runs here, to find names in for addresses; none if the caller may execute it and not read it.
    pub program: Option<OwnedFd>,
    pub(crate) kept: CapabilitySet,
}

impl SentryHost {
    /// Makes processes of the platform the first to go when memory runs out: `pid` and all that it forks from now on.
    ///
    /// # Errors
    /// What writing `oom_score_adj` says (proc_pid_oom_score_adj(5)).
    pub fn prefer_for_oom(&self, pid: i32) -> std::io::Result<()> {
        use rustix::fs::{OFlags, openat};
        let path = format!("{pid}/oom_score_adj");
        let file = openat(&self.proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, b"900")?;
        Ok(())
    }

    /// Gives up, for good, what the sentry does not need once the platform runs: capabilities, being traced or dumped,
    /// and every system call outside its list.
    ///
    /// # Errors
    /// Names the step; the sentry must end then. The calling thread must be the only one.
    pub fn lock_down(&self) -> Result<(), Error> {
        let task = rustix::fs::statat(&self.proc, "self/task", rustix::fs::AtFlags::empty())
            .step("looking at the own threads")?;
        if task.st_nlink > 3 {
            return Err(Error::Sentry("the sentry has to be locked down before its second thread".into()));
        }
        privileges::drop(self.kept)?;
        // Giving up capabilities may have undone it.
        privileges::die_with_front(&self.link)?;
        seccomp::install()
    }
}
