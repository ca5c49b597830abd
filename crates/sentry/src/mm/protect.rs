//! Access to memory (mprotect(2)).

use std::ops::Range;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::{MemoryOp, Prot};

use super::manager::{MemoryManager, State, host_prot, is_page_aligned, page_align_up, prot_from_bits};
use super::vma::VmFlags;

impl MemoryManager {
    /// mprotect(2).
    ///
    /// # Errors
    /// EINVAL, ENOMEM for a gap (what lies before it is changed), EACCES.
    pub fn protect(&self, addr: u64, len: u64, bits: u64, read_implies_exec: bool) -> Result<(), Errno> {
        let grows_down = bits & u64::from(c::PROT_GROWSDOWN) != 0;
        let grows_up = bits & u64::from(c::PROT_GROWSUP) != 0;
        if !is_page_aligned(addr) || (grows_down && grows_up) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let len = page_align_up(len).filter(|&l| l != 0).ok_or(Errno::ENOMEM)?;
        let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?;
        let known =
            c::PROT_READ | c::PROT_WRITE | c::PROT_EXEC | c::PROT_SEM | c::PROT_GROWSDOWN | c::PROT_GROWSUP;
        if bits & !u64::from(known) != 0 {
            return Err(Errno::EINVAL);
        }
        let prot = prot_from_bits(bits);
        let mut state = self.state.lock();
        let (first, vma) =
            state.vmas.find(addr).or_else(|| state.vmas.next_from(addr)).ok_or(Errno::ENOMEM)?;
        let mut start = addr;
        if grows_down {
            if first.start >= end {
                return Err(Errno::ENOMEM);
            }
            if !vma.flags.contains(VmFlags::GROWSDOWN) {
                return Err(Errno::EINVAL);
            }
            start = first.start;
        } else if first.start > addr {
            return Err(Errno::ENOMEM);
        } else if grows_up {
            return Err(Errno::EINVAL);
        }
        let mut at = start;
        let mut outcome = Ok(());
        let mut executable = Vec::new();
        for (r, vma) in state.vmas.within(start..end) {
            if r.start != at {
                break;
            }
            let mut new = prot;
            if read_implies_exec && prot.contains(Prot::READ) && vma.max_prot.contains(Prot::EXEC) {
                executable.push(r.clone());
                new |= Prot::EXEC;
            }
            if !vma.max_prot.contains(prot) || self.check_exec_gain(vma.prot, new).is_err() {
                outcome = Err(Errno::EACCES);
                break;
            }
            at = r.end;
        }
        if outcome.is_ok() && at < end {
            outcome = Err(Errno::ENOMEM);
        }
        if at > start {
            state.vmas.check_room(&(start..at), 0)?;
            self.protect_host(&mut state, start..at, prot)?;
            for r in executable.into_iter().map(|r| r.start..r.end.min(at)).filter(|r| !r.is_empty()) {
                self.protect_host(&mut state, r, prot | Prot::EXEC)?;
            }
        }
        outcome
    }

    fn protect_host(&self, state: &mut State, range: Range<u64>, prot: Prot) -> Result<(), Errno> {
        let protect = || {
            let op = MemoryOp::Protect(range.clone(), host_prot(prot));
            self.space.apply(&[op]).map_err(|(_, e)| e)
        };
        match protect() {
            // Not even private copies of an image on a file system without programs (MS_NOEXEC) may be executed.
            Err(Errno::EACCES) if prot.contains(Prot::EXEC) => {
                self.detach(state, range.clone())?;
                protect()?;
            }
            other => other?,
        }
        state.vmas.update(range, |v| v.prot = prot);
        Ok(())
    }
}
