//! The namespaces of a task: which it may make, and which it may enter (namespaces(7)).
//!
//! There are mount, UTS and PID namespaces. Others answer as a kernel does that was built without them, user namespaces
//! as one where `user.max_user_namespaces` is 0. All tasks are in one cgroup, the root, so that a new cgroup namespace
//! would look the same as the old one.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::pidns::PidNamespace;
use super::thread::{NsProxy, Task, UtsNamespace};
use crate::vfs::{FsContext, MountNamespace};

const CLONE_NEWTIME: u64 = 0x80;
const NAMESPACES: u64 = (c::CLONE_NEWNS
    | c::CLONE_NEWCGROUP
    | c::CLONE_NEWUTS
    | c::CLONE_NEWIPC
    | c::CLONE_NEWPID
    | c::CLONE_NEWNET) as u64
    | CLONE_NEWTIME;

fn has(flags: u64, flag: u32) -> bool {
    flags & u64::from(flag) != 0
}

impl NsProxy {
    /// The namespaces that `flags` of clone(2) or unshare(2) give in place of these. `fs` is the new owner's alone if
    /// there is a mount namespace to make: it goes to the same places there.
    ///
    /// # Errors
    /// EPERM, ENOSPC, EINVAL, as unshare(2).
    pub fn with_new(&self, flags: u64, task: &Task, fs: &FsContext) -> Result<Self, Errno> {
        if has(flags, c::CLONE_NEWUSER) {
            return Err(Errno::ENOSPC);
        }
        let mut new = self.clone();
        if flags & NAMESPACES == 0 {
            return Ok(new);
        }
        if !task.creds().has_cap(c::CAP_SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        if has(flags, c::CLONE_NEWIPC | c::CLONE_NEWNET) || flags & CLONE_NEWTIME != 0 {
            return Err(Errno::EINVAL);
        }
        if has(flags, c::CLONE_NEWUTS) {
            let (host, domain) = self.uts.names.read().clone();
            new.uts = UtsNamespace::new(&host, &domain);
        }
        if has(flags, c::CLONE_NEWPID) {
            if !Arc::ptr_eq(&self.pid_for_children, &task.tg.pidns) {
                return Err(Errno::EINVAL);
            }
            new.pid_for_children = PidNamespace::new(Some(Arc::clone(&task.tg.pidns)))?;
        }
        if has(flags, c::CLONE_NEWNS) {
            new.mount = fs.enter_copy_of(&self.mount)?;
        }
        Ok(new)
    }
}

/// A namespace that setns(2) can be asked to enter.
#[derive(Clone)]
pub enum Namespace {
    /// Mounts.
    Mount(Arc<MountNamespace>),
    /// Names.
    Uts(Arc<UtsNamespace>),
    /// Numbers of processes.
    Pid(Arc<PidNamespace>),
}

impl Namespace {
    /// Its name in `/proc/PID/ns`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mount(_) => "mnt",
            Self::Uts(_) => "uts",
            Self::Pid(_) => "pid",
        }
    }

    /// Its inode number.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Mount(ns) => ns.id(),
            Self::Uts(ns) => ns.id,
            Self::Pid(ns) => ns.id,
        }
    }

    /// The flag of clone(2) that makes one.
    #[must_use]
    pub fn flag(&self) -> u32 {
        match self {
            Self::Mount(_) => c::CLONE_NEWNS,
            Self::Uts(_) => c::CLONE_NEWUTS,
            Self::Pid(_) => c::CLONE_NEWPID,
        }
    }
}

impl Task {
    /// The namespaces of a task that `flags` name.
    ///
    /// # Errors
    /// EINVAL for a kind that there is not, or that cannot be entered.
    pub fn namespaces(&self, flags: u32) -> Result<Vec<Namespace>, Errno> {
        let ns = self.ns.read();
        let all = [
            Namespace::Mount(Arc::clone(&ns.mount)),
            Namespace::Uts(Arc::clone(&ns.uts)),
            Namespace::Pid(Arc::clone(&self.tg.pidns)),
        ];
        let known = all.iter().fold(c::CLONE_NEWCGROUP, |known, ns| known | ns.flag());
        if flags == 0 || flags & !known != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(all.into_iter().filter(|ns| flags & ns.flag() != 0).collect())
    }

    /// Enters namespaces, all or none (setns(2)).
    ///
    /// # Errors
    /// EPERM, EINVAL.
    pub fn enter(&self, namespaces: &[Namespace]) -> Result<(), Errno> {
        let creds = self.creds();
        if !creds.has_cap(c::CAP_SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let fs = self.fs.read();
        let mut ns = self.ns.write();
        let mut new = ns.clone();
        for namespace in namespaces {
            match namespace {
                Namespace::Mount(_) if !creds.has_cap(c::CAP_SYS_CHROOT) => return Err(Errno::EPERM),
                // Threads that share a working directory cannot be torn apart. One count is the task's own.
                Namespace::Mount(_) if Arc::strong_count(&fs) > 1 => return Err(Errno::EINVAL),
                Namespace::Mount(mount) => new.mount = Arc::clone(mount),
                Namespace::Uts(uts) => new.uts = Arc::clone(uts),
                // Only down: otherwise numbers would be missing above.
                Namespace::Pid(pid) if !self.tg.pidns.contains(pid) => return Err(Errno::EINVAL),
                Namespace::Pid(pid) => new.pid_for_children = Arc::clone(pid),
            }
        }
        if namespaces.iter().any(|n| matches!(n, Namespace::Mount(_))) {
            fs.set_root(new.mount.root());
            fs.set_cwd(new.mount.root());
        }
        *ns = new;
        Ok(())
    }
}
