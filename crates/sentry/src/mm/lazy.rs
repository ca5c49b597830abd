//! Memory that an image is mapped into.
//!
//! A restored address space has its pages from the image, mapped privately: nothing is read before it is used, and
//! sandboxes share what they do not write to. To the guest it is the memory that it was; the host would have it that of a file,
//! and give the image's bytes again once the guest has thrown them away. So it is remembered where an image is mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_platform::{MemoryOp, Prot};

use super::manager::{MemoryManager, State, host_prot};
use super::vma::Vma;
use crate::task::Kernel;

/// Bytes copied at once.
const CHUNK: u64 = 256 * 1024;

/// Ranges of an address space that an image is mapped into, and where they begin in it.
#[derive(Clone, Default)]
pub(super) struct Lazy {
    ranges: BTreeMap<u64, Mapped>,
    kernel: Weak<Kernel>,
}

#[derive(Clone)]
struct Mapped {
    end: u64,
    place: Place,
}

/// A place in an image.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
}

impl Place {
    pub(super) fn advanced(&self, by: u64) -> Self {
        Self { file: Arc::clone(&self.file), offset: self.offset + by }
    }
}

/// A part of a range, and the place that is mapped there, if one is.
pub(super) type Part = (Range<u64>, Option<Place>);

impl Lazy {
    /// None yet; a `kernel` learns if an image cannot be read.
    pub(super) fn new(kernel: &Arc<Kernel>) -> Self {
        Self { ranges: BTreeMap::new(), kernel: Arc::downgrade(kernel) }
    }

    /// A range, over whatever there was.
    pub(super) fn insert(&mut self, range: Range<u64>, place: Place) {
        self.remove(range.clone());
        self.ranges.insert(range.start, Mapped { end: range.end, place });
    }

    /// Nothing is mapped in `range` any longer.
    pub(super) fn remove(&mut self, range: Range<u64>) {
        self.split(range.start);
        self.split(range.end);
        if self.ranges.range(range.clone()).next().is_some() {
            self.ranges.retain(|start, _| !range.contains(start));
        }
    }

    fn split(&mut self, at: u64) {
        if let Some((&start, mapped)) = self.ranges.range_mut(..at).next_back()
            && at < mapped.end
        {
            let rest = Mapped { end: mapped.end, place: mapped.place.advanced(at - start) };
            mapped.end = at;
            self.ranges.insert(at, rest);
        }
    }

    /// What is mapped inside `range`, in order.
    pub(super) fn within(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, Place)> {
        let before = self.ranges.range(..range.start).next_back();
        let first = before.filter(|(_, mapped)| mapped.end > range.start).map_or(range.start, |(&at, _)| at);
        self.ranges.range(first..range.end.max(first)).map(move |(&at, mapped)| {
            let start = at.max(range.start);
            (start..mapped.end.min(range.end), mapped.place.advanced(start - at))
        })
    }

    /// `range` in parts with and without an image.
    pub(super) fn parts(&self, range: Range<u64>) -> Vec<Part> {
        let (mut parts, mut at): (Vec<Part>, u64) = (Vec::new(), range.start);
        for (mapped, place) in self.within(range.clone()) {
            if at < mapped.start {
                parts.push((at..mapped.start, None));
            }
            at = mapped.end;
            parts.push((mapped, Some(place)));
        }
        if at < range.end {
            parts.push((at..range.end, None));
        }
        parts
    }

    fn find(&self, addr: u64) -> Option<Place> {
        self.within(addr..addr.checked_add(1)?).next().map(|(_, place)| place)
    }
}

impl MemoryManager {
    /// Has a part of one area be as if nobody had ever written to it.
    pub(super) fn renew(&self, state: &mut State, range: &Range<u64>) -> Result<(), Errno> {
        let vma = state.vmas.part(range).ok_or(Errno::ENOMEM)?;
        self.map_host(range, &vma, false)?;
        state.lazy.remove(range.clone());
        Ok(())
    }

