//! The register state of a guest thread.

use serde::{Deserialize, Serialize};

/// The general-purpose registers, in the order of `struct user_regs_struct` without the segment selectors that 64-bit
/// code cannot usefully change.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the processor's")]
pub struct GpRegs {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub eflags: u64,
}

/// Floating point and vector state in XSAVE's standard (not compacted) format, as the kernel puts it on a signal
/// frame: 512 bytes legacy area with `fpx_sw_bytes` at 464, the XSAVE header, the extended states; without the
/// trailing magic word. Empty means: the initial state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpState(pub Vec<u8>);

/// Everything a guest thread is, beside its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// General-purpose registers.
    pub regs: GpRegs,
    /// Base of the fs segment (thread-local storage).
    pub fs_base: u64,
    /// Base of the gs segment.
    pub gs_base: u64,
    /// Floating point and vector state; `None`: not fetched, and left as it is when the thread goes on.
    pub fp: Option<FpState>,
}
