//! Restoring the pages of an address space: mapping them, from an image.

use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::{Backing, MemoryOp};

use super::lazy::{Lazy, Place};
use super::manager::{MemoryManager, State, host_prot, is_page_aligned};
use super::vma::{VmFlags, Vma};
use crate::persist::{PageObject, PageRun, PageSource, RestoreError};
use crate::task::Kernel;

/// Parts of areas that are mapped from an image at most; further ones are copied. Each may make three mappings of one,
/// and the host has no more than 65530 for an address space (`vm.max_map_count`).
const MAX_MAPPED: usize = 16 * 1024;

/// Pages that are part of one area.
struct Pages {
    range: Range<u64>,
    data: u64,
    vma: Vma,
    place: Option<Place>,
}

impl MemoryManager {
    /// Maps its areas, and its own pages into them.
    pub(crate) fn restore_pages(
        &self,
        object: PageObject,
        source: &mut dyn PageSource,
        kernel: &Arc<Kernel>,
    ) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("memory cannot be mapped", e);
        let mut state = self.state.lock();
        state.lazy = Lazy::new(kernel);
        let mut pages = state.pages(source, object)?;
        if pages.len() > MAX_MAPPED {
            // The longest are those that it is worth for.
            let mut order: Vec<&mut Pages> = pages.iter_mut().collect();
            order.sort_by_key(|pages| std::cmp::Reverse(pages.len()));
            order.into_iter().skip(MAX_MAPPED).for_each(|pages| pages.place = None);
        }
        self.map_beneath(&state, &pages).map_err(refused)?;
        self.map_images(&mut state, &mut pages).map_err(refused)?;
        for pages in pages.iter().filter(|pages| pages.place.is_none()) {
            let fill = self.fill(&pages.range, &pages.vma, |at, bytes| {
                source.read(pages.data + (at - pages.range.start), bytes).map_err(|_| Errno::EIO)
            });
            fill.map_err(refused)?;
        }
        Ok(())
    }

    /// Maps what there would be without an image; what is covered by one needs nothing beneath.
    fn map_beneath(&self, state: &State, pages: &[Pages]) -> Result<(), Errno> {
        let mut areas = Vec::new();
        for (range, vma) in state.vmas.iter() {
            let first = pages.partition_point(|p| p.range.start < range.start);
            if !pages.get(first).is_some_and(|p| p.range == range && p.place.is_some()) {
                let mut vma = vma.clone();
                // That it is in memory was seen to once.
                vma.flags.remove(VmFlags::LOCKED);
                let fd = Self::host_fd(&vma)?;
                areas.push((range, vma, fd));
            }
        }
        let ops = areas.iter().flat_map(|(range, vma, fd)| Self::map_ops(range, vma, fd.as_deref(), false));
        self.space.apply(&ops.collect::<Vec<_>>()).map_err(|(_, e)| e)
    }

    /// Maps pages from images. Those that the host does not map are left without a place.
    fn map_images(&self, state: &mut State, pages: &mut [Pages]) -> Result<(), Errno> {
        let mut refused = Vec::new();
        {
            let mapped: Vec<(usize, &Pages, &Place)> =
                pages.iter().enumerate().filter_map(|(i, p)| Some((i, p, p.place.as_ref()?))).collect();
            let ops: Vec<MemoryOp<'_>> = mapped.iter().map(|(_, p, place)| p.map(place)).collect();
            let mut done = 0;
            while let Err((i, e)) = self.space.apply(&ops[done..]) {
                let vma = &mapped[done + i].1.vma;
                // Not even private copies may be executed where no programs may be (MS_NOEXEC).
                if e != Errno::EPERM || !vma.prot.contains(stockade_platform::Prot::EXEC) {
                    return Err(e);
                }
                refused.push(mapped[done + i].0);
                done += i + 1;
            }
        }
        refused.into_iter().for_each(|i| pages[i].place = None);
        for pages in &*pages {
            if let Some(place) = &pages.place {
                state.lazy.insert(pages.range.clone(), place.clone());
            }
        }
        let advice = pages.iter().filter(|p| p.place.is_some());
        let advice =
            advice.flat_map(|p| p.vma.advice().map(|advice| MemoryOp::Advise(p.range.clone(), advice)));
        self.space.apply(&advice.collect::<Vec<_>>()).map_err(|(_, e)| e)
    }
}

impl Pages {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn map<'a>(&self, place: &'a Place) -> MemoryOp<'a> {
        MemoryOp::Map {
            range: self.range.clone(),
            prot: host_prot(self.vma.prot),
            backing: Backing::Private(place.file.as_fd(), place.offset),
            no_reserve: self.vma.flags.contains(VmFlags::NORESERVE),
            populate: false,
        }
    }
}

impl State {
    /// What there is for its areas. Nothing of it is believed.
    fn pages(&self, source: &dyn PageSource, object: PageObject) -> Result<Vec<Pages>, RestoreError> {
        let mut pages = Vec::new();
        let mut end = 0;
        for PageRun { address, length, data } in source.runs(object) {
            let wrong = |what: &str| RestoreError::new(format!("pages at {address:#x} {what}"));
            let next = address.checked_add(length).filter(|&next| next > address && address >= end);
            let next = next.ok_or_else(|| wrong("are not in order"))?;
            if ![address, length].into_iter().all(is_page_aligned) || data.checked_add(length).is_none() {
                return Err(wrong("are not whole"));
            }
            let mut at = address;
            for (range, vma) in self.vmas.within(address..next) {
                if range.start != at || !vma.has_kept_pages() {
                    break;
                }
                at = range.end;
                let vma = self.vmas.part(&range).ok_or_else(|| wrong("are in no area"))?;
                let data = data + (range.start - address);
                let place = source.file(data).map(|(file, offset)| Place { file, offset });
                pages.push(Pages { range, data, vma, place });
            }
            if at != next {
                return Err(wrong("are in no area"));
            }
            end = next;
        }
        Ok(pages)
    }
}
