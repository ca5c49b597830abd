//! Where an area goes (mmap(2)).

use std::ops::Range;

use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{Layout, Prot};

use super::manager::{MapRequest, MemoryManager, State, is_page_aligned, page_align_up};
use super::vma::{STACK_GUARD_GAP, VmFlags};

impl MemoryManager {
    /// A free place for `len` bytes, as mmap(2) without a hint would choose it.
    ///
    /// # Errors
    /// ENOMEM
    pub fn find_free(&self, len: u64) -> Result<u64, Errno> {
        let request = MapRequest::anonymous(page_align_up(len).ok_or(Errno::ENOMEM)?, Prot::empty());
        self.find_place(&self.state.lock(), &request)
    }

    pub(super) fn is_usable(&self, range: &Range<u64>) -> bool {
        let Layout { usable, reserved, .. } = &self.layout;
        usable.start <= range.start
            && range.end <= usable.end
            && reserved.iter().all(|r| r.end <= range.start || range.end <= r.start)
    }

    pub(super) fn find_place(&self, state: &State, request: &MapRequest) -> Result<u64, Errno> {
        let len = request.len;
        let usable = self.layout.usable.clone();
        if request.fixed || request.no_replace {
            let addr = request.addr;
            if !is_page_aligned(addr) {
                return Err(Errno::EINVAL);
            }
            let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?;
            if end > usable.end {
                return Err(Errno::ENOMEM);
            }
            // Below vm.mmap_min_addr only CAP_SYS_RAWIO may map.
            if !self.is_usable(&(addr..end)) {
                return Err(Errno::EPERM);
            }
            if request.no_replace && !state.vmas.is_free(addr..end) {
                return Err(Errno::EEXIST);
            }
            return Ok(addr);
        }
        let ceiling = if request.low { 0x8000_0000.min(usable.end) } else { usable.end };
        let hint = request.addr & !(PAGE_SIZE - 1);
        if hint != 0 {
            let hint = hint.max(usable.start);
            let end = hint.checked_add(len).filter(|&end| end <= ceiling);
            if let Some(end) = end
                && self.is_usable(&(hint..end))
                && state.vmas.is_free(hint..end)
                && state.vmas.next_from(hint).is_none_or(|(r, v)| {
                    !v.flags.contains(VmFlags::GROWSDOWN) || r.start.saturating_sub(STACK_GUARD_GAP) >= end
                })
            {
                return Ok(hint);
            }
        }
        if request.low {
            return self.gap_bottom_up(state, 0x4000_0000..ceiling, len).ok_or(Errno::ENOMEM);
        }
        let base = state.image.mmap_base.min(usable.end);
        self.gap_top_down(state, usable.start..base, len)
            .or_else(|| self.gap_bottom_up(state, usable.end / 3..usable.end, len))
            .ok_or(Errno::ENOMEM)
    }

    fn gap_top_down(&self, state: &State, mut window: Range<u64>, len: u64) -> Option<u64> {
        loop {
            let at = state.vmas.find_gap_top_down(window.clone(), len)?;
            match self.layout.reserved.iter().find(|r| r.start < at + len && at < r.end) {
                Some(reserved) => window.end = reserved.start,
                None => return Some(at),
            }
        }
    }

    fn gap_bottom_up(&self, state: &State, mut window: Range<u64>, len: u64) -> Option<u64> {
        loop {
            let at = state.vmas.find_gap_bottom_up(window.clone(), len)?;
            match self.layout.reserved.iter().find(|r| r.start < at + len && at < r.end) {
                Some(reserved) => window.start = reserved.end,
                None => return Some(at),
            }
        }
    }
}
