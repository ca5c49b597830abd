//! The traits between the kernel and the place where guest code runs.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use stockade_abi::Errno;

use crate::{AtomicOp, Context, Event, FpState, MemoryOp, SharedSlice};

/// What of an address space belongs to the guest, and where the platform's own pieces lie.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Addresses a guest may map.
    pub usable: Range<u64>,
    /// Ranges inside `usable` that are taken nevertheless (the host's vDSO where it cannot be moved).
    pub reserved: Vec<Range<u64>>,
    /// Functions of the host's vDSO in every address space, for the guest's own to jump to.
    pub host_vdso: VdsoFunctions,
    /// Size in bytes of the XSAVE area of a signal frame, without the trailing magic word.
    pub xsave_size: usize,
    /// The XCR0-like feature mask that frames carry.
    pub xfeatures: u64,
}

/// Addresses of functions that answer without a system call (vdso(7)); they take and return what the call does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the calls")]
pub struct VdsoFunctions {
    pub clock_gettime: Option<u64>,
    pub clock_getres: Option<u64>,
    pub gettimeofday: Option<u64>,
    pub time: Option<u64>,
    pub getcpu: Option<u64>,
}

impl VdsoFunctions {
    /// The same functions after their image was moved.
    #[must_use]
    pub fn moved(self, by: i64) -> Self {
        let to = |at: Option<u64>| at.map(|at| at.wrapping_add_signed(by));
        Self {
            clock_gettime: to(self.clock_gettime),
            clock_getres: to(self.clock_getres),
            gettimeofday: to(self.gettimeofday),
            time: to(self.time),
            getcpu: to(self.getcpu),
        }
    }
}

/// A way to execute guest code.
pub trait Platform: Send + Sync {
    /// The same for all its address spaces.
    fn layout(&self) -> &Layout;

    /// A fresh address space with nothing mapped.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM when the host has no more processes or memory.
    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, Errno>;
}

/// Guest memory, and the threads that share it. Dropping the last handle ends whatever holds it on the host.
pub trait AddressSpace: Send + Sync {
    /// Carries out changes in order and stops at the first that fails.
    ///
    /// # Errors
    /// The index of the change that failed, and why.
    fn apply(&self, ops: &[MemoryOp<'_>]) -> Result<(), (usize, Errno)>;

    /// A copy: private memory is copied on write, shared memory stays shared. It has no threads yet.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM when the host has no more processes or memory.
    fn fork(&self) -> Result<Arc<dyn AddressSpace>, Errno>;

    /// A new guest thread; its first event is `Stopped(Start)`, and it goes on from the context given to its first
    /// [`GuestThread::resume`]. Called on the sentry thread that will serve it.
    ///
    /// # Errors
    /// EAGAIN when the host has no more threads or descriptors.
    fn new_thread(&self) -> Result<Box<dyn GuestThread>, Errno>;

    /// Copies guest memory from `addr` on into `local`, as far as it is readable (process_vm_readv(2)).
    ///
    /// # Errors
    /// EFAULT if not a byte could be read; a short count otherwise says where it ended. ESRCH if it died.
    fn read(&self, addr: u64, local: &mut [u8]) -> Result<usize, Errno>;

    /// Copies `local` to guest memory at `addr`, as far as it is writable.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&self, addr: u64, local: &[u8]) -> Result<usize, Errno>;

    /// Scatter variant of [`read`](Self::read): from several guest ranges to several local ones, in one host call.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_vectored(&self, remote: &[(u64, usize)], local: &mut [IoSliceMut<'_>]) -> Result<usize, Errno>;

    /// As [`read_vectored`](Self::read_vectored), into one local range, but what forks share they go on sharing: the other
    /// calls pin pages, for which the host gives each its own. Takes longer.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn peek(&self, remote: &[(u64, usize)], local: &mut [u8]) -> Result<usize, Errno>;

    /// Gather variant of [`write`](Self::write).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write_vectored(&self, remote: &[(u64, usize)], local: &[IoSlice<'_>]) -> Result<usize, Errno>;

    /// [`read`](Self::read) into memory that guests share.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_to_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno>;

    /// [`write`](Self::write) from memory that guests share.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write_from_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno>;

    /// Reads an aligned word without tearing.
    ///
    /// # Errors
    /// EFAULT; EINVAL if not aligned to 4.
    fn load_u32(&self, addr: u64) -> Result<u32, Errno>;

    /// Updates an aligned word atomically with respect to guest threads; returns the old value.
    ///
    /// # Errors
    /// EFAULT; EINVAL if not aligned to 4; EAGAIN if the address space has no way to do it just now.
    fn atomic_u32(&self, addr: u64, op: AtomicOp) -> Result<u32, Errno>;

    /// Which pages of `range` (page-aligned) are resident (mincore(2)'s low bit, one byte a page).
    ///
    /// # Errors
    /// ENOMEM if part of it is unmapped; EAGAIN where the host does not tell.
    fn resident(&self, range: Range<u64>) -> Result<Vec<u8>, Errno>;

    /// Pages of `range` (page-aligned) that are in use and this address space's own: neither those of a mapped file as they
    /// are there nor zeros that were only read. In order; with `sharing`, what forks still share is told from the rest.
    ///
    /// # Errors
    /// What the host says.
    fn own_pages(&self, range: Range<u64>, sharing: bool) -> Result<Vec<OwnPages>, Errno>;

    /// Returns once each of its threads that runs has passed a full memory barrier (membarrier(2),
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED); with `code` each has also synchronized its instructions (SYNC_CORE).
    ///
    /// # Errors
    /// ENOSYS, EINVAL, EPERM where the host cannot.
    fn barrier(&self, code: bool) -> Result<(), Errno>;

    /// Resident set size in bytes; 0 where the host does not tell.
    fn resident_size(&self) -> u64;

    /// Bytes of private memory that are in use; 0 where the host does not tell. What forks still share counts for each of
    /// them, or, with `divided`, which takes long, for each its part.
    fn private_size(&self, divided: bool) -> u64;

    /// The process on the host, for accounting and diagnosis; 0 if there is none.
    fn host_pid(&self) -> i32;

    /// Ends all its threads at once; their next event is [`Event::Died`].
    fn kill(&self);
}

/// Pages that an address space has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPages {
    /// Their addresses.
    pub range: Range<u64>,
    /// Whether another one has the same pages, until one of them writes.
    pub is_shared: bool,
}

