//! Copying an address space for clone(2) without CLONE_VM.

use stockade_abi::Errno;
use stockade_platform::{Advice, MemoryOp};

use super::manager::{MemoryManager, State};
use super::vma::VmFlags;
use crate::vfs::quota::AREAS;

impl MemoryManager {
    /// A copy: private memory copied on write, shared memory shared, MADV_DONTFORK left out, MADV_WIPEONFORK zeroed.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM when the host has no more.
    pub fn fork(&self) -> Result<Self, Errno> {
        let state = self.state.lock();
        if !AREAS.has_room(state.vmas.len()) {
            return Err(Errno::ENOMEM);
        }
        let space = self.space.fork()?;
        let mut copy = State {
            vmas: state.vmas.clone(),
            image: state.image,
            brk: state.brk,
            lock_future: VmFlags::empty(),
            total: state.total,
            peak: state.total,
            auxv: state.auxv.clone(),
            executable: state.executable.clone(),
            empty_string: None,
            lazy: state.lazy.clone(),
        };
        let left_out: Vec<_> =
            copy.vmas.iter().filter(|(_, v)| v.flags.contains(VmFlags::DONTFORK)).map(|(r, _)| r).collect();
        for range in left_out {
            copy.lazy.remove(range.clone());
            let gone: u64 = copy.vmas.remove(range).iter().map(|(r, _)| r.end - r.start).sum();
            copy.account(0, gone);
        }
        // Locks are not inherited (mlock(2)).
        let locked: Vec<_> =
            copy.vmas.iter().filter(|(_, v)| v.flags.contains(VmFlags::LOCKED)).map(|(r, _)| r).collect();
        for range in locked {
            copy.vmas.update(range, |v| v.flags.remove(VmFlags::LOCKED | VmFlags::LOCKONFAULT));
        }
        for (range, vma) in copy.vmas.iter() {
            super::manager::note_writable(&range, vma, true);
        }
        drop(state);
        let copy = Self::with_state(space, self.layout.clone(), copy);
        copy.register_barrier(self.registered_barriers());
        copy.refuse_exec_gain(self.inherited_exec_gain().into())?;
        copy.wipe_images()?;
        copy.note_stack_limit(self.stack_limit.load(std::sync::atomic::Ordering::Relaxed));
        Ok(copy)
    }

    /// MADV_WIPEONFORK, where it is an image that is mapped: there the host does not know it.
    fn wipe_images(&self) -> Result<(), Errno> {
        let mut state = self.state.lock();
        let wiped = state.vmas.iter().filter(|(_, vma)| vma.flags.contains(VmFlags::WIPEONFORK));
        let parts = wiped.flat_map(|(range, _)| state.lazy.within(range)).map(|(range, _)| range);
        let parts: Vec<_> = parts.collect();
        parts.into_iter().try_for_each(|range| self.renew(&mut state, &range))
    }

    /// Whether advice is one the host's own fork carries out.
    pub(super) fn advise_host(&self, range: std::ops::Range<u64>, advice: Advice) -> Result<(), Errno> {
        self.space.apply(&[MemoryOp::Advise(range, advice)]).map_err(|(_, e)| e)
    }
}

impl Drop for MemoryManager {
    fn drop(&mut self) {
        // Files with writable mappings learn that these are gone.
        for (range, vma) in self.state.lock().vmas.iter() {
            super::manager::note_writable(&range, vma, false);
        }
    }
}
