//! Sending signals (kill(2), signal(7)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::*;

use super::group::StopState;
use super::thread::Task;
use super::tree::{Group, Tree};
use super::work;
use crate::creds::Kuid;
use crate::signal::action::DefaultAction;
use crate::signal::{Disposition, PendingQueue, TimerMark};
use crate::vfs::quota::SIGNALS;

/// From so many entries on, or below so low a limit, those of all queues of a user are counted.
const COUNTED: usize = 32;
const LOW_LIMIT: u64 = 1024;

/// Whether a siginfo says who sent it (sigaction(2), "The siginfo_t argument").
fn has_sender(info: &SigInfo) -> bool {
    info.code <= 0 && !matches!(info.code, si::SI_TIMER | si::SI_SIGIO)
}

/// Where a signal comes from.
#[derive(Default)]
struct Origin<'a> {
    sender: Option<&'a Task>,
    timer: Option<TimerMark>,
}

impl Origin<'_> {
    fn push(&self, queue: &mut PendingQueue, info: SigInfo, room: bool) {
        match self.timer {
            Some(mark) => queue.push_timer(info, mark),
            None if room => _ = queue.push(info),
            None => queue.push_bare(info.signo),
        }
    }
}

impl Tree {
    /// Sends a signal to a process.
    ///
    /// # Errors
    /// EAGAIN if a queued signal finds no room; ESRCH if there is no such process.
    pub fn send_group(&self, tgid: i32, info: &SigInfo) -> Result<(), Errno> {
        self.send(tgid, None, info, &Origin::default())
    }

    /// Sends a signal to one thread.
    ///
    /// # Errors
    /// As [`send_group`](Self::send_group).
    pub fn send_task(&self, task: &Arc<Task>, info: &SigInfo) -> Result<(), Errno> {
        self.send(task.tg.tgid, Some(task), info, &Origin::default())
    }

    /// Sends a task's signal to a process, or to one of its threads.
    ///
    /// # Errors
    /// As [`send_group`](Self::send_group).
    pub fn send_from(
        &self,
        sender: &Task,
        tgid: i32,
        to: Option<&Arc<Task>>,
        info: &SigInfo,
    ) -> Result<(), Errno> {
        self.send(tgid, to, info, &Origin { sender: Some(sender), timer: None })
    }

    /// Sends the signal of a timer, which always finds room.
    ///
    /// # Errors
    /// ESRCH if there is no such process.
    pub fn send_timer(
        &self,
        tgid: i32,
        to: Option<&Arc<Task>>,
        info: &SigInfo,
        timer: TimerMark,
    ) -> Result<(), Errno> {
        self.send(tgid, to, info, &Origin { sender: None, timer: Some(timer) })
    }

    fn send(
        &self,
        tgid: i32,
        to: Option<&Arc<Task>>,
        info: &SigInfo,
        origin: &Origin<'_>,
    ) -> Result<(), Errno> {
        let group = self.group(tgid)?;
        let tg = &group.tg;
        let mut info = *info;
        // The kernel and namespaces above can kill and stop the init of a PID namespace; its own members cannot.
        let mut forced = info.code == si::SI_KERNEL;
        if origin.sender.is_some_and(|s| tg.pidns.local(s.tg.tgid) == 0) {
            forced = true;
            if has_sender(&info) {
                info.set_pid(0);
            }
        }
        if group.threads.is_empty() {
            return Ok(());
        }
        let goes_on = self.apply_stop_effects(tgid, info.signo);
        let queued = self.queue(group, to, &info, forced, origin);
        // Only now, so that it finds the signal that made it go on.
        if goes_on {
            for thread in &group.threads {
                thread.clear_work(work::STOP);
                thread.waiter.wake();
            }
        }
        queued
    }

