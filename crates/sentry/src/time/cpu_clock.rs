//! Clocks of CPU time (clock_getcpuclockid(3), pthread_getcpuclockid(3)).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};

use super::interval::nanos;
use crate::task::{Kernel, Task, ThreadGroup, Usage};

/// What a clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CpuKind {
    /// Time in user and in system mode.
    Total,
    /// Time in user mode alone.
    User,
}

/// Whose time a clock counts.
#[derive(Clone)]
pub enum CpuOf {
    /// A process, with the threads of it that have ended.
    Process(Weak<ThreadGroup>),
    /// A thread.
    Thread(Weak<Task>),
}

/// A clock that goes on only while somebody runs.
#[derive(Clone)]
pub struct CpuClock {
    /// Whose time.
    pub of: CpuOf,
    /// Which time.
    pub kind: CpuKind,
}

impl CpuClock {
    /// A process's clock.
    #[must_use]
    pub fn of_process(tg: &Arc<ThreadGroup>, kind: CpuKind) -> Self {
        Self { of: CpuOf::Process(Arc::downgrade(tg)), kind }
    }

    /// A thread's clock.
    #[must_use]
    pub fn of_thread(task: &Arc<Task>, kind: CpuKind) -> Self {
        Self { of: CpuOf::Thread(Arc::downgrade(task)), kind }
    }

    /// The process that it counts time of.
    #[must_use]
    pub fn process(&self) -> Option<Arc<ThreadGroup>> {
        match &self.of {
            CpuOf::Process(tg) => tg.upgrade(),
            CpuOf::Thread(task) => task.upgrade().map(|task| Arc::clone(&task.tg)),
        }
    }

    /// What it shows, in nanoseconds; none once nobody is there any more.
    #[must_use]
    pub fn now(&self, kernel: &Kernel) -> Option<u64> {
        let (threads, past) = match &self.of {
            CpuOf::Process(tg) => kernel.tree.lock().accounts_of(&*tg.upgrade()?)?,
            CpuOf::Thread(task) => {
                let task = task.upgrade().filter(|task| !task.exiting.load(Ordering::Relaxed))?;
                (vec![task], Usage::default())
            }
        };
        Some(match self.kind {
            CpuKind::Total => threads
                .iter()
                .map(|thread| nanos(thread.cpu_time()))
                .fold(nanos(past.user + past.system), u64::saturating_add),
            CpuKind::User => threads
                .iter()
                .map(|thread| nanos(thread.usage().user))
                .fold(nanos(past.user), u64::saturating_add),
        })
    }
}
