//! Stopping and going on (signal(7), job control), as a group.

use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::signal::*;

use super::group::StopState;
use super::thread::Task;
use super::tree::Tree;
use super::work;
use crate::signal::Disposition;
use crate::wait::Readiness;

impl Task {
    /// A signal with the default action to stop was taken: all threads are to stop.
    pub fn start_group_stop(&self, signo: i32) {
        let tree = self.kernel.tree.lock();
        let Ok(group) = tree.group(self.tg.tgid) else { return };
        let mut signals = self.tg.signals.lock();
        if signals.group_exit.is_some() || signals.stop != StopState::Running {
            return;
        }
        let threads = &group.threads;
        signals.stop = StopState::Stopping { signo, left: threads.len() };
        signals.stops += 1;
        drop(signals);
        for thread in threads {
            thread.add_work(work::STOP);
        }
    }

    /// A new thread of a group that stops, or is stopped, does so too. The tree is locked.
    pub(super) fn join_group_stop(&self) {
        let mut signals = self.tg.signals.lock();
        match &mut signals.stop {
            StopState::Running => return,
            StopState::Stopping { left, .. } => *left += 1,
            StopState::Stopped(_) => {}
        }
        drop(signals);
        self.add_work(work::STOP);
    }

    /// Stands still while the group is stopped. The last thread to arrive tells the parent.
    pub fn take_part_in_stop(&self) {
        let mut arrived = false;
        let this_stop;
        {
            let mut tree = self.kernel.tree.lock();
            let mut signals = self.tg.signals.lock();
            this_stop = signals.stops;
            if signals.stop == StopState::Running {
                self.clear_work(work::STOP);
            } else if self.arrived_in_stop.swap(this_stop, Ordering::Relaxed) == this_stop {
                arrived = true;
            } else if let StopState::Stopping { signo, left } = signals.stop {
                if left <= 1 {
                    signals.stop = StopState::Stopped(signo);
                    drop(signals);
                    tree.report_stop(self.tg.tgid, signo);
                } else {
                    signals.stop = StopState::Stopping { signo, left: left - 1 };
                }
                arrived = true;
            }
        }
        if !arrived && self.work() & work::STOP == 0 {
            return;
        }
        // SIGCONT takes the STOP bit away, SIGKILL sets EXIT. Saved, it comes again.
        let _ = crate::wait::block_on(
            &self.waiter,
            None,
            || false,
            || {
                let over = self.work() & work::STOP == 0
                    || self.work() & (work::EXIT | work::SAVE) != 0
                    || self.tg.signals.lock().stops != this_stop;
                if over { Ok(()) } else { Err(Errno::EAGAIN) }
            },
        );
        self.kernel.report_continued();
    }
}

impl Tree {
    /// Tells the parent that a child stopped.
    pub(super) fn report_stop(&mut self, tgid: i32, signo: i32) {
        if let Ok(group) = self.group_mut(tgid) {
            group.stop_report = Some(signo);
            group.continue_report = false;
        }
        self.tell_parent(tgid, si::CLD_STOPPED, signo);
    }

    /// SIGCHLD for a child that stopped or went on, unless the parent does not want it, and a wake-up for wait(2).
    pub(super) fn tell_parent(&self, tgid: i32, code: i32, status: i32) {
        let Ok(group) = self.group(tgid) else { return };
        let Ok(parent) = self.group(group.parent) else { return };
        let flags = match parent.tg.actions().disposition(SIGCHLD) {
            Disposition::Handler(action) => SaFlags::from_bits_retain(action.flags),
            _ => SaFlags::from_bits_retain(parent.tg.actions().get(SIGCHLD).flags),
        };
        if !flags.contains(SaFlags::NOCLDSTOP) {
            let uid = group.threads.first().map_or(0, |t| t.creds().uid.0);
            let pid = parent.tg.pidns.local(tgid);
            let info = SigInfo::child(SIGCHLD, code, pid, uid, status, 0, 0);
            // A standard signal needs no room.
            let _ = self.send_group(parent.tg.tgid, &info);
        }
        parent.tg.child_events.notify(Readiness::all());
    }
}
