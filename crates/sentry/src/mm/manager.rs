//! The memory of a guest process: its areas and the address space of the platform that holds the pages.

mod persist;

use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::sync::Mutex;
use stockade_platform::{AddressSpace, Backing, Layout, MemoryOp, Prot};

use super::lazy::Lazy;
use super::mappable::Mappable;
use super::vma::{FileBacking, VmFlags, Vma, VmaSet};
use crate::persist::Counter;
use crate::vfs::{File, HostFd};

pub use persist::MemoryManagerState;

static IDS: Counter = Counter::from(1);

/// The limits that bind memory calls; infinity is `u64::MAX` (getrlimit(2)).
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// RLIMIT_AS
    pub address_space: u64,
    /// RLIMIT_DATA
    pub data: u64,
    /// RLIMIT_STACK
    pub stack: u64,
    /// RLIMIT_MEMLOCK; infinity with CAP_IPC_LOCK.
    pub locked: u64,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { address_space: u64::MAX, data: u64::MAX, stack: 8 << 20, locked: u64::MAX }
    }
}

/// Addresses that execve(2) decided on, for brk, `/proc/PID/stat` and the placement of mappings.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as the kernel's mm_struct")]
pub struct ImageLayout {
    pub mmap_base: u64,
    pub start_brk: u64,
    pub start_stack: u64,
    pub start_code: u64,
    pub end_code: u64,
    pub start_data: u64,
    pub end_data: u64,
    pub arg_start: u64,
    pub arg_end: u64,
    pub env_start: u64,
    pub env_end: u64,
}

pub(super) struct State {
    pub(super) vmas: VmaSet,
    pub(super) image: ImageLayout,
    pub(super) brk: u64,
    pub(super) lock_future: VmFlags,
    pub(super) total: u64,
    pub(super) peak: u64,
    pub(super) auxv: Vec<u8>,
    pub(super) executable: Option<Arc<File>>,
    /// Where an empty string was found in memory that is only read, and how often areas had been changed then.
    pub(super) empty_string: Option<(u64, u64)>,
    /// Where an image is mapped.
    pub(super) lazy: Lazy,
}

impl State {
    pub(super) fn account(&mut self, added: u64, removed: u64) {
        self.total = self.total.saturating_add(added).saturating_sub(removed);
        self.peak = self.peak.max(self.total);
    }

    pub(super) fn data(&self) -> u64 {
        self.vmas.iter().filter(|(_, v)| v.is_data()).map(|(r, _)| r.end - r.start).sum()
    }

    pub(super) fn locked(&self) -> u64 {
        self.vmas
            .iter()
            .filter(|(_, v)| v.flags.contains(VmFlags::LOCKED))
            .map(|(r, _)| r.end - r.start)
            .sum()
    }

    /// Takes areas out, telling files whose writable mappings go.
    pub(super) fn take_out(&mut self, range: Range<u64>) -> u64 {
        let mut bytes = 0;
        self.lazy.remove(range.clone());
        for (range, vma) in self.vmas.remove(range) {
            bytes += range.end - range.start;
            note_writable(&range, &vma, false);
        }
        self.account(0, bytes);
        bytes
    }

    pub(super) fn put_in(&mut self, start: u64, vma: Vma) {
        self.account(vma.end - start, 0);
        note_writable(&(start..vma.end), &vma, true);
        self.vmas.insert(start, vma);
    }
}

/// Tells a file of pages that appear or go, if they can be written through.
pub(super) fn note_writable(range: &Range<u64>, vma: &Vma, appears: bool) {
    if let Some(file) = &vma.file
        && vma.flags.contains(VmFlags::SHARED)
        && vma.max_prot.contains(Prot::WRITE)
    {
        let pages = (range.end - range.start) / PAGE_SIZE;
        if !appears {
            file.object.remove_writable_pages(pages);
        } else if file.object.add_writable_pages(pages).is_err() {
            // Whoever maps has counted some already, so that no seal can come between.
            tracing::error!("a sealed file is mapped writable");
        }
    }
}

/// An object, and an offset in it.
pub type Place = (Arc<dyn Mappable>, u64);

/// The memory of a guest process, shared by all tasks with CLONE_VM.
pub struct MemoryManager {
    id: u64,
    pub(super) space: Arc<dyn AddressSpace>,
    pub(super) layout: Layout,
    pub(super) state: Mutex<State>,
    processes: AtomicUsize,
    /// Commands of membarrier(2) that it is registered for.
    pub(super) barriers: AtomicU32,
    /// PR_MDWE_ bits.
    pub(super) exec_gain: AtomicU32,
    /// RLIMIT_STACK as last seen: how far the sentry's own copies may grow the stack.
    pub(super) stack_limit: AtomicU64,
}

