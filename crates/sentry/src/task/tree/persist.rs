//! The saved form of [`Tree`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Group, Tree, Zombie};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::task::Usage;
use crate::task::persist::{TaskState, ThreadGroupState};
use crate::task::pidns::PID_MAX;
use crate::tty::persist::TtyState;

/// A [`Tree`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TreeState {
    groups: Vec<GroupState>,
    reaped: Usage,
}

/// A [`Group`].
#[derive(Debug, Serialize, Deserialize)]
struct GroupState {
    tg: Id<ThreadGroupState>,
    threads: Vec<Id<TaskState>>,
    parent: i32,
    parent_tid: i32,
    pgid: i32,
    sid: i32,
    /// The terminal that controls it.
    #[serde(default)]
    tty: Option<Id<TtyState>>,
    exit_signal: i32,
    zombie: Option<Zombie>,
    stop_report: Option<i32>,
    continue_report: bool,
    auto_reap: bool,
}

impl TreeState {
    pub(crate) fn save(tree: &Tree, saver: &mut Saver) -> Self {
        let groups = tree.groups.values().map(|group| GroupState {
            tg: saver.id(&group.tg),
            threads: group.threads.iter().map(|thread| saver.id(thread)).collect(),
            parent: group.parent,
            parent_tid: group.parent_tid,
            pgid: group.pgid,
            sid: group.sid,
            tty: group.tty.as_ref().map(|tty| saver.id(tty)),
            exit_signal: group.exit_signal,
            zombie: group.zombie,
            stop_report: group.stop_report,
            continue_report: group.continue_report,
            auto_reap: group.auto_reap,
        });
        Self { groups: groups.collect(), reaped: tree.reaped }
    }

    /// The tree again; its tasks stand.
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Tree, RestoreError> {
        let mut tree = Tree { reaped: self.reaped, ..Tree::default() };
        for (group, index) in self.groups.into_iter().zip(0..) {
            group.restore(&mut tree, restorer).map_err(|e| e.at("process", index))?;
        }
        tree.connect()?;
        Ok(tree)
    }
}

impl GroupState {
    fn restore(self, tree: &mut Tree, restorer: &mut Restorer<'_>) -> Result<(), RestoreError> {
        let wrong = RestoreError::new;
        let tg = restorer.get(self.tg)?;
        let tgid = tg.tgid;
        let is_number = |n: i32| (0..PID_MAX).contains(&n);
        let numbers = [self.parent, self.parent_tid, self.pgid, self.sid];
        if tg.pidns.local(tgid) == 0 || !numbers.into_iter().all(is_number) {
            return Err(wrong("a number that no process can have"));
        }
        if !(0..=stockade_abi::signal::SIGRTMAX).contains(&self.exit_signal) {
            return Err(wrong("an exit signal that there is not"));
        }
        let mut threads = Vec::with_capacity(self.threads.len().min(1024));
        for thread in self.threads {
            let thread = restorer.get(thread)?;
            if !Arc::ptr_eq(&thread.tg, &tg) || tree.tasks.contains_key(&thread.tid()) {
                return Err(wrong("a thread of another process, or one that is there twice"));
            }
            tree.tasks.insert(thread.tid(), Arc::clone(&thread));
            threads.push(thread);
        }
        if threads.is_empty() != self.zombie.is_some() {
            return Err(wrong("a process without threads that has not ended, or with some that has"));
        }
        if let Some(mm) = threads.first().and_then(|thread| thread.mm()) {
            mm.share();
            // All threads of a process share one.
            if threads.iter().any(|t| t.mm().is_none_or(|other| !Arc::ptr_eq(&mm, &other))) {
                return Err(wrong("its threads have different memory"));
            }
        }
        let group = Group {
            tg,
            threads,
            parent: self.parent,
            parent_tid: self.parent_tid,
            children: BTreeSet::new(),
            pgid: self.pgid,
            sid: self.sid,
            tty: self.tty.map(|tty| restorer.get(tty)).transpose()?,
            exit_signal: self.exit_signal,
            zombie: self.zombie,
            stop_report: self.stop_report,
            continue_report: self.continue_report,
            auto_reap: self.auto_reap,
        };
        match tree.groups.insert(tgid, group) {
            None => Ok(()),
            Some(_) => Err(wrong("its number is there twice")),
        }
    }
}

impl Tree {
    /// Tells parents of their children.
    fn connect(&mut self) -> Result<(), RestoreError> {
        let parents: Vec<(i32, i32)> =
            self.groups.iter().map(|(&tgid, group)| (tgid, group.parent)).collect();
        for (child, parent) in parents.into_iter().filter(|&(_, parent)| parent != 0) {
            let parent = self.groups.get_mut(&parent).filter(|p| p.tg.tgid != child);
            let parent = parent.ok_or_else(|| RestoreError::new(format!("process {child} has no parent")))?;
            parent.children.insert(child);
        }
        // Upwards from everybody: nobody may be above himself.
        let mut good = BTreeSet::from([0]);
        for &start in self.groups.keys() {
            let (mut at, mut path) = (start, Vec::new());
            while !good.contains(&at) {
                if path.len() > self.groups.len() {
                    return Err(RestoreError::new(format!("process {start} is its own ancestor")));
                }
                path.push(at);
                at = self.groups.get(&at).map_or(0, |group| group.parent);
            }
            good.extend(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::tests::{kernel, restoring, saver, through_bytes};
    use crate::signal::Actions;
    use crate::task::{Limits, ThreadGroup};

    fn zombie(tree: &mut Tree, tgid: i32, parent: i32) {
        let kernel = kernel();
        while kernel.root_pidns.allocate(&[]) != Ok(tgid) {}
        let (actions, pidns) = (Arc::new(Actions::default()), Arc::clone(&kernel.root_pidns));
        let tg = ThreadGroup::new(&kernel, tgid, pidns, actions, Limits::default());
        let zombie = Some(Zombie { status: 7 << 8, ..Zombie::default() });
        let (threads, children) = (Vec::new(), BTreeSet::new());
        let group = Group {
            tg,
            threads,
            parent,
            parent_tid: parent,
            children,
            pgid: 3,
            sid: 2,
            tty: None,
            exit_signal: 17,
            zombie,
            stop_report: None,
            continue_report: true,
            auto_reap: false,
        };
        tree.groups.insert(tgid, group);
    }

    #[test]
    fn nobody_is_his_own_ancestor() {
        let mut tree = Tree::default();
        for (tgid, parent) in [(1, 0), (2, 1), (3, 2), (4, 2)] {
            zombie(&mut tree, tgid, parent);
        }
        assert!(tree.connect().is_ok());
        assert_eq!(tree.groups[&2].children, BTreeSet::from([3, 4]));
        tree.groups.get_mut(&2).unwrap().parent = 4;
        assert!(tree.connect().is_err());
        tree.groups.get_mut(&2).unwrap().parent = 2;
        assert!(tree.connect().is_err());
        tree.groups.get_mut(&2).unwrap().parent = 9;
        assert!(tree.connect().is_err());
    }

    #[test]
    fn references_to_nobody_are_refused() {
        let mut tree = Tree::default();
        zombie(&mut tree, 1, 0);
        let state = through_bytes(&TreeState::save(&tree, &mut saver()));
        assert_eq!((state.groups[0].zombie, state.groups[0].continue_report), (tree.groups[&1].zombie, true));
        let error = restoring(|restorer| state.restore(restorer)).err().unwrap();
        assert_eq!(error.to_string(), "thread group 0: there is no such entry");
    }
}
