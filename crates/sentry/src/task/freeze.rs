//! Standing still to be saved.
//!
//! In a pause, who waits in a call stands as well as anybody. To be saved, a thread has to stand where all that it is can
//! be told: on its way back to the guest, with its registers known. So calls that wait end as if a signal had come, and
//! the thread stands before anything is made of that: a signal that arrives meanwhile, or after it was restored, then
//! decides between EINTR and making the call again, as it would have without.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::lock_api::ArcRwLockWriteGuard;
use stockade_abi::Errno;
use stockade_abi::signal::SIGKILL;
use stockade_platform::sync::{RawRwLock, RwLockReadGuard};
use stockade_platform::{Context, FpState};

use super::kernel::Kernel;
use super::thread::Task;
use super::work;
use crate::persist::{RestoreError, SaveError};
use crate::syscalls::{Ctx, Kept};

/// How long threads may take until they stand; only files of a host that does not answer take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often they are looked at.
const STEP: Duration = Duration::from_micros(100);

/// Where a thread stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// All its registers.
    pub(crate) context: Context,
    /// The call that was interrupted, and by which rule it would be made again.
    pub(crate) restart: Option<(u64, Errno)>,
    /// What is known of that call.
    pub(crate) kept: Kept,
}

/// A kernel in which nobody moves, for as long as this lives.
pub struct Frozen {
    kernel: Arc<Kernel>,
    _still: ArcRwLockWriteGuard<RawRwLock, ()>,
}

impl Kernel {
    /// To be held by who changes the kernel on a thread that serves no task: it waits while the kernel is saved.
    pub fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.still.read()
    }

    /// Has all threads stand, those of guests and those of the kernel.
    ///
    /// # Errors
    /// If one does not for long; all go on then.
    pub fn freeze(self: &Arc<Self>) -> Result<Frozen, SaveError> {
        let still = self.still.write_arc();
        {
            let tree = self.tree.lock();
            self.freezing.store(true, Ordering::SeqCst);
            for task in tree.tasks.values() {
                task.add_work(work::SAVE);
            }
        }
        // From here on its end lets them go.
        let frozen = Frozen { kernel: Arc::clone(self), _still: still };
        frozen.wait()?;
        Ok(frozen)
    }

    /// A kernel without tasks yet, in which none will move.
    pub(crate) fn hold(self: &Arc<Self>) -> Frozen {
        let still = self.still.write_arc();
        self.freezing.store(true, Ordering::SeqCst);
        Frozen { kernel: Arc::clone(self), _still: still }
    }

    /// Whether nobody moves.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

impl Frozen {
    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Has the tasks of a restored tree go on to where they stood.
    ///
    /// # Errors
    /// If they are too many, for the limit or for the host; those that were started end then.
    pub(crate) fn thaw(&self) -> Result<(), RestoreError> {
        let tasks: Vec<Arc<Task>> = self.kernel.tree.lock().tasks.values().cloned().collect();
        for task in &tasks {
            self.start(task)?;
        }
        self.wait().map_err(|e| RestoreError::new(e.to_string()))?;
        match tasks.iter().any(|task| task.exiting.load(Ordering::SeqCst)) {
            false => Ok(()),
            true => Err(RestoreError::refused("a thread cannot be made", Errno::EAGAIN)),
        }
    }

    /// Takes back what was restored, as it cannot go on.
    pub(crate) fn give_up(self) {
        {
            let mut tree = self.kernel.tree.lock();
            // Those that have no thread hold the kernel, and it them.
            let unborn = |task: &Arc<Task>| task.standing.lock().is_some() && !task.has_thread();
            let gone: Vec<i32> = tree.tasks.values().filter(|t| unborn(t)).map(|t| t.tid()).collect();
            for tid in gone {
                tree.tasks.remove(&tid);
                for group in tree.groups.values_mut() {
                    group.threads.retain(|thread| thread.tid() != tid);
                }
            }
            tree.groups.retain(|_, group| !group.threads.is_empty());
        }
        self.end(SIGKILL);
    }

