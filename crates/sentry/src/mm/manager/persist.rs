//! The saved form of [`MemoryManager`], and the pages of its areas.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{MemoryOp, Prot};

use super::{IDS, ImageLayout, MemoryManager, State, host_prot, is_page_aligned};
use crate::mm::persist::MappableState;
use crate::mm::vma::{FileBacking, MAX_MAP_COUNT, VmFlags, Vma, VmaSet};
use crate::persist::{
    Component, Id, PageObject, PageSink, PageSource, RestoreError, Restorer, SaveError, Saver, Unsavable,
};
use crate::vfs::file::FileState;
use crate::vfs::mount::PathState;
use crate::vfs::quota::AREAS;

/// Bytes moved at once.
const CHUNK: u64 = 256 * 1024;
/// More than any auxiliary vector has.
const MAX_AUXV: usize = 4096;

/// A [`MemoryManager`].
#[derive(Debug, Serialize, Deserialize)]
pub struct MemoryManagerState {
    id: u64,
    areas: Vec<AreaState>,
    image: ImageLayout,
    brk: u64,
    lock_future: u32,
    peak: u64,
    auxv: ByteBuf,
    executable: Option<Id<FileState>>,
    barriers: u32,
    stack_limit: u64,
}

/// A [`Vma`].
#[derive(Debug, Serialize, Deserialize)]
struct AreaState {
    start: u64,
    end: u64,
    prot: u8,
    max_prot: u8,
    flags: u32,
    file: Option<BackingState>,
}

/// A [`FileBacking`].
#[derive(Debug, Serialize, Deserialize)]
struct BackingState {
    object: Id<MappableState>,
    offset: u64,
    path: Option<PathState>,
}

impl AreaState {
    fn save(range: &Range<u64>, vma: &Vma, saver: &mut Saver) -> Self {
        Self {
            start: range.start,
            end: range.end,
            prot: vma.prot.bits(),
            max_prot: vma.max_prot.bits(),
            flags: vma.flags.bits(),
            file: vma.file.as_ref().map(|file| BackingState {
                object: saver.id(&file.object),
                offset: file.offset,
                path: file.path.as_ref().map(|path| PathState::save(path, saver)),
            }),
        }
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Vma, RestoreError> {
        let wrong = |what: &str| RestoreError::new(format!("the area at {:#x} {what}", self.start));
        let prot = |bits| Prot::from_bits(bits).ok_or_else(|| wrong("has unknown access"));
        let flags = VmFlags::from_bits(self.flags).ok_or_else(|| wrong("has unknown flags"))?;
        let file = match self.file {
            None if flags.contains(VmFlags::SHARED) => return Err(wrong("is shared and of nothing")),
            None => None,
            Some(file) => {
                let end = file.offset.checked_add(self.end - self.start);
                if !is_page_aligned(file.offset) || end.is_none_or(|end| i64::try_from(end).is_err()) {
                    return Err(wrong("has an offset that no file has"));
                }
                let path = file.path.map(|path| path.restore(restorer)).transpose()?;
                Some(FileBacking { object: restorer.get(file.object)?, offset: file.offset, path })
            }
        };
        Ok(Vma { end: self.end, prot: prot(self.prot)?, max_prot: prot(self.max_prot)?, flags, file })
    }
}

impl Component for MemoryManagerState {
    type Object = Arc<MemoryManager>;

