//! What a task has to look at before it goes back to the guest (bits of [`Task::work`]), and how it is told.

use std::sync::atomic::Ordering;
use std::time::Instant;

use stockade_abi::Errno;

use super::thread::Task;
use crate::wait;

/// A signal may have to be delivered.
pub const SIGNAL: u32 = 1;
/// The group stops.
pub const STOP: u32 = 2;
/// The task ends.
pub const EXIT: u32 = 4;
/// A mask that a call replaced has to be put back.
pub const RESTORE_MASK: u32 = 8;
/// The sandbox is paused.
pub const PAUSE: u32 = 16;
/// Somebody waits for CPU time of it, and did not expect it to run. This interrupts nothing.
pub const CPU_WATCH: u32 = 32;
/// The kernel is being saved: all threads have to stand where that is possible.
pub const SAVE: u32 = 64;
/// A child has its memory until it has another program or ends (vfork(2)). This interrupts nothing.
pub const VFORK: u32 = 128;

/// Where a task's sentry thread is.
pub(super) const MODE_SENTRY: u32 = 0;
const MODE_GUEST: u32 = 1;

impl Task {
    /// What has to be looked at before going back to the guest.
    #[must_use]
    pub fn work(&self) -> u32 {
        self.work.load(Ordering::SeqCst)
    }

    /// Says that there is something to look at, and gets the task's attention.
    pub fn add_work(&self, bits: u32) {
        self.work.fetch_or(bits, Ordering::SeqCst);
        self.attract();
    }

    /// Says that there is something to look at when it next goes back to the guest.
    pub fn mark(&self, bits: u32) {
        self.work.fetch_or(bits, Ordering::SeqCst);
    }

    /// Takes bits of work back.
    pub fn clear_work(&self, bits: u32) {
        self.work.fetch_and(!bits, Ordering::SeqCst);
    }

    /// Wakes its sentry thread, or stops its guest thread.
    pub fn attract(&self) {
        self.waiter.wake();
        self.kick();
    }

    /// Stops its guest thread if that runs.
    pub(super) fn kick(&self) {
        if self.mode.load(Ordering::SeqCst) == MODE_GUEST
            && let Some(kicker) = &*self.kicker.read()
        {
            kicker.kick();
        }
    }

    /// Whether guest code runs, or could.
    #[must_use]
    pub fn is_in_guest(&self) -> bool {
        self.mode.load(Ordering::SeqCst) == MODE_GUEST
    }

    /// About to let the guest run. False if there is work, and then it must not.
    pub(super) fn enter_guest(&self) -> bool {
        self.mode.store(MODE_GUEST, Ordering::SeqCst);
        match self.work.load(Ordering::SeqCst) {
            0 => return true,
            CPU_WATCH => {
                self.clear_work(CPU_WATCH);
                self.tg.cpu_watch.resume();
                if self.work.load(Ordering::SeqCst) == 0 {
                    return true;
                }
            }
            _ => {}
        }
        self.mode.store(MODE_SENTRY, Ordering::SeqCst);
        false
    }

    /// Back from the guest.
    pub(super) fn leave_guest(&self) {
        self.mode.store(MODE_SENTRY, Ordering::SeqCst);
    }

    /// Whether a blocking call has to end: a signal to deliver, a stop, the end, or that all is saved. A pause ends none:
    /// who waits stands.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.work() & !(RESTORE_MASK | CPU_WATCH | PAUSE | VFORK) != 0
    }

    /// Parks until `attempt` gives something other than EAGAIN. The caller has registered [`Self::waiter`] where needed.
    ///
    /// # Errors
    /// ERESTARTSYS when interrupted, ETIMEDOUT at the deadline, and `attempt`'s.
    pub fn block_on<T>(
        &self,
        deadline: Option<Instant>,
        attempt: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        wait::block_on(&self.waiter, deadline, || self.is_interrupted(), attempt)
    }
}
