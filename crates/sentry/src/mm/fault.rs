//! Hardware page faults: growing stacks, and what becomes a signal.

use stockade_abi::signal::{SIGBUS, SIGSEGV, SigInfo, si};
use stockade_platform::FaultInfo;

use super::manager::{MemoryLimits, MemoryManager};
use super::vma::{STACK_GUARD_GAP, VmFlags, Vma};

/// The stack is grown by at least this much at once, as far as its limit allows.
const GROWTH: u64 = 128 * 1024;
const PAGE_MASK: u64 = 4095;

impl MemoryManager {
    /// Extends the stack above `addr` down to it; returns whether `addr` is accessible now.
    pub fn grow_stack(&self, addr: u64, limits: &MemoryLimits) -> bool {
        let mut state = self.state.lock();
        if state.vmas.find(addr).is_some() {
            return false;
        }
        let Some((range, vma)) = state.vmas.next_from(addr) else { return false };
        if !vma.flags.contains(VmFlags::GROWSDOWN) {
            return false;
        }
        let page = addr & !PAGE_MASK;
        let end = vma_stack_end(range.end, &state.vmas);
        if end - page > limits.stack {
            return false;
        }
        let floor = state.vmas.prev_before(range.start).map_or(self.layout.usable.start, |(r, v)| {
            r.end
                + if v.prot.is_empty() || v.flags.contains(VmFlags::GROWSDOWN) { 0 } else { STACK_GUARD_GAP }
        });
        if page < floor {
            return false;
        }
        let lowest = end.saturating_sub(limits.stack).max(floor);
        let to = page.min((range.start.saturating_sub(GROWTH)).max(lowest)) & !PAGE_MASK;
        if state.total.saturating_add(range.start - to) > limits.address_space {
            return false;
        }
        let grown = Vma { end: range.start, ..vma.clone() };
        if grown.file.is_some() || self.map_host(&(to..range.start), &grown, false).is_err() {
            return false;
        }
        state.put_in(to, grown);
        true
    }

    /// Answers a page fault: `None` if the access can be tried again, else the signal to force.
    #[must_use]
    pub fn handle_fault(&self, fault: &FaultInfo, limits: &MemoryLimits) -> Option<SigInfo> {
        self.note_stack_limit(limits.stack);
        if fault.signo == SIGSEGV && fault.code == si::SEGV_MAPERR && self.grow_stack(fault.addr, limits) {
            return None;
        }
        if fault.signo == SIGBUS && self.is_lost(fault.addr) {
            return None;
        }
        Some(SigInfo::fault(fault.signo, fault.code, fault.addr))
    }
}

/// Where the run of stack areas that ends at `end` really ends: mprotect(2) may have split it.
fn vma_stack_end(mut end: u64, vmas: &super::vma::VmaSet) -> u64 {
    while let Some((r, v)) = vmas.find(end) {
        if !v.flags.contains(VmFlags::GROWSDOWN) {
            break;
        }
        end = r.end;
    }
    end
}
