//! The end of tasks and processes (exit(2), exit_group(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::signal::*;
use stockade_abi::time::USER_HZ;

use super::group::StopState;
use super::thread::Task;
use super::tree::{Group, Tree, Zombie};
use super::usage::Usage;
use super::work;
use crate::mm::{MemoryManager, UserMemory};
use crate::signal::Disposition;
use crate::wait::Readiness;

/// Exit status of a program, as wait(2) encodes it.
#[must_use]
pub fn status_of_exit(code: i32) -> i32 {
    (code & 0xff) << 8
}

fn ticks(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_nanos() * u128::from(USER_HZ) / 1_000_000_000).unwrap_or(i64::MAX)
}

impl Task {
    /// Makes the whole process end with a status (wait(2)'s encoding); the first to say so decides.
    pub fn exit_group(&self, status: i32) {
        let tree = self.kernel.tree.lock();
        if let Ok(group) = tree.group(self.tg.tgid) {
            group.begin_exit(status);
        }
    }

    /// Whether no other task is left in its process.
    pub(super) fn is_last(&self) -> bool {
        self.kernel.tree.lock().group(self.tg.tgid).is_ok_and(|g| g.threads.len() <= 1)
    }

    /// What the end of a task leaves in its memory: robust futexes, and the word of set_tid_address(2). Others can see
    /// it, so the memory must still be there.
    pub(super) fn leave_memory(&self, mm: &MemoryManager) {
        crate::futex::exit_robust_list(self, mm);
        let clear = self.clear_child_tid.swap(0, Ordering::AcqRel);
        let together = self.tg.signals.lock().exit_together;
        if clear != 0 && (together || !mm.is_private() || !self.is_last()) {
            // Faults are the guest's own business.
            let _ = mm.write(clear, &0u32.to_ne_bytes());
            let _ = self.kernel.futexes.wake(mm, clear, 1, u32::MAX, false);
        }
    }

    /// The end of this task; called by its own thread, which serves no guest any more. `status` is its own; that of the
    /// process goes before.
    pub fn finish(self: &Arc<Self>, status: i32) {
        crate::strace::ended(self, status);
        self.exiting.store(true, Ordering::Release);
        if self.is_leader() {
            self.tg.last_name.lock().clone_from(&self.name.read());
        }
        self.retarget_signals(SigSet::FULL);
        self.kernel.futexes.exit_pi(self);
        let mm = self.set_mm(None);
        if let Some(mm) = &mm
            && self.is_last()
        {
            mm.release();
        }
        let files = std::mem::take(&mut *self.files.write());
        if Arc::strong_count(&files) == 1 {
            for file in files.take_all() {
                crate::vfs::lock::release_posix(&file, &files);
                file.ops().flush(&file);
            }
        }
        drop(files);
        self.kernel.unix.in_flight.closed();
        drop(mm);
        if let Some(done) = self.vfork_done.lock().take() {
            done.finish();
        }
        let mut tree = self.kernel.tree.lock();
        // Both at once for whoever adds up the times of the process.
        self.account.end_service();
        self.tg.past.lock().threads += self.usage();
        let last = tree.remove_task(self);
        if last {
            if self.tg.pidns.is_init(self.tg.tgid) {
                tree = self.empty_namespace(tree);
            }
            let status = self.tg.signals.lock().group_exit.unwrap_or(status);
            self.end_process(&mut tree, status);
            self.tg.pidns.note_departure();
        } else {
            tree.pass_on_children(self);
        }
        drop(tree);
        if last {
            self.tg.timers.clear(&self.kernel);
        }
        self.kernel.report_continued();
    }

    fn end_process(&self, tree: &mut Tree, status: i32) {
        let tgid = self.tg.tgid;
        let past = *self.tg.past.lock();
        let mut times = past.threads;
        times += past.children;
        let zombie = Zombie {
            status,
            uid: self.creds().uid.0,
            times,
            own_times: past.threads,
            max_rss: self.tg.max_rss.load(Ordering::Relaxed).max(past.children_max_rss),
        };
        if let Ok(group) = tree.group_mut(tgid) {
            group.zombie = Some(zombie);
        }
        self.tg.note_end(status);
        tree.reparent_children(self);
        tree.hang_up_orphans(tree.groups.get(&tgid).map_or(0, |g| g.parent), tgid, Some(tgid));
        tree.disassociate(tgid, true);
        if tgid == self.kernel.init_tgid() {
            self.kernel.init_ended(status, tree);
        }
        tree.announce_end(tgid);
    }
}

