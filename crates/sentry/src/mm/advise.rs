//! madvise(2), mincore(2), msync(2), mlock(2).

use std::ops::Range;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::{Advice, Prot};

use super::manager::{MemoryLimits, MemoryManager, is_page_aligned, page_align_up};
use super::vma::{VmFlags, Vma};

/// MS_ flags and what they mean are msync(2)'s.
const MS_KNOWN: u64 = (c::MS_ASYNC | c::MS_INVALIDATE | c::MS_SYNC) as u64;

impl MemoryManager {
    fn checked_range(&self, addr: u64, len: u64, on_overflow: Errno) -> Result<Range<u64>, Errno> {
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        let len = page_align_up(len).ok_or(Errno::EINVAL)?;
        Ok(addr..addr.checked_add(len).ok_or(on_overflow)?)
    }

    /// madvise(2).
    ///
    /// # Errors
    /// EINVAL for bad advice or areas it cannot apply to, ENOMEM for a gap (the rest is advised).
    pub fn advise(&self, addr: u64, len: u64, advice: u64) -> Result<(), Errno> {
        let advice = u32::try_from(advice).map_err(|_| Errno::EINVAL)?;
        if advice == c::MADV_REMOVE {
            return self.remove_pages(self.checked_range(addr, len, Errno::EINVAL)?);
        }
        let host = match advice {
            c::MADV_NORMAL => Some(Advice::Normal),
            c::MADV_RANDOM => Some(Advice::Random),
            c::MADV_SEQUENTIAL => Some(Advice::Sequential),
            c::MADV_WILLNEED => Some(Advice::WillNeed),
            c::MADV_DONTNEED | c::MADV_DONTNEED_LOCKED => Some(Advice::DontNeed),
            c::MADV_FREE => Some(Advice::Free),
            c::MADV_DONTFORK => Some(Advice::DontFork),
            c::MADV_DOFORK => Some(Advice::DoFork),
            c::MADV_WIPEONFORK => Some(Advice::WipeOnFork),
            c::MADV_KEEPONFORK => Some(Advice::KeepOnFork),
            c::MADV_HUGEPAGE => Some(Advice::HugePage),
            c::MADV_NOHUGEPAGE => Some(Advice::NoHugePage),
            c::MADV_COLD => Some(Advice::Cold),
            c::MADV_PAGEOUT => Some(Advice::PageOut),
            c::MADV_POPULATE_READ => Some(Advice::PopulateRead),
            c::MADV_POPULATE_WRITE => Some(Advice::PopulateWrite),
            // Merging pages would tell guests about each other; a kernel without KSM says EINVAL, but core dump marks are
            // only bookkeeping.
            c::MADV_DONTDUMP | c::MADV_DODUMP => None,
            _ => return Err(Errno::EINVAL),
        };
        let range = self.checked_range(addr, len, Errno::EINVAL)?;
        if range.is_empty() {
            return Ok(());
        }
        let mut state = self.state.lock();
        let mut pieces: Vec<(Range<u64>, Vma)> = Vec::new();
        let mut gap = false;
        let mut at = range.start;
        for (r, vma) in state.vmas.within(range.clone()) {
            gap |= r.start != at;
            at = r.end;
            pieces.push((r, vma.clone()));
        }
        gap |= at < range.end;
        let allows = |vma: &Vma| {
            let locked = vma.flags.contains(VmFlags::LOCKED);
            match advice {
                c::MADV_DONTNEED | c::MADV_PAGEOUT | c::MADV_COLD => !locked,
                c::MADV_FREE => vma.is_anonymous() && !locked,
                c::MADV_WIPEONFORK => vma.is_anonymous() && !vma.flags.contains(VmFlags::SHARED),
                _ => true,
            }
        };
        let count = pieces.len();
        pieces = pieces.into_iter().take_while(|(_, vma)| allows(vma)).collect();
        let refused = pieces.len() < count;
        if let (Some((first, _)), Some((last, _))) = (pieces.first(), pieces.last()) {
            // As a kernel without memory, which is what madvise(2) makes of it.
            state.vmas.check_room(&(first.start..last.end), 0).map_err(|_| Errno::EAGAIN)?;
        }
        if let Some(host) = host {
            for run in runs(&pieces) {
                match host {
                    Advice::DontNeed | Advice::Free => {
                        self.discard(&mut state, run, |part| self.advise_host(part, host))?;
                    }
                    // The host wipes its own memory only; a fork sees to that of images.
                    Advice::WipeOnFork => {
                        let parts = state.lazy.parts(run).into_iter().filter(|(_, place)| place.is_none());
                        parts.into_iter().try_for_each(|(part, _)| self.advise_host(part, host))?;
                    }
                    _ => match self.advise_host(run, host) {
                        // The host's own configuration (no transparent huge pages, say) is no error of the guest's.
                        Err(Errno::EINVAL) if matches!(host, Advice::HugePage | Advice::NoHugePage) => {}
                        other => other?,
                    },
                }
            }
        }
        for (r, _) in pieces {
            let change = |on: VmFlags, off: VmFlags| {
                move |v: &mut Vma| {
                    v.flags.remove(off);
                    v.flags.insert(on);
                }
            };
            let none = VmFlags::empty();
            match advice {
                c::MADV_DONTFORK => state.vmas.update(r, change(VmFlags::DONTFORK, none)),
                c::MADV_DOFORK => state.vmas.update(r, change(none, VmFlags::DONTFORK)),
                c::MADV_WIPEONFORK => state.vmas.update(r, change(VmFlags::WIPEONFORK, none)),
                c::MADV_KEEPONFORK => state.vmas.update(r, change(none, VmFlags::WIPEONFORK)),
                c::MADV_DONTDUMP => state.vmas.update(r, change(VmFlags::DONTDUMP, none)),
                c::MADV_DODUMP => state.vmas.update(r, change(none, VmFlags::DONTDUMP)),
                _ => {}
            }
        }
        match (refused, gap) {
            (true, _) => Err(Errno::EINVAL),
            (_, true) => Err(Errno::ENOMEM),
            _ => Ok(()),
        }
    }

