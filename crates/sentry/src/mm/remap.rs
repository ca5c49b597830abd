//! mremap(2), remap_file_pages(2).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::{MemoryOp, Prot};

use super::manager::{MapRequest, MemoryLimits, MemoryManager, is_page_aligned, page_align_up};
use super::vma::{FileBacking, VmFlags, Vma};

/// End of user addresses on Linux.
const TASK_SIZE: u64 = 0x7fff_ffff_f000;

impl MemoryManager {
    /// What to map for remap_file_pages(2): the file that is mapped shared at `addr`, from page `page` on, in the place of what
    /// is there.
    ///
    /// # Errors
    /// EINVAL where one such file is not mapped throughout, in one way.
    pub fn other_pages(&self, addr: u64, len: u64, page: u64) -> Result<MapRequest, Errno> {
        let (start, len) = (addr & !4095, len & !4095);
        let end = start.checked_add(len).filter(|&end| end > start).ok_or(Errno::EINVAL)?;
        let offset = page.checked_mul(4096).ok_or(Errno::EINVAL)?;
        offset.checked_add(len).ok_or(Errno::EINVAL)?;
        let state = self.state.lock();
        let (_, first) = state.vmas.find(start).ok_or(Errno::EINVAL)?;
        let file = first.file.as_ref().filter(|_| first.flags.contains(VmFlags::SHARED));
        let file = file.ok_or(Errno::EINVAL)?;
        let is_like_it = |vma: &Vma| {
            let same = |other: &FileBacking| Arc::ptr_eq(&other.object, &file.object);
            vma.flags == first.flags && vma.prot == first.prot && vma.file.as_ref().is_some_and(same)
        };
        let mut at = start;
        for (range, vma) in state.vmas.within(start..end) {
            if range.start != at || !is_like_it(vma) {
                return Err(Errno::EINVAL);
            }
            at = range.end;
        }
        if at != end {
            return Err(Errno::EINVAL);
        }
        Ok(MapRequest {
            addr: start,
            fixed: true,
            max_prot: first.max_prot,
            flags: first.flags,
            file: Some(FileBacking { offset, ..file.clone() }),
            ..MapRequest::anonymous(len, first.prot)
        })
    }

    /// mremap(2). Returns the new address.
    ///
    /// # Errors
    /// EINVAL, EFAULT, ENOMEM, EAGAIN as mremap(2).
    pub fn remap(
        &self,
        addr: u64,
        old_len: u64,
        new_len: u64,
        flags: u64,
        new_addr: u64,
        limits: &MemoryLimits,
    ) -> Result<u64, Errno> {
        let may_move = flags & u64::from(c::MREMAP_MAYMOVE) != 0;
        let fixed = flags & u64::from(c::MREMAP_FIXED) != 0;
        let keep_old = flags & u64::from(c::MREMAP_DONTUNMAP) != 0;
        let known = u64::from(c::MREMAP_MAYMOVE | c::MREMAP_FIXED | c::MREMAP_DONTUNMAP);
        let old_len = page_align_up(old_len).ok_or(Errno::EINVAL)?;
        let new_len = page_align_up(new_len).ok_or(Errno::EINVAL)?;
        if flags & !known != 0
            || (fixed && !may_move)
            || (keep_old && (!may_move || old_len != new_len))
            || !is_page_aligned(addr)
            || new_len == 0
            || new_len > TASK_SIZE
        {
            return Err(Errno::EINVAL);
        }
        if fixed || keep_old {
            let new_end = new_addr.checked_add(new_len).ok_or(Errno::EINVAL)?;
            if !is_page_aligned(new_addr) || new_end > self.layout.usable.end {
                return Err(Errno::EINVAL);
            }
            if fixed && new_addr < addr.saturating_add(old_len) && addr < new_end {
                return Err(Errno::EINVAL);
            }
        }
        // Shrinking in place needs no single area.
        if !fixed && !keep_old && new_len <= old_len && old_len != 0 {
            {
                let state = self.state.lock();
                if state.vmas.find(addr).is_none() {
                    return Err(Errno::EFAULT);
                }
            }
            if new_len < old_len {
                self.unmap(addr + new_len, old_len - new_len)?;
            }
            return Ok(addr);
        }
        let (range, vma) = {
            let state = self.state.lock();
            let (range, vma) = state.vmas.find(addr).ok_or(Errno::EFAULT)?;
            (range, vma.clone())
        };
        if old_len == 0 {
            return self.duplicate(addr, &range, &vma, new_len, may_move, fixed.then_some(new_addr), limits);
        }
        self.state.lock().vmas.check_room(&(addr..addr.saturating_add(old_len)), 1)?;
        let moved = old_len.min(new_len);
        if addr.checked_add(moved).is_none_or(|end| end > range.end) {
            return Err(Errno::EFAULT);
        }
        if new_len > old_len {
            let state = self.state.lock();
            let grow = new_len - old_len;
            if addr + old_len != range.end && !may_move {
                return Err(Errno::ENOMEM);
            }
            if vma.flags.contains(VmFlags::LOCKED) && state.locked().saturating_add(grow) > limits.locked {
                return Err(Errno::EAGAIN);
            }
            if state.total.saturating_add(grow) > limits.address_space {
                return Err(Errno::ENOMEM);
            }
            drop(state);
            if !fixed && !keep_old && self.grow_in_place(addr, old_len, new_len, &vma)? {
                return Ok(addr);
            }
            if !may_move {
                return Err(Errno::ENOMEM);
            }
        }
        self.relocate(addr, old_len, new_len, &vma, fixed.then_some(new_addr), new_addr, keep_old, limits)
    }

