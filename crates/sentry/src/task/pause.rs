//! Pausing a sandbox: all guest threads stand until it goes on.
//!
//! Time goes on meanwhile, as it does for processes that the host's freezer holds: timers expire and calls that wait get
//! their answers, but nobody takes them before the sandbox goes on.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stockade_abi::Errno;

use super::kernel::Kernel;
use super::thread::Task;
use super::work;

/// How long a pause waits for guest threads to stand; the platform ends those that do not obey sooner.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const STEP: Duration = Duration::from_micros(200);

impl Kernel {
    /// Whether the sandbox is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    /// Has all guest threads stand, new ones too. They do when it returns; to pause twice is to pause once.
    pub fn pause(&self) {
        {
            let tree = self.tree.lock();
            self.paused.store(true, Ordering::SeqCst);
            for task in tree.tasks.values() {
                task.mark(work::PAUSE);
                task.kick();
            }
        }
        let end = Instant::now() + PATIENCE;
        let runs = |task: &Task| task.is_in_guest();
        while self.is_paused() && self.tree.lock().tasks.values().any(|task| runs(task)) {
            if Instant::now() > end {
                tracing::warn!("a guest thread does not stand in a paused sandbox");
                return;
            }
            std::thread::sleep(STEP);
        }
    }

    /// Lets them go on; nothing happens if they do.
    pub fn resume(&self) {
        let tree = self.tree.lock();
        self.paused.store(false, Ordering::SeqCst);
        for task in tree.tasks.values() {
            task.clear_work(work::PAUSE);
            task.waiter.wake();
        }
    }

    /// A new task of a sandbox that is paused or saved does not run. The tree is locked, and the task is in it.
    pub(super) fn hold_if_paused(&self, task: &Task) {
        if self.is_paused() {
            task.mark(work::PAUSE);
        }
        if self.freezing.load(Ordering::SeqCst) {
            task.mark(work::SAVE);
        }
    }
}

impl Task {
    /// Stands still until the sandbox goes on, it is saved, or the task ends.
    pub(super) fn take_part_in_pause(&self) {
        let over = || self.work() & work::PAUSE == 0 || self.work() & (work::EXIT | work::SAVE) != 0;
        // Nothing interrupts it: the attempt alone ends it.
        let _ = crate::wait::block_on(
            &self.waiter,
            None,
            || false,
            || {
                if over() { Ok(()) } else { Err(Errno::EAGAIN) }
            },
        );
    }
}