/// A request to map (mmap(2)), its arguments checked for form.
#[derive(Clone)]
pub struct MapRequest {
    /// Hint, or the place with `fixed`.
    pub addr: u64,
    /// Bytes, a multiple of the page size, not zero.
    pub len: u64,
    /// Access.
    pub prot: Prot,
    /// Access that mprotect(2) may give later.
    pub max_prot: Prot,
    /// Properties.
    pub flags: VmFlags,
    /// MAP_FIXED
    pub fixed: bool,
    /// MAP_FIXED_NOREPLACE
    pub no_replace: bool,
    /// MAP_32BIT
    pub low: bool,
    /// MAP_POPULATE
    pub populate: bool,
    /// None: anonymous.
    pub file: Option<FileBacking>,
}

impl MapRequest {
    /// Private anonymous memory anywhere.
    #[must_use]
    pub fn anonymous(len: u64, prot: Prot) -> Self {
        Self {
            addr: 0,
            len,
            prot,
            max_prot: Prot::all(),
            flags: VmFlags::empty(),
            fixed: false,
            no_replace: false,
            low: false,
            populate: false,
            file: None,
        }
    }
}

/// `PROT_` bits as mmap(2) and mprotect(2) take them; unknown ones are dropped, as Linux does.
#[must_use]
pub fn prot_from_bits(bits: u64) -> Prot {
    Prot::from_bits_truncate((bits & 7) as u8)
}

/// Access as the host is asked for it. What a processor can write it can read, but the host's calls that copy guest memory
/// go by the mapping.
#[must_use]
pub(super) fn host_prot(prot: Prot) -> Prot {
    if prot.contains(Prot::WRITE) { prot | Prot::READ } else { prot }
}

/// Rounds up to whole pages.
#[must_use]
pub fn page_align_up(n: u64) -> Option<u64> {
    Some(n.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1))
}

/// Whether an address is at the start of a page.
#[must_use]
pub fn is_page_aligned(n: u64) -> bool {
    n.is_multiple_of(PAGE_SIZE)
}

impl MemoryManager {
    /// An empty one over a fresh address space.
    #[must_use]
    pub fn new(space: Arc<dyn AddressSpace>, layout: &Layout) -> Self {
        let image = ImageLayout { mmap_base: layout.usable.end, ..ImageLayout::default() };
        let state = State {
            vmas: VmaSet::default(),
            image,
            brk: 0,
            lock_future: VmFlags::empty(),
            total: 0,
            peak: 0,
            auxv: Vec::new(),
            executable: None,
            empty_string: None,
            lazy: Lazy::default(),
        };
        Self::with_state(space, layout.clone(), state)
    }

    pub(super) fn with_state(space: Arc<dyn AddressSpace>, layout: Layout, state: State) -> Self {
        Self {
            id: IDS.take(),
            space,
            layout,
            state: Mutex::new(state),
            processes: AtomicUsize::new(1),
            barriers: AtomicU32::new(0),
            exec_gain: AtomicU32::new(0),
            stack_limit: AtomicU64::new(8 << 20),
        }
    }

    /// A number that no other address space has had, for futex keys.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the pages are.
    #[must_use]
    pub fn space(&self) -> &Arc<dyn AddressSpace> {
        &self.space
    }

    /// What of the address space a guest may use.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The addresses that execve(2) decided on.
    #[must_use]
    pub fn image_layout(&self) -> ImageLayout {
        self.state.lock().image
    }

    /// Sets them, and the break.
    pub fn set_image_layout(&self, image: ImageLayout) {
        let mut state = self.state.lock();
        state.brk = image.start_brk;
        state.image = image;
    }

    /// The auxiliary vector, for `/proc/PID/auxv`.
    #[must_use]
    pub fn auxv(&self) -> Vec<u8> {
        self.state.lock().auxv.clone()
    }

    /// Sets the auxiliary vector that execve(2) built.
    pub fn set_auxv(&self, auxv: Vec<u8>) {
        self.state.lock().auxv = auxv;
    }

    /// The program (`/proc/PID/exe`).
    #[must_use]
    pub fn executable(&self) -> Option<Arc<File>> {
        self.state.lock().executable.clone()
    }