/// A guest thread. Owned by the one sentry thread that serves it; all calls block that thread.
///
/// The cycle is: [`next_event`](Self::next_event); after `Syscall` exactly one of [`complete`](Self::complete) and
/// [`stop`](Self::stop); after `Stopped` exactly one of [`resume`](Self::resume) and [`exit`](Self::exit).
pub trait GuestThread: Send {
    /// Runs guest code until something happens.
    fn next_event(&mut self) -> Event;

    /// Answers the current system call with what goes into rax (a value, or a negated errno).
    fn complete(&mut self, rax: u64);

    /// Leaves the current system call unanswered and stops the thread instead, to learn or change its registers. On
    /// success the thread is as after the event `Stopped(Kick)`: rip is at the `syscall` instruction and rax holds the
    /// number.
    ///
    /// # Errors
    /// ESRCH if the thread died (or did not obey and was killed); the next event is then `Died`.
    fn stop(&mut self) -> Result<(), Errno>;

    /// General-purpose registers and segment bases of a stopped thread.
    fn context(&self) -> &Context;

    /// Mutable access to the same; [`resume`](Self::resume) puts it into force.
    fn context_mut(&mut self) -> &mut Context;

    /// Floating point state of a stopped thread, fetched on demand.
    ///
    /// # Errors
    /// EFAULT if the guest destroyed the frame.
    fn fp_state(&mut self) -> Result<FpState, Errno>;

    /// Lets a stopped thread go on with its [`context`](Self::context); `context().fp` if set replaces the floating
    /// point state (a malformed one becomes the initial state).
    ///
    /// # Errors
    /// EFAULT if the guest destroyed the frame: the thread cannot go on and has been ended.
    fn resume(&mut self) -> Result<(), Errno>;

    /// Ends a stopped thread, and only it.
    fn exit(&mut self);

    /// A handle with which any thread can stop this one while it runs guest code.
    fn kicker(&self) -> Arc<dyn Kicker>;

    /// What it has used until now, in guest code and in the host's kernel on its behalf (that of others for it included,
    /// as far as it is known, which [`Kicker::usage`] leaves out); once it has ended, what it had
    /// when this was last asked.
    fn usage(&self) -> Usage;

    /// The thread on the host, for accounting and diagnosis; 0 if there is none.
    fn host_tid(&self) -> i32;
}

/// What a thread has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in guest code.
    pub user: Duration,
    /// CPU time in kernels on its behalf.
    pub system: Duration,
    /// Page faults that needed no I/O.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
    /// Memory of its process that is resident now, in bytes and roughly: as in ru_maxrss of getrusage(2), what CPUs have
    /// not reported yet is missing.
    pub resident: u64,
}

/// Words of a [`CpuSet`].
pub const CPU_WORDS: usize = 16;

/// A set of CPUs: bit N of word M is CPU 64·M+N (sched_setaffinity(2)).
pub type CpuSet = [u64; CPU_WORDS];

/// Reaches a guest thread from outside.
pub trait Kicker: Send + Sync {
    /// Makes the thread's next event `Stopped(Kick)` soon, if it is running guest code; harmless otherwise (a later
    /// spurious `Stopped(Kick)` may follow). A thread that does not obey within some milliseconds is ended.
    fn kick(&self);

    /// Restricts the thread to some CPUs; what the host does not grant is left as it was.
    fn set_cpus(&self, cpus: &CpuSet);

    /// CPU time that the thread has used until now, in sum; none once it has ended. Quicker than `usage`.
    fn cpu_time(&self) -> Option<Duration>;

    /// What the thread has used until now; none once it has ended.
    fn usage(&self) -> Option<Usage>;
}
