//! Starting a sentry: the front's side.

mod child;
mod clone;
mod handle;

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};

pub use handle::{End, SentryHandle};

use crate::cgroup::Cgroup;
use crate::clocks::Clocks;
use crate::error::{Error, Step};
use crate::host::{Caller, SentryHost};
use crate::idmap::IdMap;
use crate::link::Link;
use crate::probe;

/// What the sentry may do beneath a directory (or with a file) of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and execute. The host enforces it.
    ReadOnly,
    /// As the caller may.
    ReadWrite,
}

/// A part of the host's file tree that the sentry gets as a descriptor.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Where it is for the caller; relative paths are relative to the caller's working directory.
    pub path: PathBuf,
    /// Read-only or not, with all mounts beneath it.
    pub access: Access,
}

/// How a sentry is started.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// Parts of the host's file tree, in the order in which [`SentryHost::trees`] has them.
    pub trees: Vec<Tree>,
    /// Descriptors above 2 that stay open in the sentry, under the same numbers: those that its function owns.
    pub keep: Vec<RawFd>,
    /// The group whose limits hold for the sandbox.
    pub cgroup: Option<&'a Cgroup>,
    /// What its clocks show at the start; none for those of the host. Needs a host with time namespaces.
    pub clocks: Option<Clocks>,
}

/// Starts a sentry, which runs `sentry` with what it has of the host and exits with what that returns; waits until the
/// sentry stands in its namespaces. Everything of the sandbox dies with the sentry, and the sentry with the calling
/// thread.
///
/// # Errors
/// Names the step that failed; [`Error::Missing`] if the host lacks what is needed. Nothing is left behind then. The
/// caller must have no other threads.
pub fn launch<F>(options: &Options<'_>, sentry: F) -> Result<SentryHandle, Error>
where
    F: FnOnce(SentryHost) -> u8,
{
    probe::require()?;
    // A fork takes along the locks of other threads, which nobody in the child would ever release.
    if threads(Path::new("/proc/self/task")).step("looking at /proc/self/task")? != 1 {
        return Err(Error::Sentry("a sandbox has to be started before the first thread".into()));
    }
    // Else the id maps would be written for another process.
    let number = std::fs::read_link("/proc/self").step("reading /proc/self")?;
    if number.as_os_str() != std::process::id().to_string().as_str() {
        return Err(Error::Sentry(
            "the /proc here belongs to another PID namespace; mount one of this".into(),
        ));
    }
    let caller = Caller::current();
    let maps = Maps::of(&caller)?;
    let (front, inside) = Link::pair().step("making a socket pair")?;
    let crash =
        memfd_create("stockade-crash", MemfdFlags::CLOEXEC).step("making a file for crash reports")?;
    let setup = child::Setup { options, caller, link: inside, crash, maps, salt: std::process::id() };
    let (handle, maps) = clone::clone_sentry(front, setup, sentry)?;
    match handle.admit(&maps).and_then(|()| handle.wait_until_ready()) {
        Ok(()) => Ok(handle),
        Err(_) if options.cgroup.is_some_and(|c| c.events().oom_kills > 0) => {
            let why = "the sentry needs more memory than its limit allows; give the sandbox more";
            Err(Error::Sentry(why.into()))
        }
        Err(error) => Err(explain(error)),
    }
}

/// The features that the host lacks, if that may be why a start failed; else the error itself.
fn explain(error: Error) -> Error {
    probe::diagnose().map_or(error, Error::Missing)
}

/// User and group maps, and whether they cover more than the caller's own ids.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) uid: IdMap,
    pub(crate) gid: IdMap,
}

impl Maps {
    /// Those that this process may give: whoever may map all ids does so; anybody else maps the own ones.
    pub(crate) fn of(caller: &Caller) -> Result<Self, Error> {
        use rustix::thread::CapabilitySet as Caps;
        let needed = Caps::SETUID | Caps::SETGID | Caps::SETFCAP;
        let caps = rustix::thread::capabilities(None).step("asking for the own capabilities (capget(2))")?;
        if caller.uid != 0 || !caps.effective.contains(needed) {
            return Ok(Self { uid: IdMap::Single(caller.uid), gid: IdMap::Single(caller.gid) });
        }
        let read = |name: &str| {
            let path = format!("/proc/self/{name}");
            std::fs::read_to_string(&path).step_with(|| format!("reading {path}"))
        };
        Ok(Self { uid: IdMap::identity(&read("uid_map")?), gid: IdMap::identity(&read("gid_map")?) })
    }

    /// Maps ids in the user namespace of a child.
    pub(crate) fn write(&self, child: i32) -> Result<(), Error> {
        let write = |name: &str, text: &str| {
            let path = format!("/proc/{child}/{name}");
            std::fs::write(&path, text).step_with(|| format!("writing {path} (user_namespaces(7))"))
        };
        write("uid_map", &self.uid.text())?;
        if matches!(self.gid, IdMap::Single(_)) {
            write("setgroups", "deny")?;
        }
        write("gid_map", &self.gid.text())
    }

    pub(crate) fn full(&self) -> bool {
        matches!(self.uid, IdMap::Identity(_))
    }
}

/// Threads of the process whose `task` directory this is: it has a link for each, and two more.
pub(crate) fn threads(task: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(task)?.nlink().saturating_sub(2))
}
