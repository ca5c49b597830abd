//! RLIMIT_CPU (getrlimit(2)).

use std::sync::{Arc, Weak};

use stockade_abi::general::RLIMIT_CPU;
use stockade_abi::sched::RLIM_INFINITY;
use stockade_abi::signal::{SIGKILL, SIGXCPU, SigInfo, si};

use super::cpu_clock::{CpuClock, CpuKind, CpuOf};
use super::queue::{Alarm, Slot};
use super::timer_clock::TimerClock;
use crate::task::{Kernel, ThreadGroup};

const SECOND: u64 = 1_000_000_000;

/// Has a process told when it has used as much CPU time as it may.
pub struct CpuLimit {
    me: Weak<Self>,
    kernel: Weak<Kernel>,
    process: Weak<ThreadGroup>,
    clock: TimerClock,
    slot: Slot,
}

impl CpuLimit {
    /// The limit of a process, which has no effect until [`update`](Self::update).
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, process: &Weak<ThreadGroup>) -> Arc<Self> {
        let clock = CpuClock { of: CpuOf::Process(process.clone()), kind: CpuKind::Total };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            kernel: Arc::downgrade(kernel),
            process: process.clone(),
            clock: TimerClock::Cpu(clock),
            slot: Slot::default(),
        })
    }

    /// The limit may have changed.
    pub fn update(&self) {
        let (Some(kernel), Some(process)) = (self.kernel.upgrade(), self.process.upgrade()) else { return };
        match process.limit(RLIMIT_CPU) {
            RLIM_INFINITY => self.clock.cancel(&kernel, &self.slot),
            seconds => {
                if let Some(me) = self.me.upgrade() {
                    self.clock.schedule(&kernel, &self.slot, seconds.saturating_mul(SECOND), &me);
                }
            }
        }
    }
}

impl Alarm for CpuLimit {
    fn expire(&self) {
        let (Some(kernel), Some(process)) = (self.kernel.upgrade(), self.process.upgrade()) else { return };
        let used = self.clock.now(&kernel).unwrap_or(0);
        let reached = |seconds: u64| seconds != RLIM_INFINITY && used >= seconds.saturating_mul(SECOND);
        let signo = {
            let mut limits = process.limits.write();
            let (soft, hard) = limits.cpu();
            if reached(soft) && reached(hard) {
                Some(SIGKILL)
            } else if reached(soft) {
                // The next warning comes a second later.
                limits.raise_cpu();
                Some(SIGXCPU)
            } else {
                None
            }
        };
        if let Some(signo) = signo {
            let info = SigInfo::new(signo, si::SI_KERNEL);
            // It can fail only because the process is gone.
            let _ = kernel.tree.lock().send_group(process.tgid, &info);
        }
        self.update();
    }
}