    /// Sets the program.
    pub fn set_executable(&self, file: Arc<File>) {
        self.state.lock().executable = Some(file);
    }

    /// Notes RLIMIT_STACK.
    pub fn note_stack_limit(&self, limit: u64) {
        self.stack_limit.store(limit, Ordering::Relaxed);
    }

    /// Another process shares it (CLONE_VM without CLONE_THREAD).
    pub fn share(&self) {
        self.processes.fetch_add(1, Ordering::AcqRel);
    }

    /// A process that had it ends or has executed another program.
    pub fn release(&self) {
        self.processes.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether any process has it.
    #[must_use]
    pub fn has_process(&self) -> bool {
        self.processes.load(Ordering::Acquire) > 0
    }

    /// Whether only one process has it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.processes.load(Ordering::Acquire) <= 1
    }

    /// Whether an empty string was found at an address, where nobody can have written since. C libraries' fstat(3) gives
    /// one with every call, and asking guest memory for it costs more than the rest.
    #[must_use]
    pub fn has_empty_string(&self, addr: u64) -> bool {
        let state = self.state.lock();
        state.empty_string == Some((addr, state.vmas.changes()))
    }

    /// An empty string was found at an address.
    pub fn note_empty_string(&self, addr: u64) {
        let mut state = self.state.lock();
        let constant = |vma: &Vma| !vma.prot.contains(Prot::WRITE) && !vma.flags.contains(VmFlags::SHARED);
        if state.vmas.find(addr).is_some_and(|(_, vma)| constant(vma)) {
            state.empty_string = Some((addr, state.vmas.changes()));
        }
    }

    /// All areas, in order.
    #[must_use]
    pub fn areas(&self) -> Vec<(Range<u64>, Vma)> {
        self.state.lock().vmas.iter().map(|(range, vma)| (range, vma.clone())).collect()
    }

