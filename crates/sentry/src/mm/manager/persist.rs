//! The saved form of [`MemoryManager`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_platform::Prot;

use super::{IDS, ImageLayout, Lazy, MemoryManager, State, is_page_aligned};
use crate::mm::persist::MappableState;
use crate::mm::vma::{FileBacking, MAX_MAP_COUNT, VmFlags, Vma, VmaSet};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::file::FileState;
use crate::vfs::mount::PathState;
use crate::vfs::quota::AREAS;

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
    #[serde(default)]
    exec_gain: u32,
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
            exec_gain: mm.exec_gain(),
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
            lazy: Lazy::default(),
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
        let refused = mm.refuse_exec_gain(self.exec_gain.into());
        refused.map_err(|_| RestoreError::new("it refuses what no memory can"))?;
        mm.note_stack_limit(self.stack_limit);
        Ok(Arc::new(mm))
    }
}
