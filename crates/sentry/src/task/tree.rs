//! Who is whose child, and in which process group and session.

mod persist;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::group::ThreadGroup;
use super::thread::Task;
use super::usage::Usage;
use crate::creds::Kuid;
use crate::tty::Tty;

pub(crate) use persist::TreeState;

/// What a parent learns of a child that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zombie {
    /// As wait(2) encodes it.
    pub status: i32,
    /// Its real user id.
    pub uid: u32,
    /// Its own and its waited-for children's times.
    pub times: Usage,
    /// Its own times alone.
    pub own_times: Usage,
    /// Largest resident set, in bytes.
    pub max_rss: u64,
}

/// A process's place in the tree.
pub struct Group {
    /// The process.
    pub tg: Arc<ThreadGroup>,
    /// Its threads that have not ended; the leader stays until all have.
    pub threads: Vec<Arc<Task>>,
    /// Its parent, 0 for none.
    pub parent: i32,
    /// The thread of the parent that made it (PR_SET_PDEATHSIG, __WNOTHREAD).
    pub parent_tid: i32,
    /// Its children.
    pub children: BTreeSet<i32>,
    /// Process group.
    pub pgid: i32,
    /// Session.
    pub sid: i32,
    /// The terminal that controls it.
    pub tty: Option<Arc<Tty>>,
    /// Sent to the parent at its end; SIGCHLD for fork(2), 0 for none.
    pub exit_signal: i32,
    /// It has ended and was not waited for.
    pub zombie: Option<Zombie>,
    /// It stopped by this signal, and nobody has been told by wait(2).
    pub stop_report: Option<i32>,
    /// It went on, and nobody has been told by wait(2).
    pub continue_report: bool,
    /// The sentry stands in for an init that would wait for it.
    pub auto_reap: bool,
}

/// All processes and tasks, by their numbers in the root namespace.
#[derive(Default)]
pub struct Tree {
    /// Processes, zombies included.
    pub groups: BTreeMap<i32, Group>,
    /// Threads that have not ended.
    pub tasks: BTreeMap<i32, Arc<Task>>,
    /// What those have used that were waited for.
    pub reaped: Usage,
}

impl Tree {
    /// A process.
    ///
    /// # Errors
    /// ESRCH
    pub fn group(&self, tgid: i32) -> Result<&Group, Errno> {
        self.groups.get(&tgid).ok_or(Errno::ESRCH)
    }

    /// A process, to change it.
    ///
    /// # Errors
    /// ESRCH
    pub fn group_mut(&mut self, tgid: i32) -> Result<&mut Group, Errno> {
        self.groups.get_mut(&tgid).ok_or(Errno::ESRCH)
    }

    /// A thread.
    ///
    /// # Errors
    /// ESRCH
    pub fn task(&self, tid: i32) -> Result<&Arc<Task>, Errno> {
        self.tasks.get(&tid).ok_or(Errno::ESRCH)
    }

    /// A process's threads that have not ended, and what the others have used; none once it was waited for.
    #[must_use]
    pub fn accounts_of(&self, tg: &ThreadGroup) -> Option<(Vec<Arc<Task>>, Usage)> {
        let group = self.groups.get(&tg.tgid).filter(|g| std::ptr::eq(&*g.tg, tg))?;
        let past = tg.past.lock().threads;
        Some((group.threads.clone(), past))
    }

    /// Whether a user has more than `limit` tasks, zombies included (RLIMIT_NPROC), with `more` to come.
    #[must_use]
    pub fn has_too_many(&self, uid: Kuid, more: u64, limit: u64) -> bool {
        let zombies = self.groups.values().filter_map(|g| g.zombie.as_ref());
        // The users of all tasks are looked at only when it may matter.
        if limit >= (self.tasks.len() + self.groups.len()) as u64 + more {
            return false;
        }
        let dead = zombies.filter(|z| z.uid == uid.0).count();
        let alive = self.tasks.values().filter(|t| t.creds.read().uid == uid).count();
        (dead + alive) as u64 + more > limit
    }

    /// The processes of a process group.
    pub fn members(&self, pgid: i32) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |g| g.pgid == pgid)
    }

    /// The session of a process group, if there is such a group.
    #[must_use]
    pub fn session_of_pgrp(&self, pgid: i32) -> Option<i32> {
        self.members(pgid).next().map(|g| g.sid)
    }

    /// Whether a process group is orphaned, leaving one process out of account: no member has a parent in another group
    /// of the same session.
    #[must_use]
    pub fn is_orphaned(&self, pgid: i32, without: Option<i32>) -> bool {
        !self.members(pgid).any(|g| {
            g.zombie.is_none()
                && without != Some(g.tg.tgid)
                && self.groups.get(&g.parent).is_some_and(|p| p.pgid != pgid && p.sid == g.sid)
        })
    }

    /// Whether a number is in use for a process, group or session, so that no new process may get it.
    #[must_use]
    pub fn is_in_use(&self, id: i32) -> bool {
        self.groups.contains_key(&id)
            || self.tasks.contains_key(&id)
            || self.groups.values().any(|g| g.pgid == id || g.sid == id)
    }

    /// The thread that made some children has another number now.
    pub fn rename_parent(&mut self, old: i32, new: i32) {
        let children = self.groups.get(&new).map(|g| g.children.clone()).unwrap_or_default();
        for child in children {
            if let Some(group) = self.groups.get_mut(&child).filter(|g| g.parent_tid == old) {
                group.parent_tid = new;
            }
        }
    }

    /// Makes `child` a child of `parent`.
    pub fn adopt(&mut self, child: i32, parent: i32, parent_tid: i32) {
        let old = self.groups.get(&child).map_or(0, |g| g.parent);
        if let Some(old) = self.groups.get_mut(&old) {
            old.children.remove(&child);
        }
        if let Some(group) = self.groups.get_mut(&child) {
            group.parent = parent;
            group.parent_tid = parent_tid;
        }
        if let Some(parent) = self.groups.get_mut(&parent) {
            parent.children.insert(child);
        }
    }
}
