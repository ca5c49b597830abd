//! Memory that must not become executable once it could be written (PR_SET_MDWE, prctl(2)).

use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::prctl as p;
use stockade_platform::Prot;

use super::manager::MemoryManager;

impl MemoryManager {
    /// What it refuses: bits PR_MDWE_*.
    #[must_use]
    pub fn exec_gain(&self) -> u32 {
        self.exec_gain.load(Ordering::Relaxed)
    }

    /// What a copy of it, or the next program, refuses.
    #[must_use]
    pub fn inherited_exec_gain(&self) -> u32 {
        let bits = self.exec_gain();
        if bits & p::PR_MDWE_NO_INHERIT != 0 { 0 } else { bits }
    }

    /// Has it refuse more.
    ///
    /// # Errors
    /// EINVAL for bits that are none, or do not go together; EPERM if it refuses something else already.
    pub fn refuse_exec_gain(&self, bits: u64) -> Result<(), Errno> {
        let bits = u32::try_from(bits).map_err(|_| Errno::EINVAL)?;
        let all = p::PR_MDWE_REFUSE_EXEC_GAIN | p::PR_MDWE_NO_INHERIT;
        if bits & !all != 0 || bits == p::PR_MDWE_NO_INHERIT {
            return Err(Errno::EINVAL);
        }
        let set = |old| (old == 0 || old == bits).then_some(bits);
        let set = self.exec_gain.try_update(Ordering::Relaxed, Ordering::Relaxed, set);
        set.map(|_| ()).map_err(|_| Errno::EPERM)
    }

    /// Whether memory with one access may have another; a new mapping has `old` as it is to be.
    ///
    /// # Errors
    /// EACCES
    pub fn check_exec_gain(&self, old: Prot, new: Prot) -> Result<(), Errno> {
        let gains = new.contains(Prot::EXEC) && (new.contains(Prot::WRITE) || !old.contains(Prot::EXEC));
        if gains && self.exec_gain() != 0 { Err(Errno::EACCES) } else { Ok(()) }
    }
}