    /// The most bytes that were ever mapped.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.state.lock().peak
    }

    /// Maps several areas at fixed places in one go, for a fresh image.
    ///
    /// # Errors
    /// As [`map`](Self::map); what was mapped before the failure stays.
    pub fn map_fixed_all(&self, requests: Vec<MapRequest>, limits: &MemoryLimits) -> Result<(), Errno> {
        // Before the lock, as in `map`.
        for file in requests.iter().filter_map(|r| r.file.as_ref()) {
            file.object.host_fd(false)?;
        }
        let mut state = self.state.lock();
        let mut areas = Vec::with_capacity(requests.len());
        let mut fds = Vec::with_capacity(requests.len());
        for request in &requests {
            let start = self.find_place(&state, request)?;
            self.check_exec_gain(request.prot, request.prot)?;
            if state.total.saturating_add(request.len) > limits.address_space {
                return Err(Errno::ENOMEM);
            }
            let vma = Vma {
                end: start + request.len,
                prot: request.prot,
                max_prot: request.max_prot,
                flags: request.flags,
                file: request.file.clone(),
            };
            fds.push(Self::host_fd(&vma)?);
            areas.push((start, vma));
        }
        let ops = areas.iter().zip(&fds);
        let ops = ops.flat_map(|((at, vma), fd)| Self::map_ops(&(*at..vma.end), vma, fd.as_deref(), false));
        let ops: Vec<MemoryOp<'_>> = ops.collect();
        self.space.apply(&ops).map_err(|(_, e)| e)?;
        for (start, vma) in areas {
            state.take_out(start..vma.end);
            state.put_in(start, vma);
        }
        Ok(())
    }

    /// mmap(2), after its arguments were checked for form. Returns the address.
    ///
    /// # Errors
    /// As mmap(2): ENOMEM, EEXIST, EPERM, EAGAIN, and what the file says.
    pub fn map(&self, mut request: MapRequest, limits: &MemoryLimits) -> Result<u64, Errno> {
        // A file becomes one that can be mapped before the lock is taken: it may have to wait for a write to it, which
        // may have to grow the stack it copies from.
        if let Some(file) = &request.file {
            file.object.host_fd(Self::writes_through(&request.flags, request.max_prot))?;
        }
        let mut state = self.state.lock();
        request.flags |= state.lock_future;
        let addr = self.find_place(&state, &request)?;
        let range = addr..addr + request.len;
        let replaced: u64 = state.vmas.within(range.clone()).map(|(r, _)| r.end - r.start).sum();
        if state.total.saturating_add(request.len) - replaced > limits.address_space {
            return Err(Errno::ENOMEM);
        }
        state.vmas.check_room(&range, 1)?;
        let vma = Vma {
            end: range.end,
            prot: request.prot,
            max_prot: request.max_prot,
            flags: request.flags,
            file: request.file.clone(),
        };
        if vma.is_data() && limits.data != u64::MAX && state.data().saturating_add(request.len) > limits.data
        {
            return Err(Errno::ENOMEM);
        }
        if request.flags.contains(VmFlags::LOCKED)
            && state.locked().saturating_add(request.len) > limits.locked
        {
            return Err(Errno::EAGAIN);
        }
        self.map_host(&range, &vma, request.populate)?;
        state.take_out(range);
        state.put_in(addr, vma);
        Ok(addr)
    }

    fn writes_through(flags: &VmFlags, max_prot: Prot) -> bool {
        flags.contains(VmFlags::SHARED) && max_prot.contains(Prot::WRITE)
    }

    /// Has the platform map `range` as `vma` says.
    pub(super) fn map_host(&self, range: &Range<u64>, vma: &Vma, populate: bool) -> Result<(), Errno> {
        let fd = Self::host_fd(vma)?;
        let ops: Vec<_> = Self::map_ops(range, vma, fd.as_deref(), populate).collect();
        self.space.apply(&ops).map_err(|(_, e)| e)
    }

    /// The descriptor that an area is of.
    pub(super) fn host_fd(vma: &Vma) -> Result<Option<Arc<HostFd>>, Errno> {
        let writes = Self::writes_through(&vma.flags, vma.max_prot);
        vma.file.as_ref().map(|file| file.object.host_fd(writes)).transpose()
    }

    /// What maps `range` as `vma` says.
    pub(super) fn map_ops<'a>(
        range: &Range<u64>,
        vma: &Vma,
        fd: Option<&'a HostFd>,
        populate: bool,
    ) -> impl Iterator<Item = MemoryOp<'a>> + use<'a> {
        let is_shared = vma.flags.contains(VmFlags::SHARED);
        let backing = match (fd.map(AsFd::as_fd), &vma.file) {
            (Some(fd), Some(file)) if is_shared => Backing::Shared(fd, file.offset),
            (Some(fd), Some(file)) => Backing::Private(fd, file.offset),
            _ => Backing::Anonymous,
        };
        let map = MemoryOp::Map {
            range: range.clone(),
            prot: host_prot(vma.prot),
            backing,
            no_reserve: vma.flags.contains(VmFlags::NORESERVE),
            populate: populate || vma.flags.contains(VmFlags::LOCKED),
        };
        let range = range.clone();
        let advice = vma.advice().map(move |advice| MemoryOp::Advise(range.clone(), advice));
        std::iter::once(map).chain(advice)
    }

    /// munmap(2).
    ///
    /// # Errors
    /// EINVAL for a bad range.
    pub fn unmap(&self, addr: u64, len: u64) -> Result<(), Errno> {
        let len = page_align_up(len).filter(|&l| l != 0).ok_or(Errno::EINVAL)?;
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?;
        if !is_page_aligned(addr) || end > self.layout.usable.end {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        if state.vmas.is_free(addr..end) {
            return Ok(());
        }
        state.vmas.check_room(&(addr..end), 0)?;
        self.space.apply(&[MemoryOp::Unmap(addr.max(self.layout.usable.start)..end)]).map_err(|(_, e)| e)?;
        state.take_out(addr..end);
        Ok(())
    }

    /// The file and offset behind an address, for keys of futexes that several address spaces may have; none if the word
    /// is this one's alone.
    ///
    /// # Errors
    /// EFAULT where nothing is mapped, or what is there can be no futex: anonymous memory without write access.
    pub fn shared_object(&self, addr: u64) -> Result<Option<Place>, Errno> {
        let state = self.state.lock();
        let (range, vma) = state.vmas.find(addr).ok_or(Errno::EFAULT)?;
        if !vma.prot.intersects(Prot::READ | Prot::WRITE) {
            return Err(Errno::EFAULT);
        }
        let own = !vma.flags.contains(VmFlags::SHARED) && vma.prot.contains(Prot::WRITE);
        match &vma.file {
            Some(file) if !own => Ok(Some((Arc::clone(&file.object), file.offset + (addr - range.start)))),
            None if !own => Err(Errno::EFAULT),
            _ => Ok(None),
        }
    }
}
