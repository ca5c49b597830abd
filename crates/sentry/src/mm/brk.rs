//! The program break (brk(2)).

use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{MemoryOp, Prot};

use super::manager::{MemoryLimits, MemoryManager, page_align_up};
use super::vma::{VmFlags, Vma};

impl MemoryManager {
    /// Moves the break to `to` if that is possible, and returns where it is.
    pub fn set_break(&self, to: u64, limits: &MemoryLimits) -> u64 {
        let mut state = self.state.lock();
        let (old, start) = (state.brk, state.image.start_brk);
        if to < start {
            return old;
        }
        let data = to - start + (state.image.end_data - state.image.start_data);
        if limits.data != u64::MAX && data > limits.data {
            return old;
        }
        let (Some(old_end), Some(new_end)) = (page_align_up(old), page_align_up(to)) else { return old };
        if new_end < old_end {
            if self.space.apply(&[MemoryOp::Unmap(new_end..old_end)]).is_err() {
                return old;
            }
            state.take_out(new_end..old_end);
        } else if new_end > old_end {
            let grow = new_end - old_end;
            let fits = new_end <= self.layout.usable.end
                && state.vmas.is_free(old_end..new_end)
                && state.vmas.next_from(new_end).is_none_or(|(r, v)| {
                    // A page stays free above.
                    let stack = v.flags.contains(VmFlags::GROWSDOWN);
                    let gap = PAGE_SIZE + if stack { super::vma::STACK_GUARD_GAP } else { 0 };
                    r.start.saturating_sub(gap) >= new_end
                })
                && state.total.saturating_add(grow) <= limits.address_space;
            let vma = Vma {
                end: new_end,
                prot: Prot::READ | Prot::WRITE,
                max_prot: Prot::all(),
                flags: VmFlags::HEAP | state.lock_future,
                file: None,
            };
            if !fits || self.map_host(&(old_end..new_end), &vma, false).is_err() {
                return old;
            }
            state.put_in(old_end, vma);
        }
        state.brk = to;
        to
    }
}