    /// Puts a signal where its taker finds it, or does at once what cannot wait.
    fn queue(
        &self,
        group: &Group,
        to: Option<&Arc<Task>>,
        info: &SigInfo,
        forced: bool,
        origin: &Origin<'_>,
    ) -> Result<(), Errno> {
        let (tg, info, signo) = (&group.tg, *info, info.signo);
        // Standard signals from kill(2) and the kernel always find room.
        let limited = origin.timer.is_none() && (signo >= SIGRTMIN || info.code < 0);
        let room =
            !limited || self.has_room(group, to.map_or(group.threads[0].creds().uid, |t| t.creds().uid));
        let mut signals = tg.signals.lock();
        if signals.group_exit.is_some() {
            return Ok(());
        }
        let spared = tg.is_unkillable() && !(forced && SigSet::UNBLOCKABLE.contains(signo));
        if signo == SIGKILL {
            drop(signals);
            if spared {
                return Ok(());
            }
            group.begin_exit(SIGKILL);
            return Ok(());
        }
        let first = to.unwrap_or(&group.threads[0]);
        let actions = tg.actions();
        {
            let own = first.signals.lock();
            let blocked = own.mask | own.saved_mask.unwrap_or_default() | own.waiting_for;
            let ignored =
                actions.ignores(signo) || spared && actions.disposition(signo) == Disposition::Default;
            if ignored && !blocked.contains(signo) {
                return Ok(());
            }
        }
        if !room && signo >= SIGRTMIN && info.code != si::SI_USER {
            return Err(Errno::EAGAIN);
        }
        match to {
            Some(task) => {
                let mut own = task.signals.lock();
                origin.push(&mut own.pending, info, room);
                let wanted = !own.mask.contains(signo) || own.waiting_for.contains(signo);
                drop(own);
                drop(signals);
                task.kernel.signal_events.notify(crate::wait::Readiness::READABLE);
                if wanted {
                    task.add_work(work::SIGNAL);
                }
            }
            None => {
                origin.push(&mut signals.pending, info, room);
                drop(signals);
                group.threads[0].kernel.signal_events.notify(crate::wait::Readiness::READABLE);
                if let Some(taker) = group.taker(signo) {
                    taker.add_work(work::SIGNAL);
                }
            }
        }
        Ok(())
    }

    /// Whether RLIMIT_SIGPENDING lets a process have one more timer.
    ///
    /// # Errors
    /// ESRCH if there is no such process.
    pub fn has_room_for_timer(&self, tgid: i32) -> Result<bool, Errno> {
        let group = self.group(tgid)?;
        Ok(group.threads.first().is_none_or(|t| self.has_room(group, t.creds().uid)))
    }

    /// Whether RLIMIT_SIGPENDING lets a process of a user have one more queued signal.
    fn has_room(&self, group: &Group, uid: Kuid) -> bool {
        if !SIGNALS.has_room(1) {
            return false;
        }
        let limit = group.tg.limit(c::RLIMIT_SIGPENDING);
        let queued = |g: &Group| {
            let own = g.threads.iter().map(|t| t.signals.lock().pending.len());
            g.tg.timers.count() + g.tg.signals.lock().pending.len() + own.sum::<usize>()
        };
        if limit >= LOW_LIMIT && queued(group) < COUNTED {
            return true;
        }
        let belongs = |g: &&Group| g.threads.first().is_some_and(|t| t.creds.read().uid == uid);
        (self.groups.values().filter(belongs).map(queued).sum::<usize>() as u64) < limit
    }

    /// A signal that stops cancels SIGCONT, and the other way round; SIGCONT makes the process go on, whatever it then
    /// does with the signal. True if the caller has to let its threads go on.
    fn apply_stop_effects(&self, tgid: i32, signo: i32) -> bool {
        let Ok(group) = self.group(tgid) else { return false };
        let cancelled = if SigSet::STOPS.contains(signo) {
            SigSet::of(SIGCONT)
        } else if signo == SIGCONT {
            SigSet::STOPS
        } else {
            return false;
        };
        let mut signals = group.tg.signals.lock();
        signals.pending.discard(cancelled);
        for thread in &group.threads {
            thread.signals.lock().pending.discard(cancelled);
        }
        if signo != SIGCONT || signals.stop == StopState::Running {
            return false;
        }
        let was_stopped = matches!(signals.stop, StopState::Stopped(_));
        signals.stop = StopState::Running;
        drop(signals);
        if was_stopped {
            group.threads[0].kernel.continued.lock().push(tgid);
        }
        true
    }

    /// Sends a signal to every process of a process group.
    ///
    /// # Errors
    /// ESRCH if it has none.
    pub fn send_pgrp(&self, pgid: i32, info: &SigInfo) -> Result<(), Errno> {
        let members: Vec<i32> = self.members(pgid).map(|g| g.tg.tgid).collect();
        if members.is_empty() {
            return Err(Errno::ESRCH);
        }
        for tgid in members {
            self.send_group(tgid, info)?;
        }
        Ok(())
    }
}

