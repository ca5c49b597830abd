//! What the end of a task means for those it leaves behind: new parents, hung-up process groups, the end of a PID namespace.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::signal::*;
use stockade_platform::sync::MutexGuard;

use super::group::StopState;
use super::thread::Task;
use super::tree::Tree;
use crate::wait::{Readiness, block_on};

impl Task {
    /// All members of a PID namespace die with its init, whose own end is known only after theirs
    /// (pid_namespaces(7), "The namespace init process").
    pub(super) fn empty_namespace<'a>(&'a self, tree: MutexGuard<'a, Tree>) -> MutexGuard<'a, Tree> {
        let (ns, tgid) = (&self.tg.pidns, self.tg.tgid);
        ns.close();
        tree.kill_others_in(ns, tgid);
        drop(tree);
        let _registration = ns.departures().register(Readiness::all(), self.waiter.clone());
        let attempt = || {
            let tree = self.kernel.tree.lock();
            if tree.others_in(ns, tgid).next().is_none() { Ok(tree) } else { Err(Errno::EAGAIN) }
        };
        // Nothing interrupts it: the attempt alone ends it.
        block_on(&self.waiter, None, || false, attempt).unwrap_or_else(|_| self.kernel.tree.lock())
    }
}

impl Tree {
    fn others_in<'a>(
        &'a self,
        ns: &'a Arc<super::PidNamespace>,
        init: i32,
    ) -> impl Iterator<Item = &'a super::Group> {
        self.groups
            .values()
            .filter(move |g| g.tg.tgid != init && g.zombie.is_none() && ns.contains(&g.tg.pidns))
    }

    fn kill_others_in(&self, ns: &Arc<super::PidNamespace>, init: i32) {
        let kill = SigInfo::new(SIGKILL, si::SI_KERNEL);
        for group in self.others_in(ns, init) {
            let _ = self.send_group(group.tg.tgid, &kill);
        }
    }

    /// The children that a thread made get another thread of its process for a parent.
    pub(super) fn pass_on_children(&mut self, task: &Task) {
        let tgid = task.tg.tgid;
        let Ok(group) = self.group(tgid) else { return };
        let Some(heir) = group.threads.first().map(|t| t.tid()) else { return };
        for child in group.children.clone() {
            if self.groups.get(&child).is_some_and(|c| c.parent_tid == task.tid()) {
                self.adopt(child, tgid, heir);
                self.announce_parents_death(child, task);
            }
        }
    }

    /// PR_SET_PDEATHSIG of a process whose parent, a thread, has ended.
    fn announce_parents_death(&self, child: i32, parent: &Task) {
        let Ok(group) = self.group(child) else { return };
        for thread in &group.threads {
            let signo = thread.pdeathsig.load(Ordering::Relaxed);
            if signo != 0 {
                let pid = group.tg.pidns.local(parent.tg.tgid);
                let info = SigInfo::from_user(signo, si::SI_USER, pid, parent.creds().uid.0);
                let _ = self.send_from(parent, child, None, &info);
            }
        }
    }

    /// Children go to the nearest ancestor that wants orphans, else to the init of their PID namespace.
    pub(super) fn reparent_children(&mut self, task: &Task) {
        let tgid = task.tg.tgid;
        let Ok(group) = self.group(tgid) else { return };
        let children = group.children.clone();
        if children.is_empty() {
            return;
        }
        let mut reaper = group.parent;
        let init = task.tg.pidns.init().unwrap_or(0);
        loop {
            match self.groups.get(&reaper) {
                Some(g)
                    if g.tg.is_subreaper.load(Ordering::Relaxed)
                        && !g.threads.is_empty()
                        && Arc::ptr_eq(&g.tg.pidns, &task.tg.pidns) =>
                {
                    break;
                }
                Some(g) if reaper != init => reaper = g.parent,
                _ => {
                    reaper = init;
                    break;
                }
            }
        }
        if reaper == tgid || self.groups.get(&reaper).is_none_or(|g| g.threads.is_empty()) {
            reaper = 0;
        }
        let sentry_reaps = reaper == 0 || reaper == task.kernel.init_tgid();
        let heir = self.groups.get(&reaper).and_then(|g| g.threads.first()).map_or(0, |t| t.tid());
        let subreaper = self.groups.get(&reaper).is_some_and(|g| g.tg.is_subreaper.load(Ordering::Relaxed));
        for child in children {
            let Some(group) = self.groups.get_mut(&child) else { continue };
            // An orphan announces its end by SIGCHLD whatever it was cloned with.
            group.exit_signal = SIGCHLD;
            group.auto_reap = sentry_reaps && !subreaper;
            let dead = group.zombie.is_some();
            self.adopt(child, reaper, heir);
            self.announce_parents_death(child, task);
            self.hang_up_orphans(tgid, child, None);
            if dead {
                self.announce_end(child);
            }
        }
    }

    /// The tie between a process and its parent is cut. If that orphans the process's group and something in it is
    /// stopped, its members get SIGHUP and SIGCONT. `without` is a member that ends.
    pub(super) fn hang_up_orphans(&mut self, parent: i32, child: i32, without: Option<i32>) {
        let (Ok(parent), Ok(child)) = (self.group(parent), self.group(child)) else { return };
        let pgid = child.pgid;
        if parent.pgid == pgid || parent.sid != child.sid {
            return;
        }
        let stopped = self
            .members(pgid)
            .any(|g| Some(g.tg.tgid) != without && matches!(g.tg.signals.lock().stop, StopState::Stopped(_)));
        if stopped && self.is_orphaned(pgid, without) {
            let _ = self.send_pgrp(pgid, &SigInfo::new(SIGHUP, si::SI_KERNEL));
            let _ = self.send_pgrp(pgid, &SigInfo::new(SIGCONT, si::SI_KERNEL));
        }
    }
}