    fn save(mm: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let state = mm.state.lock();
        Ok(Self {
            id: mm.id,
            areas: state.vmas.iter().map(|(range, vma)| AreaState::save(&range, vma, saver)).collect(),
            image: state.image,
            brk: state.brk,
            lock_future: state.lock_future.bits(),
            peak: state.peak,
            auxv: ByteBuf::from(state.auxv.clone()),
            executable: state.executable.as_ref().map(|file| saver.id(file)),
            barriers: mm.registered_barriers(),
            stack_limit: mm.stack_limit.load(Ordering::Relaxed),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        IDS.note(self.id);
        let platform = Arc::clone(&restorer.kernel().platform);
        let layout = platform.layout().clone();
        let too_many = self.areas.len() > MAX_MAP_COUNT || !AREAS.has_room(self.areas.len());
        if too_many || self.auxv.len() > MAX_AUXV {
            return Err(RestoreError::new("it has too many areas"));
        }
        let mut areas: Vec<(u64, Vma)> = Vec::with_capacity(self.areas.len());
        for area in self.areas {
            let start = area.start;
            let after = areas.last().map_or(layout.usable.start, |(_, vma)| vma.end);
            let inside = start >= after && start < area.end && area.end <= layout.usable.end;
            let taken = layout.reserved.iter().any(|r| r.start < area.end && start < r.end);
            if !inside || taken || !is_page_aligned(start) || !is_page_aligned(area.end) {
                return Err(RestoreError::new(format!("no area can be at {start:#x}")));
            }
            areas.push((start, area.restore(restorer)?));
        }
        let lock_future = VmFlags::from_bits(self.lock_future);
        let mut state = State {
            vmas: VmaSet::default(),
            image: self.image,
            brk: self.brk,
            lock_future: lock_future.ok_or_else(|| RestoreError::new("unknown flags"))?,
            total: 0,
            peak: self.peak,
            auxv: self.auxv.into_vec(),
            executable: self.executable.map(|file| restorer.get(file)).transpose()?,
            empty_string: None,
        };
        let space = platform.new_address_space();
        let space = space.map_err(|e| RestoreError::refused("the host has no more processes", e))?;
        for (start, vma) in areas {
            state.put_in(start, vma);
        }
        let mut mm = MemoryManager::with_state(space, layout, state);
        mm.id = self.id;
        // Processes that have it count themselves.
        mm.processes.store(0, Ordering::Relaxed);
        mm.register_barrier(self.barriers);
        mm.note_stack_limit(self.stack_limit);
        Ok(Arc::new(mm))
    }
}

impl MemoryManager {
    /// Whether the pages of an area are this address space's own.
    fn has_own_pages(vma: &Vma) -> bool {
        !vma.flags.intersects(VmFlags::SHARED | VmFlags::VDSO)
    }

    /// Saves its own pages.
    pub(crate) fn save_pages(&self, object: PageObject, sink: &mut dyn PageSink) -> Result<(), SaveError> {
        let areas = self.areas();
        for (range, vma) in areas.iter().filter(|(_, vma)| Self::has_own_pages(vma)) {
            let hidden = !vma.prot.contains(Prot::READ);
            let error = |at, error| SaveError::Memory { object, at, error };
            let protect = |prot| {
                let change = MemoryOp::Protect(range.clone(), prot);
                self.space.apply(&[change]).map_err(|(_, e)| error(range.start, e))
            };
            if hidden {
                protect(Prot::READ)?;
            }
            // Zeros are there without being written, but over a file.
            let saved = self.save_range(range, |at, bytes| {
                let zeros = vma.is_anonymous() && bytes.iter().all(|&byte| byte == 0);
                if zeros { Ok(()) } else { sink.write(object, at.start, bytes) }
            });
            if hidden {
                protect(host_prot(vma.prot))?;
            }
            saved.map_err(|e| match e {
                Failure::Memory(at, e) => error(at, e),
                Failure::Sink(e) => SaveError::Write(e),
            })?;
        }
        Ok(())
    }

    fn save_range(
        &self,
        range: &Range<u64>,
        mut write: impl FnMut(Range<u64>, &[u8]) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; CHUNK as usize];
        let mut at = range.start;
        while at < range.end {
            let len = CHUNK.min(range.end - at);
            let chunk = &mut buffer[..len as usize];
            let n = match self.space.read(at, chunk) {
                Ok(n) => n / PAGE_SIZE as usize * PAGE_SIZE as usize,
                // Beyond the end of a file there are no pages.
                Err(Errno::EFAULT) => 0,
                Err(e) => return Err(Failure::Memory(at, e)),
            };
            if n == 0 {
                at += PAGE_SIZE;
                continue;
            }
            write(at..at + n as u64, &chunk[..n]).map_err(Failure::Sink)?;
            at += n as u64;
        }
        Ok(())
    }

    /// Maps its areas and puts its own pages back.
    pub(crate) fn restore_pages(
        &self,
        object: PageObject,
        source: &mut dyn PageSource,
    ) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("memory cannot be mapped", e);
        for (range, vma) in self.areas() {
            let open = Vma { prot: Prot::READ | Prot::WRITE, ..vma.clone() };
            let own = Self::has_own_pages(&vma);
            self.map_host(&range, if own { &open } else { &vma }, false).map_err(refused)?;
        }
        let mut buffer = vec![0; CHUNK as usize];
        for run in source.runs(object) {
            let covered = self.areas().into_iter().any(|(range, vma)| {
                Self::has_own_pages(&vma) && range.start <= run.address && run.end() <= range.end
            });
            if !covered {
                return Err(RestoreError::new(format!("pages at {:#x} are in no area", run.address)));
            }
            let mut at = run.address;
            while at < run.end() {
                let len = CHUNK.min(run.end() - at) as usize;
                let read = source.read(run.data + (at - run.address), &mut buffer[..len]);
                read.map_err(|e| RestoreError::new(format!("pages at {at:#x}: {e}")))?;
                if self.space.write(at, &buffer[..len]).map_err(refused)? != len {
                    return Err(refused(Errno::EFAULT));
                }
                at += len as u64;
            }
        }
        for (range, vma) in self.areas().into_iter().filter(|(_, vma)| Self::has_own_pages(vma)) {
            let protect = MemoryOp::Protect(range, host_prot(vma.prot));
            self.space.apply(&[protect]).map_err(|(_, e)| refused(e))?;
        }
        Ok(())
    }
}

enum Failure {
    Memory(u64, Errno),
    Sink(std::io::Error),
}
