//! Who has to be told when a process or one of its threads has used so much CPU time.
//!
//! CPU time never goes on faster than all threads together. So the watch looks again at the earliest time that a limit could
//! be reached, and not at all while nobody who matters runs guest code: those are marked, and the first who returns to guest
//! code, with what the sentry used for its call, has the watch plan anew ([`work::CPU_WATCH`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use stockade_platform::sync::Mutex;

use super::clock::Base;
use super::cpu_clock::{CpuClock, CpuOf};
use super::interval::after;
use super::queue::{Alarm, Slot};
use crate::task::{Kernel, Task, ThreadGroup, work};

/// Two looks are never closer: on a busy machine a thread may run more slowly than it could. In nanoseconds.
const MIN_DELAY: u64 = 1_000_000;

#[derive(Clone)]
struct Entry {
    clock: CpuClock,
    at: u64,
    alarm: Weak<dyn Alarm>,
}

/// The watch over a process's CPU time.
pub struct CpuWatch {
    me: Weak<Self>,
    kernel: Weak<Kernel>,
    process: Weak<ThreadGroup>,
    slot: Slot,
    entries: Mutex<BTreeMap<u64, Entry>>,
    active: AtomicBool,
}

impl CpuWatch {
    /// A watch that nobody waits for.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, process: Weak<ThreadGroup>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            kernel: Arc::downgrade(kernel),
            process,
            slot: Slot::default(),
            entries: Mutex::default(),
            active: AtomicBool::new(false),
        })
    }

    /// Whether anybody waits: a new thread then has to be marked.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Has an alarm told when a clock of this process shows `at`, in place of what its slot was used for before.
    pub fn schedule(&self, slot: &Slot, clock: &CpuClock, at: u64, alarm: Weak<dyn Alarm>) {
        let mut entries = self.entries.lock();
        entries.insert(slot.id(), Entry { clock: clock.clone(), at, alarm });
        self.plan(&entries);
    }

    /// Takes an alarm out; it may be told nevertheless, if it is about to be just now.
    pub fn cancel(&self, slot: &Slot) {
        let mut entries = self.entries.lock();
        if entries.remove(&slot.id()).is_some() && entries.is_empty() {
            self.plan(&entries);
        }
    }

    /// A marked thread is about to run guest code.
    pub fn resume(&self) {
        self.plan(&self.entries.lock());
    }

    /// Decides when to look next.
    fn plan(&self, entries: &BTreeMap<u64, Entry>) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        self.active.store(!entries.is_empty(), Ordering::Relaxed);
        let Some(process) = self.process.upgrade().filter(|_| !entries.is_empty()) else {
            kernel.timers.cancel(&self.slot);
            return;
        };
        let threads = kernel.tree.lock().accounts_of(&process).map_or_else(Vec::new, |(threads, _)| threads);
        let at_once = threads.len().clamp(1, kernel.config.cpus.max(1)) as u64;
        let mut delay: Option<u64> = None;
        for entry in entries.values() {
            let Some(used) = entry.clock.now(&kernel) else { continue };
            let left = entry.at.saturating_sub(used);
            let (runs, rate) = match &entry.clock.of {
                CpuOf::Process(_) => (any_runs(&threads), at_once),
                CpuOf::Thread(task) => (any_runs(task.upgrade().as_slice()), 1),
            };
            if left == 0 || runs {
                let wait = if left == 0 { 0 } else { (left / rate).max(MIN_DELAY) };
                delay = Some(delay.map_or(wait, |d| d.min(wait)));
            }
        }
        let Some(delay) = delay else {
            kernel.timers.cancel(&self.slot);
            return;
        };
        let at = after(Base::Monotonic.now(), delay);
        let me: Weak<dyn Alarm> = self.me.clone();
        if let Err(error) = kernel.timers.schedule(&self.slot, Base::Monotonic, at, me) {
            tracing::error!(%error, "CPU time cannot be watched");
        }
    }
}

/// Whether one of some threads runs guest code; if none does they are marked, so that the first who does says so.
fn any_runs(threads: &[Arc<Task>]) -> bool {
    let running = || threads.iter().any(|thread| thread.is_in_guest());
    if running() {
        return true;
    }
    threads.iter().for_each(|thread| thread.mark(work::CPU_WATCH));
    // One may have begun before it could see the mark.
    running()
}

impl Alarm for CpuWatch {
    fn expire(&self) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        let mut due = Vec::new();
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| {
            let reached = entry.clock.now(&kernel).is_some_and(|now| now >= entry.at);
            if reached {
                due.push(entry.alarm.clone());
            }
            !reached
        });
        self.plan(&entries);
        drop(entries);
        due.iter().filter_map(Weak::upgrade).for_each(|alarm| alarm.expire());
    }
}