    fn grow_in_place(&self, addr: u64, old_len: u64, new_len: u64, vma: &Vma) -> Result<bool, Errno> {
        let mut state = self.state.lock();
        let (old_end, new_end) = (addr + old_len, addr.checked_add(new_len).ok_or(Errno::EINVAL)?);
        let at_end = state.vmas.find(addr).is_some_and(|(r, _)| r.end == old_end);
        if !at_end || new_end > self.layout.usable.end || !state.vmas.is_free(old_end..new_end) {
            return Ok(false);
        }
        if self.layout.reserved.iter().any(|r| r.start < new_end && old_end < r.end) {
            return Ok(false);
        }
        let mut grown = Vma { end: new_end, ..vma.clone() };
        if let (Some(file), Some((r, v))) = (&mut grown.file, state.vmas.find(addr))
            && let Some(old) = &v.file
        {
            file.offset = old.offset + (old_end - r.start);
        }
        self.map_host(&(old_end..new_end), &grown, false)?;
        state.put_in(old_end, grown);
        Ok(true)
    }

    /// `old_len` 0 on a shared mapping: a second mapping of the same pages.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    fn duplicate(
        &self,
        addr: u64,
        range: &std::ops::Range<u64>,
        vma: &Vma,
        new_len: u64,
        may_move: bool,
        place: Option<u64>,
        limits: &MemoryLimits,
    ) -> Result<u64, Errno> {
        if !vma.flags.contains(VmFlags::SHARED) || !may_move {
            return Err(Errno::EINVAL);
        }
        let mut file = vma.file.clone();
        if let Some(file) = &mut file {
            file.offset += addr - range.start;
        }
        let request = MapRequest {
            addr: place.unwrap_or(0),
            fixed: place.is_some(),
            flags: vma.flags,
            max_prot: vma.max_prot,
            file,
            ..MapRequest::anonymous(new_len, vma.prot)
        };
        self.map(request, limits)
    }

    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    fn relocate(
        &self,
        addr: u64,
        old_len: u64,
        new_len: u64,
        vma: &Vma,
        place: Option<u64>,
        hint: u64,
        keep_old: bool,
        limits: &MemoryLimits,
    ) -> Result<u64, Errno> {
        if keep_old && (!vma.is_anonymous() && !vma.flags.contains(VmFlags::SHARED)) {
            return Err(Errno::EINVAL);
        }
        // Reserve the place first, as inaccessible memory: the move then replaces it.
        let reserve = MapRequest {
            addr: place.unwrap_or(if keep_old { hint } else { 0 }),
            fixed: place.is_some(),
            flags: VmFlags::NORESERVE,
            ..MapRequest::anonymous(new_len, Prot::empty())
        };
        let unlimited = MemoryLimits { locked: u64::MAX, ..*limits };
        let to = self.map(reserve, &unlimited)?;
        let moved = old_len.min(new_len);
        let mut state = self.state.lock();
        let (range, current) = match state.vmas.find(addr) {
            Some((range, current)) if range.end >= addr + moved => (range, current.clone()),
            _ => return Err(Errno::EFAULT),
        };
        let images: Vec<_> = state.lazy.within(addr..addr + moved).collect();
        // The host moves one mapping at a time.
        let parts = state.lazy.parts(addr..addr + moved).into_iter().map(|(from, _)| MemoryOp::Move {
            to: from.start - addr + to..from.end - addr + to,
            from,
            keep_old,
        });
        let mut ops: Vec<_> = parts.collect();
        if old_len > new_len {
            ops.push(MemoryOp::Unmap(addr + new_len..addr + old_len));
        }
        if let Err((_, e)) = self.space.apply(&ops) {
            drop(state);
            self.unmap(to, new_len)?;
            return Err(e);
        }
        state.take_out(to..to + new_len);
        let mut at_new = Vma { end: to + moved, ..current.clone() };
        if let Some(file) = &mut at_new.file {
            file.offset += addr - range.start;
        }
        let mut tail = Vma { end: to + new_len, ..at_new.clone() };
        if let Some(file) = &mut tail.file {
            file.offset += moved;
        }
        if keep_old {
            state.vmas.update(addr..addr + moved, |v| v.flags.remove(VmFlags::LOCKED));
            // What stays is memory that nobody has written to.
            images.iter().try_for_each(|(range, _)| self.renew(&mut state, range))?;
        } else {
            state.take_out(addr..addr + old_len);
        }
        state.put_in(to, at_new);
        for (range, place) in images {
            state.lazy.insert(range.start - addr + to..range.end - addr + to, place);
        }
        if new_len > moved {
            self.map_host(&(to + moved..to + new_len), &tail, false)?;
            state.put_in(to + moved, tail);
        }
        Ok(to)
    }
}
