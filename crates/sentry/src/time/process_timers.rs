//! Timers that belong to a process and send it signals.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use stockade_abi::signal::{SIGALRM, SigInfo, si};

use super::itimer::{RealTimer, Setting};
use super::queue::Alarm;
use crate::task::Kernel;

/// Which timer of a process an alarm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Real,
}

struct Due {
    timers: Weak<ProcessTimers>,
    which: Which,
}

impl Alarm for Due {
    fn expire(&self) {
        if let Some(timers) = self.timers.upgrade() {
            timers.expire(self.which);
        }
    }
}

struct State {
    real: RealTimer,
}

/// The timers of a process. Locked before the tree of tasks.
pub struct ProcessTimers {
    kernel: Weak<Kernel>,
    tgid: i32,
    state: Mutex<State>,
}

impl ProcessTimers {
    /// A process without timers.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, tgid: i32) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| {
            let due = |which| Arc::new(Due { timers: me.clone(), which });
            Self {
                kernel: Arc::downgrade(kernel),
                tgid,
                state: Mutex::new(State { real: RealTimer::new(due(Which::Real)) }),
            }
        })
    }

    /// ITIMER_REAL
    #[must_use]
    pub fn real(&self) -> Setting {
        self.state.lock().real.get()
    }

    /// Sets ITIMER_REAL; returns what it was.
    pub fn set_real(&self, new: Setting) -> Setting {
        let mut state = self.state.lock();
        let old = state.real.get();
        if let Some(kernel) = self.kernel.upgrade() {
            state.real.set(&kernel.timers, new);
        }
        old
    }

    fn expire(&self, which: Which) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        let mut state = self.state.lock();
        match which {
            Which::Real => {
                if state.real.expires() {
                    self.send(&kernel, SIGALRM);
                }
            }
        }
    }

    /// Sends the process a signal of the kernel's.
    fn send(&self, kernel: &Kernel, signo: i32) {
        let tree = kernel.tree.lock();
        // It can fail only because the process is gone.
        let _ = tree.send_group(self.tgid, &SigInfo::new(signo, si::SI_KERNEL));
    }

    /// A signal is taken out of a queue: a periodic timer that rested until then goes on.
    #[must_use]
    pub fn on_dequeue(&self, info: SigInfo) -> SigInfo {
        if info.signo == SIGALRM
            && let Some(kernel) = self.kernel.upgrade()
        {
            self.state.lock().real.signal_taken(&kernel.timers);
        }
        info
    }

    /// Deletes the timers of timer_create(2), as execve(2) does.
    pub fn clear_posix(&self) {}

    /// Deletes all: the process has ended.
    pub fn clear(&self) {
        self.set_real(Setting::default());
    }
}
