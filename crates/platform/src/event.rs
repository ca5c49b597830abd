//! What a guest thread can do that the kernel has to answer.

/// A system call as the guest made it. Registers other than the arguments are not known (see
/// [`GuestThread::stop`](crate::GuestThread::stop)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyscallRequest {
    /// The number, as in rax: not checked, x32 bit included.
    pub nr: u64,
    /// rdi, rsi, rdx, r10, r8, r9.
    pub args: [u64; 6],
    /// Address after the `syscall` instruction.
    pub ip: u64,
}

/// A hardware exception that guest code raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultInfo {
    /// SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGTRAP.
    pub signo: i32,
    /// `si_code`, as the host said it (sigaction(2)).
    pub code: i32,
    /// `si_addr`.
    pub addr: u64,
    /// Trap number and error code of the processor, as in the signal frame (`REG_TRAPNO`, `REG_ERR`).
    pub trap_no: u64,
    /// See `trap_no`; bit 1 says write, bit 4 instruction fetch, for page faults.
    pub error_code: u64,
}

/// Why a thread stopped with its whole context known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// A system call that needs registers (clone, rt_sigreturn, arch_prctl, …). In the context rip is after the
    /// instruction and rax still holds the number.
    Syscall(SyscallRequest),
    /// `int 0x80`, `sysenter` or another entry of 32-bit code.
    ForeignSyscall,
    /// A hardware exception.
    Fault(FaultInfo),
    /// Someone kicked it, or [`GuestThread::stop`](crate::GuestThread::stop) asked. If a system call was under way
    /// and not completed, rip is at the instruction again and rax holds the number.
    Kick,
    /// It has just been created and has not run a guest instruction yet.
    Start,
}

/// What happened to a guest thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A system call; answer with [`GuestThread::complete`](crate::GuestThread::complete).
    Syscall(SyscallRequest),
    /// It stopped; its context can be read and changed; goes on with [`GuestThread::resume`](crate::GuestThread::resume).
    Stopped(StopCause),
    /// The host thread is no more: its process was killed, by us or from outside.
    Died,
}