impl Group {
    /// Begins the end of the whole process, unless it has begun: `status` (wait(2)'s encoding) is the process's.
    pub(super) fn begin_exit(&self, status: i32) {
        let mut signals = self.tg.signals.lock();
        if signals.group_exit.is_some() {
            return;
        }
        signals.group_exit = Some(status);
        signals.exit_together = self.threads.len() > 1;
        signals.stop = StopState::Running;
        drop(signals);
        for thread in &self.threads {
            thread.clear_work(work::STOP);
            thread.add_work(work::EXIT);
        }
    }
}

impl Tree {
    /// Takes a task out; true if it was the last of its process.
    fn remove_task(&mut self, task: &Arc<Task>) -> bool {
        let tid = task.tid();
        self.tasks.remove(&tid);
        let Ok(group) = self.group_mut(task.tg.tgid) else { return false };
        group.threads.retain(|t| !Arc::ptr_eq(t, task));
        let last = group.threads.is_empty();
        if tid != task.tg.tgid {
            task.tg.pidns.release(tid);
        }
        // A group stop must not wait for it, and a thread that waits for the others to go wants to know.
        let mut signals = task.tg.signals.lock();
        let mut stopped = None;
        if let StopState::Stopping { signo, left } = signals.stop {
            signals.stop = if left <= 1 {
                stopped = Some(signo);
                StopState::Stopped(signo)
            } else {
                StopState::Stopping { signo, left: left - 1 }
            };
        }
        drop(signals);
        if let Some(signo) = stopped.filter(|_| !last) {
            self.report_stop(task.tg.tgid, signo);
        }
        task.tg.exit_events.notify(Readiness::PRI | Readiness::READABLE | Readiness::HUP);
        last
    }

    /// Tells the parent of a process's end, or lets it vanish at once if nobody wants to know.
    pub(super) fn announce_end(&mut self, tgid: i32) {
        let Ok(group) = self.group(tgid) else { return };
        let Some(zombie) = group.zombie else { return };
        let Some(parent) = self.groups.get(&group.parent).filter(|p| !p.threads.is_empty()) else {
            self.reap(tgid);
            return;
        };
        let signo = group.exit_signal;
        let actions = parent.tg.actions();
        let unwanted = signo == SIGCHLD
            && (actions.disposition(SIGCHLD) == Disposition::Ignore
                || SaFlags::from_bits_retain(actions.get(SIGCHLD).flags).contains(SaFlags::NOCLDWAIT));
        let vanish = unwanted || group.auto_reap;
        if signo != 0 && !group.auto_reap && actions.disposition(signo) != Disposition::Ignore {
            let pid = parent.tg.pidns.local(tgid);
            let (code, status) = match zombie.status & 0x7f {
                0 => (si::CLD_EXITED, zombie.status >> 8 & 0xff),
                sig if zombie.status & 0x80 != 0 => (si::CLD_DUMPED, sig),
                sig => (si::CLD_KILLED, sig),
            };
            let Usage { user, system, .. } = zombie.own_times;
            let info = SigInfo::child(signo, code, pid, zombie.uid, status, ticks(user), ticks(system));
            let _ = self.send_group(parent.tg.tgid, &info);
        }
        parent.tg.child_events.notify(Readiness::all());
        if vanish {
            self.reap(tgid);
        }
    }

    /// Takes a zombie out for good.
    pub(super) fn reap(&mut self, tgid: i32) {
        if let Some(group) = self.groups.remove(&tgid) {
            if let Some(parent) = self.groups.get_mut(&group.parent) {
                parent.children.remove(&tgid);
            }
            group.tg.pidns.release(tgid);
            self.reaped += group.tg.past.lock().threads;
        }
    }
}
