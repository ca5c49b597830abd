//! What methods are about.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, openat};
use serde_bytes::ByteBuf;
use stockade_abi::misc::PAGE_SIZE;
use stockade_sentry::task::Kernel;
use stockade_sentry::vfs::MountNamespace;

use super::beginning::{Beginning, Successor};
use super::emitter::Emitter;
use super::executed::Executed;
use super::profile::Profiles;
use super::state::Saves;
use super::{Error, LogLevel, Zone};
use crate::types::proc::ProcessDefaults;

/// A sandbox, as its control server sees it.
pub struct Sandbox {
    /// Its name, which is its container's, too.
    pub id: String,
    /// Its kernel.
    pub kernel: Arc<Kernel>,
    /// Who may connect beside root: a uid, as the sentry sees it.
    pub(super) owner: u32,
    pub(super) executed: Executed,
    pub(super) emitter: Emitter,
    pub(super) log: Box<dyn LogLevel>,
    mounts: Arc<MountNamespace>,
    /// Where it is: times are told so.
    pub(super) zone: Zone,
    pub(super) defaults: ProcessDefaults,
    proc: OwnedFd,
    /// The program that the sentry is, for names in profiles.
    pub(super) program: Option<OwnedFd>,
    pub(super) profiles: Profiles,
    /// When this was made.
    pub(super) created: Timestamp,
    pub(super) saves: Saves,
    /// Whether it came from an image.
    pub(super) was_restored: bool,
    pub(super) beginning: Beginning,
    pub(super) successor: Option<Arc<dyn Successor>>,
    /// What it was made with, for its image.
    pub(super) description: serde_json::Value,
}

/// What a [`Sandbox`] is made of.
pub struct SandboxParts {
    /// Its name.
    pub id: String,
    /// Its kernel.
    pub kernel: Arc<Kernel>,
    /// Its mounts, as they were built.
    pub mounts: Arc<MountNamespace>,
    /// Who may connect beside root: a uid, as the sentry sees it.
    pub owner: u32,
    /// Where it is: times are told so.
    pub zone: Zone,
    /// The level of its log.
    pub log: Box<dyn LogLevel>,
    /// What its first process is started with, or would be.
    pub defaults: ProcessDefaults,
    /// A proc file system of the sentry's own PID namespace.
    pub proc: OwnedFd,
    /// The program that the sentry is, for names in profiles.
    pub program: Option<OwnedFd>,
    /// Whether it comes from an image.
    pub was_restored: bool,
    /// How it goes on as one that was saved, if it is empty.
    pub successor: Option<Arc<dyn Successor>>,
    /// What it is made with, as its images say it.
    pub description: serde_json::Value,
}

impl Sandbox {
    /// A sandbox in which nothing has been executed yet.
    ///
    /// # Errors
    /// EMFILE
    pub fn new(parts: SandboxParts) -> io::Result<Arc<Self>> {
        let SandboxParts {
            id,
            kernel,
            mounts,
            owner,
            zone,
            log,
            defaults,
            proc,
            program,
            was_restored,
            successor,
            description,
        } = parts;
        Ok(Arc::new(Self {
            id,
            kernel,
            owner,
            executed: Executed::default(),
            emitter: Emitter::default(),
            log,
            mounts,
            zone,
            defaults,
            proc,
            program,
            profiles: Profiles::default(),
            created: Timestamp::now(),
            saves: Saves::default(),
            was_restored,
            beginning: Beginning::new(successor.is_some())?,
            successor,
            description,
        }))
    }

    /// Goes on with what was kept of it beside its kernel when it was saved.
    pub fn restore(self: &Arc<Self>, beside: &BTreeMap<String, ByteBuf>) {
        super::state::restore_beside(self, beside);
    }

    /// The first process's mounts; those that the sandbox began with if there is none.
    #[must_use]
    pub fn mounts(&self) -> Arc<MountNamespace> {
        let tree = self.kernel.tree.lock();
        let first = tree.group(self.kernel.init_tgid()).ok().and_then(|group| group.threads.first().cloned());
        drop(tree);
        first.map_or_else(|| Arc::clone(&self.mounts), |task| Arc::clone(&task.ns.read().mount))
    }

    /// Whether it ends because it was saved.
    #[must_use]
    pub fn was_saved(&self) -> bool {
        self.saves.is_saved_away()
    }

    /// Whether a container is the one there is; an empty name is.
    ///
    /// # Errors
    /// Names both.
    pub(super) fn container(&self, cid: &str) -> Result<(), Error> {
        if cid.is_empty() || cid == self.id {
            return Ok(());
        }
        Err(Error::new(format!("no container named {cid:?}; there is {:?}", self.id)))
    }

    /// A proc file system of the sentry's own PID namespace.
    pub(super) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    /// The sentry's own private memory, in bytes; 0 where that cannot be told.
    pub(super) fn own_memory(&self) -> u64 {
        let read = || {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = openat(&self.proc, "self/statm", flags, Mode::empty()).ok()?;
            let mut text = [0; 128];
            let n = rustix::io::read(&file, &mut text).ok()?;
            // Size, resident, shared (proc_pid_statm(5)).
            let mut words = std::str::from_utf8(&text[..n]).ok()?.split(' ').skip(1);
            let mut next = || words.next()?.parse::<u64>().ok();
            let (resident, shared) = (next()?, next()?);
            Some(resident.saturating_sub(shared) * PAGE_SIZE)
        };
        read().unwrap_or(0)
    }
}
