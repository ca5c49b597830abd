//! What a process does with each signal (sigaction(2), signal(7)).

mod persist;

use stockade_abi::signal::*;
use stockade_platform::sync::Mutex;

pub use persist::ActionsState;

/// What happens to a signal without a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends and would leave a core file.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on if it was stopped.
    Continue,
}

impl DefaultAction {
    /// The table of signal(7).
    #[must_use]
    pub fn of(signo: i32) -> Self {
        match signo {
            SIGCHLD | SIGURG | SIGWINCH => Self::Ignore,
            SIGCONT => Self::Continue,
            SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Self::Stop,
            SIGQUIT | SIGILL | SIGTRAP | SIGABRT | SIGBUS | SIGFPE | SIGSEGV | SIGXCPU | SIGXFSZ | SIGSYS => {
                Self::Core
            }
            _ => Self::Terminate,
        }
    }
}

/// What a process has chosen for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// SIG_DFL
    Default,
    /// SIG_IGN
    Ignore,
    /// A handler.
    Handler(SigAction),
}

/// The actions of a process for all signals; shared by CLONE_SIGHAND.
#[derive(Debug)]
pub struct Actions(Mutex<[SigAction; SIGRTMAX as usize]>);

impl Default for Actions {
    fn default() -> Self {
        Self(Mutex::new([SigAction::default(); SIGRTMAX as usize]))
    }
}

fn index(signo: i32) -> Option<usize> {
    if is_valid(signo) { usize::try_from(signo - 1).ok() } else { None }
}

impl Actions {
    /// The default actions, but some signals ignored.
    #[must_use]
    pub fn ignoring(signals: SigSet) -> Self {
        let actions = Self::default();
        for signo in signals.minus(SigSet::UNBLOCKABLE).iter() {
            actions.set(signo, SigAction { handler: SIG_IGN, ..SigAction::default() });
        }
        actions
    }

    /// The action of a signal; the default one for invalid numbers.
    #[must_use]
    pub fn get(&self, signo: i32) -> SigAction {
        index(signo).map_or_else(SigAction::default, |i| self.0.lock()[i])
    }

    /// Sets the action of a signal and returns the old one.
    pub fn set(&self, signo: i32, action: SigAction) -> SigAction {
        match index(signo) {
            Some(i) => std::mem::replace(&mut self.0.lock()[i], action),
            None => SigAction::default(),
        }
    }

    /// What the process has chosen for a signal.
    #[must_use]
    pub fn disposition(&self, signo: i32) -> Disposition {
        let action = self.get(signo);
        match action.handler {
            SIG_DFL => Disposition::Default,
            SIG_IGN => Disposition::Ignore,
            _ => Disposition::Handler(action),
        }
    }

    /// Whether a signal has no effect at all: ignored, or ignored by default.
    #[must_use]
    pub fn ignores(&self, signo: i32) -> bool {
        match self.disposition(signo) {
            Disposition::Ignore => true,
            Disposition::Default => DefaultAction::of(signo) == DefaultAction::Ignore,
            Disposition::Handler(_) => false,
        }
    }

    /// A copy for clone(2) without CLONE_SIGHAND.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Mutex::new(*self.0.lock()))
    }

    /// What execve(2) leaves: handlers become the default, ignored signals stay ignored.
    #[must_use]
    pub fn after_exec(&self) -> Self {
        let mut actions = *self.0.lock();
        for action in &mut actions {
            let handler = if action.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
            *action = SigAction { handler, ..SigAction::default() };
        }
        Self(Mutex::new(actions))
    }

    /// CLONE_CLEAR_SIGHAND: handlers become the default.
    pub fn clear_handlers(&self) {
        for action in self.0.lock().iter_mut() {
            if action.handler != SIG_IGN {
                *action = SigAction::default();
            }
        }
    }

    /// The sets of ignored and of handled signals (SigIgn and SigCgt of /proc/PID/status).
    #[must_use]
    pub fn sets(&self) -> (SigSet, SigSet) {
        let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
        for (action, signo) in self.0.lock().iter().zip(1..) {
            match action.handler {
                SIG_DFL => {}
                SIG_IGN => ignored.insert(signo),
                _ => caught.insert(signo),
            }
        }
        (ignored, caught)
    }

    /// After a handler with SA_RESETHAND was chosen. The flags stay, as on Linux.
    pub fn reset(&self, signo: i32) {
        if let Some(i) = index(signo) {
            self.0.lock()[i].handler = SIG_DFL;
        }
    }
}
