//! Virtual memory areas: what an address space is made of.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::{Advice, Prot};

use super::mappable::Mappable;
use crate::vfs::Path;
use crate::vfs::quota::{AREAS, Share};

bitflags::bitflags! {
    /// Properties of an area beside its access.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct VmFlags: u32 {
        /// MAP_SHARED
        const SHARED = 1;
        /// MAP_GROWSDOWN
        const GROWSDOWN = 2;
        /// MAP_NORESERVE
        const NORESERVE = 4;
        /// mlock(2)
        const LOCKED = 8;
        /// MADV_DONTFORK
        const DONTFORK = 0x10;
        /// MADV_WIPEONFORK
        const WIPEONFORK = 0x20;
        /// MADV_DONTDUMP
        const DONTDUMP = 0x40;
        /// A stack made by execve(2).
        const STACK = 0x80;
        /// The break area.
        const HEAP = 0x100;
        /// The guest's vDSO and its data.
        const VDSO = 0x200;
        /// Locked on fault only (MLOCK_ONFAULT).
        const LOCKONFAULT = 0x400;
        /// MADV_MERGEABLE
        const MERGEABLE = 0x800;
        /// mseal(2)
        const SEALED = 0x1000;
    }
}

/// Where the bytes of an area come from.
#[derive(Clone)]
pub struct FileBacking {
    /// The file.
    pub object: Arc<dyn Mappable>,
    /// Offset of the area's first byte.
    pub offset: u64,
    /// What it was opened as; none for memory that is only backed like a file.
    pub path: Option<Path>,
}

/// One area. Its start is its key in the set.
#[derive(Clone)]
pub struct Vma {
    /// End, exclusive.
    pub end: u64,
    /// Access.
    pub prot: Prot,
    /// Access that mprotect(2) may give.
    pub max_prot: Prot,
    /// Properties.
    pub flags: VmFlags,
    /// None: anonymous and private.
    pub file: Option<FileBacking>,
}

impl Vma {
    /// Whether it is private anonymous memory.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.file.is_none()
    }

    /// Whether it counts as data for RLIMIT_DATA: private, writable, no stack.
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.prot.contains(Prot::WRITE)
            && !self.flags.intersects(VmFlags::SHARED | VmFlags::STACK | VmFlags::GROWSDOWN)
    }

    /// Advice that its pages need on the host.
    pub(super) fn advice(&self) -> impl Iterator<Item = Advice> + use<> {
        let flags = self.flags;
        let all = [(VmFlags::DONTFORK, Advice::DontFork), (VmFlags::WIPEONFORK, Advice::WipeOnFork)];
        all.into_iter().filter(move |(flag, _)| flags.contains(*flag)).map(|(_, advice)| advice)
    }

    /// The same area from `by` bytes further on.
    fn advanced(&self, by: u64) -> Self {
        let mut rest = self.clone();
        if let Some(file) = &mut rest.file {
            file.offset += by;
        }
        rest
    }

    fn merges_with(&self, start: u64, next: &Self) -> bool {
        let contiguous = match (&self.file, &next.file) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(&a.object, &b.object) && a.offset + (self.end - start) == b.offset
            }
            _ => false,
        };
        contiguous && self.prot == next.prot && self.max_prot == next.max_prot && self.flags == next.flags
    }
}

/// Areas that one address space may have (`vm.max_map_count`).
pub const MAX_MAP_COUNT: usize = 65530;

/// The areas of an address space, not overlapping, neighbours merged.
#[derive(Clone)]
pub struct VmaSet {
    areas: BTreeMap<u64, Vma>,
    changes: u64,
    counted: Share,
}

impl Default for VmaSet {
    fn default() -> Self {
        Self { areas: BTreeMap::new(), changes: 0, counted: Share::new(&AREAS) }
    }
}

