//! Where the platform's own pieces lie in every stub. Guests get everything below.

/// Lowest address a guest may map: the usual `vm.mmap_min_addr`.
pub(crate) const GUEST_BEGIN: u64 = 0x1_0000;
/// First address of the stub's own range, and end of the guest's.
pub(crate) const STUB_BEGIN: u64 = 0x7ff0_0000_0000;
/// End of user addresses.
pub(crate) const USER_END: u64 = 0x7fff_ffff_f000;
/// Size of a page.
pub(crate) const PAGE: u64 = 4096;

/// The stub's code (one page), constants and filters: a sealed memfd, readable and executable.
pub(crate) const CODE: u64 = STUB_BEGIN;
/// Its size. Answers of the helper are sent from here, so it bounds their length.
pub(crate) const CODE_SIZE: u64 = 0x8000;
/// The helper's commands: a page of the sentry's, readable only.
pub(crate) const CONTROL: u64 = STUB_BEGIN + 0x10_0000;
/// Scratch memory of the helper that it does not believe: a message header, then a page for mincore(2).
pub(crate) const SCRATCH: u64 = STUB_BEGIN + 0x20_0000;
/// Size of the scratch memory.
pub(crate) const SCRATCH_SIZE: u64 = 2 * PAGE;
/// Where mincore(2) of the helper puts its bytes.
pub(crate) const RESIDENT: u64 = SCRATCH + PAGE;
/// Signal stack of the helper, for a fault during an atomic update. Nothing on it is ever read.
pub(crate) const HELPER_STACK: u64 = STUB_BEGIN + 0x30_0000;
/// The host's vDSO and its data, where the host lets them be moved.
pub(crate) const VDSO: u64 = STUB_BEGIN + 0x40_0000;
/// Signal stacks of guest threads, one slot each.
pub(crate) const SLOTS: u64 = STUB_BEGIN + 0x1000_0000;
/// Size of a slot. A frame with AVX-512 state
/// takes 3.2 KiB; AMX, which needs a permission that no guest can ask for, would not fit.
pub(crate) const SLOT_SIZE: u64 = 0x4000;
/// Threads that one address space can have.
pub(crate) const SLOT_COUNT: u32 = 16384;
/// End of the slots.
pub(crate) const SLOTS_END: u64 = SLOTS + SLOT_SIZE * SLOT_COUNT as u64;

/// The number of the call by which a stopped thread says so. Any would do: the filter notifies of all, and the sentry
/// goes by the address of the instruction.
pub(crate) const STOP_CALL: i32 = 0x53_544f;
/// Answer to a stopped thread: load the segment bases from the two words below the frame.
pub(crate) const RESUME_BASES: u64 = 1;
/// Answer to a stopped thread: exit.
pub(crate) const RESUME_EXIT: u64 = 2;

/// Pseudo number of an operation: update a guest word atomically.
pub(crate) const OP_ATOMIC: u64 = 0x1000;
/// Where the word's old value is put. Guests can write it: it is guest data as much as the word itself.
pub(crate) const ATOMIC_RESULT: u64 = SCRATCH + 512;
/// Attempts at an atomic update, each of which a guest thread can spoil.
pub(crate) const ATOMIC_ATTEMPTS: u32 = 100_000;
/// An operation's kind: nothing special.
pub(crate) const KIND_PLAIN: u64 = 0;
/// Commands of membarrier(2): to register, and to have a barrier.
pub(crate) const BARRIER: [u32; 2] =
    [libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32, libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32];
/// The same for instructions.
pub(crate) const BARRIER_CODE: [u32; 2] = [
    libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE as u32,
    libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE as u32,
];
/// An operation's kind: clone(2) makes a process that becomes a stub.
pub(crate) const KIND_FORK: u64 = 1;
/// An operation's kind: clone(2) makes a guest thread.
pub(crate) const KIND_THREAD: u64 = 2;
/// Offset of the first operation in a control page.
pub(crate) const OPS_OFFSET: usize = 64;
/// Size of an operation: number, six arguments, kind.
pub(crate) const OP_SIZE: usize = 64;
/// Operations that fit before the data half of the page.
pub(crate) const MAX_OPS: usize = 31;
/// Offset of data that operations point to.
pub(crate) const DATA_OFFSET: usize = 2048;
/// Added to a failed operation's answer for each one before it.
pub(crate) const REPLY_STRIDE: u64 = 256;
/// Descriptors that one batch may carry.
pub(crate) const MAX_FDS: usize = 16;

/// Offsets of constants, from [`CODE`].
pub(crate) mod constants {
    /// The helper's signal mask.
    pub(crate) const MASK: u64 = 0x1000;
    /// `struct msghdr` that sends descriptor 1.
    pub(crate) const LISTENER_MESSAGE: u64 = 0x1010;
    /// Its iovec.
    pub(crate) const LISTENER_IOV: u64 = 0x1050;
    /// Its control message.
    pub(crate) const LISTENER_CONTROL: u64 = 0x1060;
    /// `struct sock_fprog` of guest threads.
    pub(crate) const GUEST_PROGRAM: u64 = 0x1080;
    /// `struct sock_fprog` of helpers.
    pub(crate) const HELPER_PROGRAM: u64 = 0x1090;
    /// Instructions of the guest threads' filter.
    pub(crate) const GUEST_FILTER: u64 = 0x1100;
    /// Instructions of the helpers' filter.
    pub(crate) const HELPER_FILTER: u64 = 0x3000;
}
