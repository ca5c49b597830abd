//! Mutexes whose owner ends (get_robust_list(2)).

use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::RobustListHead;
use stockade_platform::AtomicOp;

use crate::mm::{MemoryManager, UserMemory};
use crate::task::Task;

/// Bytes that a robust list may lead through at most (`ROBUST_LIST_LIMIT`).
const ROBUST_LIST_LIMIT: usize = 2048;

/// Marks and wakes the mutexes that a thread held at its end (get_robust_list(2)). The list is the guest's own data.
pub fn exit_robust_list(task: &Task, mm: &MemoryManager) {
    let head_addr = task.robust_list.load(Ordering::Relaxed);
    if head_addr == 0 {
        return;
    }
    let Ok(head) = mm.copy_in::<RobustListHead>(head_addr) else { return };
    // Bit 0 of a pointer says that the mutex passes on priority.
    let pending = head.list_op_pending & !1;
    let mut at = head.list;
    for _ in 0..ROBUST_LIST_LIMIT {
        let entry = at & !1;
        if entry == head_addr {
            break;
        }
        let Ok(next) = mm.copy_in::<u64>(entry) else { return };
        if entry != pending
            && release_robust(task, mm, entry.wrapping_add_signed(head.futex_offset), false, at & 1 != 0)
                .is_err()
        {
            return;
        }
        at = next;
    }
    if pending != 0 {
        // A fault here ends the walk, as everywhere.
        let passes_on = head.list_op_pending & 1 != 0;
        let _ = release_robust(task, mm, pending.wrapping_add_signed(head.futex_offset), true, passes_on);
    }
}

fn release_robust(
    task: &Task,
    mm: &MemoryManager,
    addr: u64,
    pending: bool,
    passes_on: bool,
) -> Result<(), Errno> {
    let mut value = mm.space().load_u32(addr)?;
    loop {
        let owner = value & c::FUTEX_TID_MASK;
        if pending && value == 0 && !passes_on {
            task.kernel.futexes.wake(mm, addr, 1, u32::MAX, false)?;
            return Ok(());
        }
        if owner != task.local_tid() as u32 {
            return Ok(());
        }
        let new = (value & c::FUTEX_WAITERS) | c::FUTEX_OWNER_DIED;
        let seen = mm.space().atomic_u32(addr, AtomicOp::CompareExchange(value, new))?;
        if seen == value {
            break;
        }
        value = seen;
    }
    if value & c::FUTEX_WAITERS != 0 && !passes_on {
        task.kernel.futexes.wake(mm, addr, 1, u32::MAX, false)?;
    }
    Ok(())
}