    /// Has the host drop what is in a range: that it does with its own pages, but those of an image would come again.
    pub(super) fn discard(
        &self,
        state: &mut State,
        range: Range<u64>,
        drop: impl Fn(Range<u64>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        for (part, place) in state.lazy.parts(range) {
            if place.is_none() {
                drop(part)?;
                continue;
            }
            let areas: Vec<Range<u64>> = state.vmas.within(part).map(|(range, _)| range).collect();
            areas.into_iter().try_for_each(|range| self.renew(state, &range))?;
        }
        Ok(())
    }

    /// Copies what is of an image in `range`, for what the host allows with memory alone.
    pub(super) fn detach(&self, state: &mut State, range: Range<u64>) -> Result<(), Errno> {
        let parts: Vec<_> = state.lazy.within(range).collect();
        let kernel = state.lazy.kernel.clone();
        for (part, place) in parts {
            let areas: Vec<Range<u64>> = state.vmas.within(part.clone()).map(|(range, _)| range).collect();
            for range in areas {
                let vma = state.vmas.part(&range).ok_or(Errno::ENOMEM)?;
                let at = part.start;
                self.fill(&range, &vma, |addr, bytes| {
                    place.file.read_exact_at(bytes, place.offset + (addr - at)).map_err(|_| {
                        kernel.upgrade().iter().for_each(|kernel| kernel.wait_without_image());
                        Errno::EIO
                    })
                })?;
                state.lazy.remove(range);
            }
        }
        Ok(())
    }

    /// Maps a part of an area anew, with bytes that `read` gives.
    pub(super) fn fill(
        &self,
        range: &Range<u64>,
        vma: &Vma,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let open = Prot::READ | Prot::WRITE;
        self.map_host(range, &Vma { prot: open, ..vma.clone() }, false)?;
        let mut buffer = vec![0; CHUNK.min(range.end - range.start) as usize];
        let mut at = range.start;
        while at < range.end {
            let bytes = &mut buffer[..CHUNK.min(range.end - at) as usize];
            read(at, bytes)?;
            if self.space.write(at, bytes)? != bytes.len() {
                return Err(Errno::EFAULT);
            }
            at += bytes.len() as u64;
        }
        let prot = host_prot(vma.prot);
        let protect = (prot != open).then(|| MemoryOp::Protect(range.clone(), prot));
        self.space.apply(protect.as_slice()).map_err(|(_, e)| e)
    }

    /// Whether an image is mapped at an address and has no byte there any longer. Then the sandbox ends.
    pub(super) fn is_lost(&self, addr: u64) -> bool {
        let state = self.state.lock();
        let Some(place) = state.lazy.find(addr) else { return false };
        if matches!(place.file.read_at(&mut [0], place.offset), Ok(1)) {
            return false;
        }
        let kernel = state.lazy.kernel.upgrade();
        drop(state);
        if let Some(kernel) = kernel {
            kernel.lose_image();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lazy(ranges: &[(u64, u64, u64)]) -> Lazy {
        let file = Arc::new(File::open("/dev/null").unwrap());
        let mut lazy = Lazy::default();
        for &(start, end, offset) in ranges {
            lazy.insert(start..end, Place { file: Arc::clone(&file), offset });
        }
        lazy
    }

    fn all(lazy: &Lazy) -> Vec<(u64, u64, u64)> {
        lazy.within(0..u64::MAX).map(|(range, place)| (range.start, range.end, place.offset)).collect()
    }

    #[test]
    fn ranges_are_cut() {
        let mut ranges = lazy(&[(10, 20, 100), (20, 30, 500)]);
        ranges.remove(0..10);
        ranges.remove(30..40);
        assert_eq!(all(&ranges), [(10, 20, 100), (20, 30, 500)]);
        ranges.remove(12..15);
        assert_eq!(all(&ranges), [(10, 12, 100), (15, 20, 105), (20, 30, 500)]);
        let parts = ranges.parts(5..27).into_iter().map(|(r, p)| (r.start, r.end, p.map(|p| p.offset)));
        let expected =
            [(5, 10, None), (10, 12, Some(100)), (12, 15, None), (15, 20, Some(105)), (20, 27, Some(500))];
        assert_eq!(parts.collect::<Vec<_>>(), expected);
        assert_eq!(ranges.find(18).map(|place| place.offset), Some(108));
        assert!(ranges.find(12).is_none() && ranges.find(9).is_none() && ranges.find(30).is_none());
        ranges.insert(0..50, lazy(&[(0, 1, 7)]).find(0).unwrap());
        assert_eq!(all(&ranges), [(0, 50, 7)]);
    }

    #[test]
    fn an_empty_one_is_one_part() {
        assert_eq!(Lazy::default().parts(3..9).len(), 1);
    }
}
