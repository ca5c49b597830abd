//! Setting up the sentry's surroundings, in the sentry, up to where the platform can be started.
//!
//! What needs no mapped ids comes first, while the front writes the maps.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

use super::{Maps, Options};
use crate::error::{Error, Step};
use crate::host::{Caller, SentryHost};
use crate::landlock::LandlockState;
use crate::link::Link;
use crate::{clocks, crash, landlock, privileges, rlimits, tree};

/// What the sentry is forked with.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) options: &'a Options<'a>,
    pub(crate) caller: Caller,
    pub(crate) link: Link,
    /// Where a crash report goes.
    pub(crate) crash: OwnedFd,
    pub(crate) maps: Maps,
    /// Differs between sandboxes.
    pub(crate) salt: u32,
}

/// Everything before the platform. The link comes back with an error, for the front to hear of it.
pub(crate) fn prepare(front: &Link, setup: Setup<'_>) -> Result<SentryHost, (Link, Error)> {
    // A capability that the caller hasn't got would open files that the caller could not.
    let kept =
        if setup.maps.full() { privileges::FILE & setup.caller.capabilities } else { CapabilitySet::empty() };
    let (trees, proc, landlock, program) = match surround(front, &setup, kept) {
        Ok(parts) => parts,
        Err(e) => return Err((setup.link, e)),
    };
    let Setup { caller, link, maps, salt, .. } = setup;
    let stub_ids = maps.uid.spare(caller.uid, salt).zip(maps.gid.spare(caller.gid, salt));
    Ok(SentryHost { trees, proc, link, caller, stub_ids, landlock, program, kept })
}

fn surround(
    front: &Link,
    setup: &Setup<'_>,
    kept: CapabilitySet,
) -> Result<(Vec<OwnedFd>, OwnedFd, LandlockState, Option<OwnedFd>), Error> {
    close_others(front, setup).step("closing descriptors")?;
    let program = open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
    crash::install(setup.crash.try_clone().step("duplicating a descriptor")?)
        .step("preparing for crashes")?;
    let Setup { options, link, .. } = setup;
    privileges::die_with_front(link)?;
    // The front's terminal, and the signals that its keys send, are the front's.
    rustix::process::setsid().step("making a session")?;
    rustix::process::umask(Mode::empty());
    rlimits::set().step("setting resource limits")?;
    if let Some(group) = options.cgroup {
        group.enter().step("entering the cgroup")?;
        // They have served, and can be written to.
        for fd in group.descriptors() {
            crate::sys::close_range(fd as u32, fd as u32).step("closing a descriptor of the cgroup")?;
        }
    }
    wait_for_maps(link)?;
    let proc = tree::procfs()?;
    if let Some(clocks) = &options.clocks {
        clocks::enter(clocks, proc.as_fd())?;
    }
    crash::show_threads(proc.try_clone().step("duplicating a descriptor")?);
    // Root's rights to a file depend on its owner being mapped.
    let found = tree::find(&options.trees, kept)?;
    let trees = tree::detach(&options.trees, &found)?;
    drop(found);
    rustix::system::sethostname(b"stockade").step("setting the host name of the own namespace")?;
    let landlock = landlock::enter(&trees, &options.trees, proc.as_fd())?;
    link.send(&[0], &[]).step("telling the front")?;
    Ok((trees, proc, landlock, program))
}

/// Closes what the front has open and the sentry is not to have.
fn close_others(front: &Link, setup: &Setup<'_>) -> std::io::Result<()> {
    let mut keep: Vec<RawFd> = setup.options.keep.clone();
    keep.extend([setup.link.as_fd().as_raw_fd(), setup.crash.as_raw_fd()]);
    keep.extend(setup.options.cgroup.iter().flat_map(|c| c.descriptors()));
    keep.retain(|&fd| fd > 2 && fd != front.as_fd().as_raw_fd());
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if fd > first {
            crate::sys::close_range(first as u32, (fd - 1) as u32)?;
        }
        first = fd + 1;
    }
    crate::sys::close_range(first as u32, u32::MAX)
}

fn wait_for_maps(link: &Link) -> Result<(), Error> {
    let mut byte = [0];
    match link.receive(&mut byte).step("waiting for the front")? {
        Some(_) => Ok(()),
        None => {
            // Nobody is there to hear why.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
            Err(Error::Sentry("the front is gone".into()))
        }
    }
}