impl VmaSet {
    /// Whether there may be `more` areas, and those that cutting at both ends of a range makes.
    ///
    /// # Errors
    /// ENOMEM if they would be too many.
    pub fn check_room(&self, range: &Range<u64>, more: usize) -> Result<(), Errno> {
        let is_cut = |at| self.find(at).is_some_and(|(area, _)| area.start < at);
        let more = more + usize::from(is_cut(range.start)) + usize::from(is_cut(range.end));
        if more > 0 && (self.len() + more > MAX_MAP_COUNT || !AREAS.has_room(more)) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// How often it was changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// All areas with their ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Range<u64>, &Vma)> {
        self.areas.iter().map(|(&start, vma)| (start..vma.end, vma))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The area that holds an address.
    #[must_use]
    pub fn find(&self, addr: u64) -> Option<(Range<u64>, &Vma)> {
        let (&start, vma) = self.areas.range(..=addr).next_back()?;
        (addr < vma.end).then_some((start..vma.end, vma))
    }

    /// What an area is in `range`, which has to be inside it.
    #[must_use]
    pub fn part(&self, range: &Range<u64>) -> Option<Vma> {
        let (area, vma) = self.find(range.start).filter(|(area, _)| range.end <= area.end)?;
        Some(Vma { end: range.end, ..vma.advanced(range.start - area.start) })
    }

    /// The first area that begins at or after an address.
    #[must_use]
    pub fn next_from(&self, addr: u64) -> Option<(Range<u64>, &Vma)> {
        self.areas.range(addr..).next().map(|(&start, vma)| (start..vma.end, vma))
    }

    /// The last area that ends at or before an address.
    #[must_use]
    pub fn prev_before(&self, addr: u64) -> Option<(Range<u64>, &Vma)> {
        self.areas.range(..addr).next_back().map(|(&s, v)| (s..v.end, v)).filter(|(r, _)| r.end <= addr)
    }

    /// The parts of areas inside `range`, in order.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, &Vma)> {
        let first = self.find(range.start).map_or(range.start, |(r, _)| r.start);
        self.areas
            .range(first..range.end.max(first))
            .map(move |(&start, vma)| (start.max(range.start)..vma.end.min(range.end), vma))
            .filter(|(r, _)| r.start < r.end)
    }

    /// Whether areas cover `range` without a gap.
    #[must_use]
    pub fn covers(&self, range: Range<u64>) -> bool {
        let mut at = range.start;
        for (r, _) in self.within(range.clone()) {
            if r.start != at {
                return false;
            }
            at = r.end;
        }
        at >= range.end
    }

    /// Whether nothing is in `range`.
    #[must_use]
    pub fn is_free(&self, range: Range<u64>) -> bool {
        self.within(range).next().is_none()
    }

    fn split(&mut self, at: u64) {
        let Some((range, _)) = self.find(at) else { return };
        if range.start == at {
            return;
        }
        if let Some(vma) = self.areas.get_mut(&range.start) {
            let rest = vma.advanced(at - range.start);
            vma.end = at;
            self.areas.insert(at, rest);
        }
    }

    /// Takes everything in `range` out.
    pub fn remove(&mut self, range: Range<u64>) -> Vec<(Range<u64>, Vma)> {
        self.changes += 1;
        self.split(range.start);
        self.split(range.end);
        let starts: Vec<u64> = self.areas.range(range).map(|(&s, _)| s).collect();
        let removed =
            starts.into_iter().filter_map(|s| self.areas.remove(&s).map(|v| (s..v.end, v))).collect();
        self.counted.set(self.areas.len());
        removed
    }

    /// Puts an area into a free range.
    pub fn insert(&mut self, start: u64, vma: Vma) {
        self.changes += 1;
        let end = vma.end;
        debug_assert!(self.is_free(start..end));
        self.areas.insert(start, vma);
        self.merge(end);
        self.merge(start);
        self.counted.set(self.areas.len());
    }

    /// Merges the areas that meet at an address, if they are alike.
    fn merge(&mut self, at: u64) {
        let Some(next) = self.areas.get(&at) else { return };
        let Some((&start, vma)) = self.areas.range(..at).next_back() else { return };
        if vma.end != at || !vma.merges_with(start, next) {
            return;
        }
        let end = next.end;
        self.areas.remove(&at);
        if let Some(vma) = self.areas.get_mut(&start) {
            vma.end = end;
        }
    }