impl Group {
    /// A thread that can take a signal sent to the process.
    fn taker(&self, signo: i32) -> Option<&Arc<Task>> {
        self.threads.iter().find(|t| {
            let own = t.signals.lock();
            !t.exiting.load(Ordering::Acquire)
                && t.work() & work::EXIT == 0
                && (own.waiting_for.contains(signo) || !own.mask.contains(signo))
        })
    }
}

impl Task {
    /// This thread takes some signals no more: those that wait for the process already are for others.
    pub fn retarget_signals(&self, signals: SigSet) {
        if (self.tg.signals.lock().pending.set() & signals).is_empty() {
            return;
        }
        let tree = self.kernel.tree.lock();
        let Ok(group) = tree.group(self.tg.tgid) else { return };
        let pending = self.tg.signals.lock().pending.set() & signals;
        for signo in pending.iter() {
            if let Some(taker) = group.taker(signo) {
                taker.add_work(work::SIGNAL);
            }
        }
    }

    /// A signal that the task itself caused and cannot put off: blocked or ignored, it gets the default action.
    pub fn force_signal(&self, info: SigInfo) {
        let actions = self.tg.actions();
        let mut own = self.signals.lock();
        let blocked = own.mask.contains(info.signo);
        if blocked || actions.disposition(info.signo) == Disposition::Ignore {
            actions.reset(info.signo);
            own.mask.remove(info.signo);
        }
        if actions.disposition(info.signo) == Disposition::Default {
            self.tg.make_killable();
        }
        own.pending.push(info);
        drop(own);
        self.add_work(work::SIGNAL);
    }

    /// SIGSEGV because a frame could not be written or read; if SIGSEGV's own handler was the cause, it is not asked.
    pub fn force_segv(&self, while_handling: i32) {
        if while_handling == SIGSEGV {
            self.tg.actions().reset(SIGSEGV);
        }
        self.force_signal(SigInfo::new(SIGSEGV, si::SI_KERNEL));
    }

    /// Raises a signal in the task itself (SIGPIPE, SIGXFSZ).
    pub fn raise(&self, signo: i32) {
        let uid = self.creds().uid.0;
        let info = SigInfo::from_user(signo, si::SI_USER, self.local_pid(), uid);
        let tree = self.kernel.tree.lock();
        // It cannot fail: standard signals need no room.
        let _ = tree.send_task(&self.me(), &info);
    }

    /// Whether a signal of `set` is pending, for this thread or its process.
    #[must_use]
    pub fn pending_signals(&self) -> SigSet {
        let group = self.tg.signals.lock();
        group.pending.set() | self.signals.lock().pending.set()
    }

    /// Sets the mask, and looks whether something may be delivered now.
    pub fn set_mask(&self, mask: SigSet) -> SigSet {
        let mask = mask.minus(SigSet::UNBLOCKABLE);
        let group = self.tg.signals.lock();
        let mut own = self.signals.lock();
        let old = std::mem::replace(&mut own.mask, mask);
        let deliverable = !((own.pending.set() | group.pending.set()).minus(mask)).is_empty();
        let given_up = group.pending.set() & mask.minus(old);
        drop(own);
        drop(group);
        if deliverable {
            self.add_work(work::SIGNAL);
        }
        if !given_up.is_empty() {
            self.retarget_signals(given_up);
        }
        old
    }

    /// Replaces the mask for the rest of this call; it is put back when the call ends, or by the frame of a handler.
    pub fn set_mask_for_call(&self, mask: SigSet) {
        let old = self.set_mask(mask);
        self.signals.lock().saved_mask = Some(old);
        self.add_work(work::RESTORE_MASK);
    }

    /// Puts back the mask that [`set_mask_for_call`](Self::set_mask_for_call) replaced, unless a handler did.
    pub fn restore_mask(&self) {
        self.clear_work(work::RESTORE_MASK);
        let saved = self.signals.lock().saved_mask.take();
        if let Some(saved) = saved {
            self.set_mask(saved);
        }
    }
}

/// Whether a signal would end a process that has no handler for it.
#[must_use]
pub fn is_fatal_by_default(signo: i32) -> bool {
    matches!(DefaultAction::of(signo), DefaultAction::Terminate | DefaultAction::Core)
}
