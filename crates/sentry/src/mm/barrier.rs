//! Memory barriers for all threads of an address space (membarrier(2)).

use std::sync::atomic::Ordering;

use stockade_abi::Errno;

use super::manager::MemoryManager;

impl MemoryManager {
    /// Registers it for some commands of membarrier(2), bits of MEMBARRIER_CMD_REGISTER_*.
    pub fn register_barrier(&self, commands: u32) {
        self.barriers.fetch_or(commands, Ordering::SeqCst);
    }

    /// The commands that it is registered for.
    #[must_use]
    pub fn registered_barriers(&self) -> u32 {
        self.barriers.load(Ordering::SeqCst)
    }

    /// Returns once each thread in it that runs has passed a full memory barrier, and with `code` has synchronized its
    /// instructions.
    ///
    /// # Errors
    /// Where the host cannot.
    pub fn barrier(&self, code: bool) -> Result<(), Errno> {
        self.space.barrier(code)
    }
}
