//! Waiting for children (wait4(2), waitid(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGCHLD, SIGCONT, si};

use super::thread::Task;
use super::tree::{Group, Tree};
use super::usage::Usage;
use crate::wait::Readiness;

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// One, by its number in the root namespace.
    Pid(i32),
    /// Those of a process group.
    Group(i32),
}

/// What happened to a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildEvent {
    /// Its number in the root namespace.
    pub tgid: i32,
    /// Its number as the one who waits sees it.
    pub pid: i32,
    /// Its real user id.
    pub uid: u32,
    /// CLD_ code.
    pub code: i32,
    /// Exit code or signal, as siginfo has it.
    pub status: i32,
    /// As wait(2) encodes it.
    pub wait_status: i32,
    /// Its times with those of its children, when it has ended.
    pub times: Usage,
    /// Largest resident set, in bytes.
    pub max_rss: u64,
}

impl Task {
    /// Waits for a child to change state. `None`: WNOHANG and nothing has.
    ///
    /// # Errors
    /// ECHILD, ERESTARTSYS.
    pub fn wait_for_child(&self, which: Which, options: u32) -> Result<Option<ChildEvent>, Errno> {
        let attempt = || {
            let mut tree = self.kernel.tree.lock();
            match tree.find_event(self, which, options)? {
                Some(event) => Ok(Some(event)),
                None if options & c::WNOHANG != 0 => Ok(None),
                None => Err(Errno::EAGAIN),
            }
        };
        if options & c::WNOHANG != 0 {
            return attempt();
        }
        let _registration = self.tg.child_events.register(Readiness::all(), self.waiter.clone());
        self.block_on(None, attempt)
    }
}

impl Tree {
    fn find_event(&mut self, task: &Task, which: Which, options: u32) -> Result<Option<ChildEvent>, Errno> {
        let me = task.tg.tgid;
        let mut any = false;
        let mut found = None;
        for &child in &self.group(me)?.children {
            let Some(group) = self.groups.get(&child) else { continue };
            let fits = match which {
                Which::Any => true,
                Which::Pid(pid) => child == pid,
                Which::Group(pgid) => group.pgid == pgid,
            };
            let cloned = group.exit_signal != SIGCHLD;
            let kind = options & c::__WALL != 0 || cloned == (options & c::__WCLONE != 0);
            let own = options & c::__WNOTHREAD == 0 || group.parent_tid == task.tid();
            if !fits || !kind || !own || group.auto_reap {
                continue;
            }
            any = true;
            if let Some(event) = event_of(group, options) {
                found = Some(ChildEvent { pid: task.tg.pidns.local(child), ..event });
                break;
            }
        }
        let Some(event) = found else {
            return if any { Ok(None) } else { Err(Errno::ECHILD) };
        };
        if options & c::WNOWAIT == 0 {
            self.consume(me, &event);
        }
        Ok(Some(event))
    }

    fn consume(&mut self, parent: i32, event: &ChildEvent) {
        match event.code {
            si::CLD_STOPPED => {
                if let Ok(group) = self.group_mut(event.tgid) {
                    group.stop_report = None;
                }
            }
            si::CLD_CONTINUED => {
                if let Ok(group) = self.group_mut(event.tgid) {
                    group.continue_report = false;
                }
            }
            _ => {
                if let Ok(parent) = self.group(parent) {
                    let mut past = parent.tg.past.lock();
                    past.children += event.times;
                    past.children_max_rss = past.children_max_rss.max(event.max_rss);
                }
                self.reap(event.tgid);
            }
        }
    }
}

fn event_of(group: &Group, options: u32) -> Option<ChildEvent> {
    let uid = group.threads.first().map_or(0, |t| t.creds().uid.0);
    let base = ChildEvent { tgid: group.tg.tgid, uid, ..ChildEvent::default() };
    if let Some(zombie) = group.zombie {
        if options & c::WEXITED == 0 {
            return None;
        }
        let (code, status) = match zombie.status & 0x7f {
            0 => (si::CLD_EXITED, zombie.status >> 8 & 0xff),
            signo if zombie.status & 0x80 != 0 => (si::CLD_DUMPED, signo),
            signo => (si::CLD_KILLED, signo),
        };
        return Some(ChildEvent {
            uid: zombie.uid,
            code,
            status,
            wait_status: zombie.status,
            times: zombie.times,
            max_rss: zombie.max_rss,
            ..base
        });
    }
    if options & c::WSTOPPED != 0
        && let Some(signo) = group.stop_report
    {
        return Some(ChildEvent {
            code: si::CLD_STOPPED,
            status: signo,
            wait_status: signo << 8 | 0x7f,
            ..base
        });
    }
    if options & c::WCONTINUED != 0 && group.continue_report {
        return Some(ChildEvent { code: si::CLD_CONTINUED, status: SIGCONT, wait_status: 0xffff, ..base });
    }
    None
}

impl super::Kernel {
    /// Tells parents of processes that SIGCONT made go on. Apart from the sending, which holds the tree already.
    pub fn report_continued(self: &Arc<Self>) {
        let continued = std::mem::take(&mut *self.continued.lock());
        if continued.is_empty() {
            return;
        }
        let mut tree = self.tree.lock();
        for tgid in continued {
            if let Ok(group) = tree.group_mut(tgid) {
                group.stop_report = None;
                group.continue_report = true;
            }
            tree.tell_parent(tgid, si::CLD_CONTINUED, SIGCONT);
        }
    }
}
