//! Taking the next signal, and what becomes of it (signal(7)).

use stockade_abi::signal::*;

use super::thread::Task;
use super::work;
use crate::signal::action::DefaultAction;
use crate::signal::{Disposition, Queued};

/// What a task has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: go on.
    Continue,
    /// Enter a handler; `mask` is what its frame saves.
    Handle {
        /// How.
        action: SigAction,
        /// What it is told.
        info: SigInfo,
        /// The mask to return to.
        mask: SigSet,
    },
    /// The process ends with this status.
    Exit(i32),
    /// The process stops.
    Stop(i32),
}

/// Whose queue a signal was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The thread's own.
    Thread,
    /// The process's.
    Process,
}

impl Task {
    /// Takes signals until one has an effect.
    #[must_use]
    pub fn next_action(&self) -> Action {
        loop {
            let Some(info) = self.take_signal() else { return Action::Continue };
            let signo = info.signo;
            let actions = self.tg.actions();
            crate::strace::signal(self, &info);
            match actions.disposition(signo) {
                Disposition::Ignore => {}
                Disposition::Handler(action) => {
                    if SaFlags::from_bits_retain(action.flags).contains(SaFlags::RESETHAND) {
                        actions.reset(signo);
                    }
                    let mut own = self.signals.lock();
                    let mask = own.saved_mask.take().unwrap_or(own.mask);
                    drop(own);
                    self.clear_work(work::RESTORE_MASK);
                    return Action::Handle { action, info, mask };
                }
                Disposition::Default => match DefaultAction::of(signo) {
                    DefaultAction::Ignore | DefaultAction::Continue => {}
                    DefaultAction::Terminate | DefaultAction::Core => {
                        if !self.tg.is_unkillable() {
                            return Action::Exit(signo);
                        }
                    }
                    DefaultAction::Stop => {
                        let orphaned = signo != SIGSTOP && {
                            let tree = self.kernel.tree.lock();
                            tree.group(self.tg.tgid).is_ok_and(|g| tree.is_orphaned(g.pgid, None))
                        };
                        if !orphaned && (signo == SIGSTOP || !self.tg.is_unkillable()) {
                            return Action::Stop(signo);
                        }
                    }
                },
            }
        }
    }

    fn take_signal(&self) -> Option<SigInfo> {
        loop {
            // A signal of a timer that was set anew is void.
            let (queued, from) = self.dequeue_signal()?;
            if let Some(info) = self.tg.timers.on_dequeue(&self.kernel, queued, from) {
                return Some(info);
            }
        }
    }

    fn dequeue_signal(&self) -> Option<(Queued, From)> {
        let mut group = self.tg.signals.lock();
        let mut own = self.signals.lock();
        let wanted = !own.mask;
        let synchronous = wanted & SigSet::SYNCHRONOUS;
        if let Some(signo) = own.pending.next(synchronous) {
            Some((own.pending.take(signo)?, From::Thread))
        } else if let Some(signo) = own.pending.next(wanted) {
            Some((own.pending.take(signo)?, From::Thread))
        } else if let Some(signo) = group.pending.next(wanted) {
            Some((group.pending.take(signo)?, From::Process))
        } else {
            // Nothing left for this thread. Under both locks, so that no sender can have missed it.
            self.clear_work(work::SIGNAL);
            None
        }
    }

    /// Takes one pending signal of a set, blocked or not (sigtimedwait(2), signalfd(2)).
    #[must_use]
    pub fn take_signal_of(&self, set: SigSet) -> Option<SigInfo> {
        loop {
            let (queued, from) = {
                let mut group = self.tg.signals.lock();
                let mut own = self.signals.lock();
                match own.pending.next(set) {
                    Some(signo) => (own.pending.take(signo)?, From::Thread),
                    None => {
                        let signo = group.pending.next(set)?;
                        (group.pending.take(signo)?, From::Process)
                    }
                }
            };
            if let Some(info) = self.tg.timers.on_dequeue(&self.kernel, queued, from) {
                return Some(info);
            }
        }
    }

    /// A handler has been entered: the mask while it runs.
    pub fn handler_entered(&self, action: &SigAction, signo: i32) {
        let mut mask = {
            let mut own = self.signals.lock();
            if own.altstack.flags & SS_AUTODISARM != 0 {
                own.altstack = StackT { flags: SS_DISABLE, ..StackT::default() };
            }
            own.mask | action.mask
        };
        if !SaFlags::from_bits_retain(action.flags).contains(SaFlags::NODEFER) {
            mask.insert(signo);
        }
        self.set_mask(mask);
    }
}