    /// MADV_REMOVE: the pages of shared mappings go, and those of the files behind them.
    fn remove_pages(&self, range: Range<u64>) -> Result<(), Errno> {
        let mut pieces = Vec::new();
        let mut outcome = Ok(());
        {
            let state = self.state.lock();
            let mut at = range.start;
            for (r, vma) in state.vmas.within(range.clone()) {
                if r.start != at {
                    outcome = Err(Errno::ENOMEM);
                }
                at = r.end;
                let Some(file) = vma.file.as_ref().filter(|_| !vma.flags.contains(VmFlags::LOCKED)) else {
                    outcome = Err(Errno::EINVAL);
                    break;
                };
                if !vma.flags.contains(VmFlags::SHARED) || !vma.max_prot.contains(Prot::WRITE) {
                    outcome = Err(Errno::EACCES);
                    break;
                }
                let start = state.vmas.find(r.start).map_or(r.start, |(whole, _)| whole.start);
                let offset = file.offset + (r.start - start);
                pieces.push((std::sync::Arc::clone(&file.object), offset, r.end - r.start));
            }
            if outcome.is_ok() && at < range.end {
                outcome = Err(Errno::ENOMEM);
            }
        }
        for (object, offset, len) in pieces {
            object.punch_hole(offset, len)?;
        }
        outcome
    }