    /// Has a thread serve a restored task, and stand.
    fn start(&self, task: &Arc<Task>) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("a thread cannot be made", e);
        self.kernel.count_task().map_err(refused)?;
        self.kernel.hold_if_paused(task);
        let standing = task.standing.lock().take().unwrap_or_default();
        super::run::go_on(task, standing, 0).map_err(|e| {
            self.kernel.uncount_task();
            *task.standing.lock() = Some(Standing::default());
            refused(e)
        })
    }

    /// Waits until all stand; who ends is waited for.
    fn wait(&self) -> Result<(), SaveError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let tree = self.kernel.tree.lock();
            let moves = |task: &&Arc<Task>| {
                task.standing.lock().is_none() || task.work() & work::EXIT != 0 && !self.kernel.is_frozen()
            };
            let Some(mover) = tree.tasks.values().find(moves) else {
                self.kernel.frozen.store(true, Ordering::SeqCst);
                return Ok(());
            };
            if Instant::now() > end {
                let (tid, name) = (mover.tid(), String::from_utf8_lossy(&mover.name.read()).into_owned());
                return Err(SaveError::Moving(format!("thread {tid} ({name})")));
            }
            // One that was in the host's vDSO was let go.
            tree.tasks.values().filter(moves).for_each(|task| task.add_work(work::SAVE));
            drop(tree);
            std::thread::sleep(STEP);
        }
    }

    /// Ends the sandbox instead of letting it go on, as if its first process had ended so: no guest runs another
    /// instruction.
    pub fn end(self, status: i32) {
        self.kernel.shut_down(status);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let tree = self.kernel.tree.lock();
        self.kernel.freezing.store(false, Ordering::SeqCst);
        self.kernel.frozen.store(false, Ordering::SeqCst);
        for task in tree.tasks.values() {
            task.clear_work(work::SAVE);
            task.waiter.wake();
        }
    }
}

impl Task {
    /// Whether a call ended for the sake of saving, and for nothing that the guest may see.
    pub(crate) fn is_only_saved(&self) -> bool {
        let pending = self.work();
        if pending & work::SAVE == 0 || pending & (work::STOP | work::EXIT) != 0 {
            return false;
        }
        // That there is something to look at does not say that it is for now.
        let signals = self.pending_signals();
        signals.minus(self.signals.lock().mask).is_empty()
    }
}

impl Ctx {
    /// Whether the guest thread is where it could go on elsewhere. In the host's vDSO it cannot: it has to be let go, until
    /// it is found outside.
    pub(crate) fn can_stand(&mut self) -> bool {
        let at = self.thread().context().regs.rip;
        let layout = self.mm.layout();
        let can = layout.usable.contains(&at) && !layout.reserved.iter().any(|range| range.contains(&at));
        if !can {
            self.task.clear_work(work::SAVE);
        }
        can
    }

    /// Stands while the kernel is saved. A thread that has to end does so first, unless all others stand already.
    pub(crate) fn stand(&mut self, restart: Option<(u64, Errno)>) {
        let mut context = self.thread().context().clone();
        // A frame that the guest destroyed ends it when it goes on.
        context.fp = Some(self.thread().fp_state().unwrap_or_else(|_| FpState::default()));
        let task = Arc::clone(&self.task);
        *task.standing.lock() = Some(Standing { context, restart, kept: self.patience.kept() });
        let over = || {
            let pending = task.work();
            pending & work::SAVE == 0 || pending & work::EXIT != 0 && !task.kernel.is_frozen()
        };
        // Nothing interrupts it: the attempt alone ends it.
        let attempt = || if over() { Ok(()) } else { Err(Errno::EAGAIN) };
        let _ = crate::wait::block_on(&task.waiter, None, || false, attempt);
        *task.standing.lock() = None;
    }
}