    /// Changes all areas in `range`, splitting and merging as needed.
    pub fn update(&mut self, range: Range<u64>, mut change: impl FnMut(&mut Vma)) {
        self.changes += 1;
        self.split(range.start);
        self.split(range.end);
        let mut edges = vec![range.start];
        for (_, vma) in self.areas.range_mut(range) {
            change(vma);
            edges.push(vma.end);
        }
        for at in edges {
            self.merge(at);
        }
        self.counted.set(self.areas.len());
    }

    /// The highest free range of `len` bytes inside `window`, whose neighbours above keep their stack gap.
    #[must_use]
    pub fn find_gap_top_down(&self, window: Range<u64>, len: u64) -> Option<u64> {
        let mut top = window.end;
        let mut below = self.areas.range(..window.end).rev();
        loop {
            let (start, end) = match below.next() {
                Some((&start, vma)) => (start.saturating_sub(stack_gap(vma)), vma.end),
                None => (0, 0),
            };
            let bottom = end.max(window.start);
            if top >= bottom && top - bottom >= len {
                return Some(top - len);
            }
            if end <= window.start {
                return None;
            }
            top = top.min(start);
            if top < window.start.saturating_add(len) {
                return None;
            }
        }
    }

    /// The lowest free range of `len` bytes inside `window`.
    #[must_use]
    pub fn find_gap_bottom_up(&self, window: Range<u64>, len: u64) -> Option<u64> {
        let mut at = self.find(window.start).map_or(window.start, |(r, _)| r.end);
        for (&start, vma) in self.areas.range(at..) {
            if start.saturating_sub(stack_gap(vma)) >= at.checked_add(len)? {
                break;
            }
            at = vma.end;
        }
        (at.checked_add(len)? <= window.end).then_some(at)
    }
}

/// Bytes that stay free below an area that grows down (`stack_guard_gap`).
pub const STACK_GUARD_GAP: u64 = 256 * 4096;

fn stack_gap(vma: &Vma) -> u64 {
    if vma.flags.contains(VmFlags::GROWSDOWN) { STACK_GUARD_GAP } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anon(end: u64, prot: Prot) -> Vma {
        Vma { end, prot, max_prot: Prot::all(), flags: VmFlags::empty(), file: None }
    }

    fn ranges(set: &VmaSet) -> Vec<(u64, u64)> {
        set.iter().map(|(r, _)| (r.start, r.end)).collect()
    }

    #[test]
    fn neighbours_merge_and_split() {
        let mut set = VmaSet::default();
        set.insert(0x1000, anon(0x2000, Prot::READ));
        set.insert(0x3000, anon(0x4000, Prot::READ));
        set.insert(0x2000, anon(0x3000, Prot::READ));
        assert_eq!(ranges(&set), vec![(0x1000, 0x4000)]);
        set.update(0x2000..0x3000, |v| v.prot = Prot::WRITE);
        assert_eq!(ranges(&set), [(0x1000, 0x2000), (0x2000, 0x3000), (0x3000, 0x4000)]);
        set.update(0x2000..0x3000, |v| v.prot = Prot::READ);
        assert_eq!(ranges(&set), vec![(0x1000, 0x4000)]);
        let removed = set.remove(0x1800..0x2800);
        assert_eq!(removed.len(), 1);
        assert_eq!(ranges(&set), [(0x1000, 0x1800), (0x2800, 0x4000)]);
        assert!(!set.covers(0x1000..0x3000) && set.covers(0x3000..0x4000));
    }

    #[test]
    fn gaps_are_found_from_both_ends() {
        let mut set = VmaSet::default();
        set.insert(0x8000, anon(0x9000, Prot::READ));
        assert_eq!(set.find_gap_top_down(0x1000..0xa000, 0x1000), Some(0x9000));
        assert_eq!(set.find_gap_top_down(0x1000..0xa000, 0x2000), Some(0x6000));
        assert_eq!(set.find_gap_top_down(0x1000..0xa000, 0x8000), None);
        assert_eq!(set.find_gap_bottom_up(0x1000..0xa000, 0x1000), Some(0x1000));
        assert_eq!(set.find_gap_bottom_up(0x2000..0xa000, 0x6000), Some(0x2000));
        assert_eq!(set.find_gap_bottom_up(0x8000..0xa000, 0x1000), Some(0x9000));
        assert_eq!(set.find_gap_bottom_up(0x2000..0xa000, 0x7000), None);
    }
}