    /// mincore(2): a byte for each page.
    ///
    /// # Errors
    /// EINVAL, ENOMEM.
    pub fn mincore(&self, addr: u64, len: u64) -> Result<Vec<u8>, Errno> {
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        let len = page_align_up(len).ok_or(Errno::ENOMEM)?;
        let range = self.checked_range(addr, len, Errno::ENOMEM)?;
        if range.end > self.layout.usable.end {
            return Err(Errno::ENOMEM);
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        if !self.state.lock().vmas.covers(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        self.space.resident(range)
    }

    /// msync(2). Shared file mappings are the file's own pages, so there is nothing to write; what is asked of the disk
    /// is the caller's to do, for the files returned.
    ///
    /// # Errors
    /// EINVAL, EBUSY for MS_INVALIDATE on locked memory, ENOMEM for a gap.
    pub fn sync(
        &self,
        addr: u64,
        len: u64,
        flags: u64,
    ) -> Result<Vec<std::sync::Arc<dyn super::Mappable>>, Errno> {
        let both = u64::from(c::MS_ASYNC | c::MS_SYNC);
        if flags & !MS_KNOWN != 0 || flags & both == both || !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        // A length that wraps around is none, for Linux.
        let len = page_align_up(len).unwrap_or(0);
        let range = self.checked_range(addr, len, Errno::ENOMEM)?;
        let state = self.state.lock();
        let mut files = Vec::new();
        for (_, vma) in state.vmas.within(range.clone()) {
            if flags & u64::from(c::MS_INVALIDATE) != 0 && vma.flags.contains(VmFlags::LOCKED) {
                return Err(Errno::EBUSY);
            }
            if flags & u64::from(c::MS_SYNC) != 0
                && vma.flags.contains(VmFlags::SHARED)
                && let Some(file) = &vma.file
            {
                files.push(std::sync::Arc::clone(&file.object));
            }
        }
        if !range.is_empty() && !state.vmas.covers(range) {
            return Err(Errno::ENOMEM);
        }
        Ok(files)
    }

    /// mlock2(2) and munlock(2). Pages are populated; that the host keeps them in memory is not promised.
    ///
    /// # Errors
    /// EINVAL, ENOMEM for a gap or beyond the limit, EPERM where the limit is zero.
    pub fn lock_range(
        &self,
        addr: u64,
        len: u64,
        lock: bool,
        on_fault: bool,
        limits: &MemoryLimits,
    ) -> Result<(), Errno> {
        // Linux rounds up before it looks: what wraps around to nothing is nothing to do.
        let begin = addr & !4095;
        let whole = len.wrapping_add(addr - begin).wrapping_add(4095) & !4095;
        let range = begin..begin.checked_add(whole).ok_or(Errno::EINVAL)?;
        if lock && limits.locked == 0 {
            return Err(Errno::EPERM);
        }
        let mut state = self.state.lock();
        if lock {
            let new: u64 = state
                .vmas
                .within(range.clone())
                .filter(|(_, v)| !v.flags.contains(VmFlags::LOCKED))
                .map(|(r, _)| r.end - r.start)
                .sum();
            if state.locked().saturating_add(new) > limits.locked {
                return Err(Errno::ENOMEM);
            }
        }
        if range.is_empty() {
            return Ok(());
        }
        let covered = state.vmas.covers(range.clone());
        let populate: Vec<(Range<u64>, bool)> =
            state.vmas.within(range.clone()).map(|(r, v)| (r, v.prot.contains(Prot::WRITE))).collect();
        state.vmas.check_room(&range, 0)?;
        state.vmas.update(range, |v| {
            v.flags.remove(VmFlags::LOCKED | VmFlags::LOCKONFAULT);
            if lock {
                v.flags.insert(VmFlags::LOCKED);
                v.flags.set(VmFlags::LOCKONFAULT, on_fault);
            }
        });
        drop(state);
        if lock && !on_fault {
            for (r, writable) in populate {
                let advice = if writable { Advice::PopulateWrite } else { Advice::PopulateRead };
                // Memory without access cannot be populated, which mlock(2) reports as ENOMEM.
                self.advise_host(r, advice).map_err(|_| Errno::ENOMEM)?;
            }
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// mlockall(2), and munlockall(2) with both false.
    ///
    /// # Errors
    /// ENOMEM, EPERM for the limit.
    pub fn lock_all(
        &self,
        current: bool,
        future: bool,
        on_fault: bool,
        limits: &MemoryLimits,
    ) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if (current || future) && limits.locked == 0 {
            return Err(Errno::EPERM);
        }
        if current && state.total > limits.locked {
            return Err(Errno::ENOMEM);
        }
        let mut flags = VmFlags::empty();
        if current || future {
            flags.insert(VmFlags::LOCKED);
            flags.set(VmFlags::LOCKONFAULT, on_fault);
        }
        state.lock_future = if future { flags } else { VmFlags::empty() };
        if current || !future {
            let all = self.layout.usable.clone();
            state.vmas.update(all, |v| {
                v.flags.remove(VmFlags::LOCKED | VmFlags::LOCKONFAULT);
                v.flags.insert(flags);
            });
        }
        Ok(())
    }
}

/// The ranges that pieces in ascending order make up: to the host, which has the same, one call is as good as several.
fn runs(pieces: &[(Range<u64>, Vma)]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for (piece, _) in pieces {
        match runs.last_mut() {
            Some(last) if last.end == piece.start => last.end = piece.end,
            _ => runs.push(piece.clone()),
        }
    }
    runs
}
