//! The signal frame of x86-64 (`arch/x86/include/uapi/asm/sigcontext.h`, `ucontext.h`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::signal::{SigInfo, SigSet, StackT};

/// `struct sigcontext`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "the names are the processor's")]
pub struct SigContext {
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
    pub cs: u16,
    pub gs: u16,
    pub fs: u16,
    pub ss: u16,
    pub err: u64,
    pub trapno: u64,
    pub oldmask: u64,
    pub cr2: u64,
    pub fpstate: u64,
    pub reserved1: [u64; 8],
}

/// `struct ucontext`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in the kernel")]
pub struct UContext {
    pub flags: u64,
    pub link: u64,
    pub stack: StackT,
    pub mcontext: SigContext,
    pub sigmask: SigSet,
}

/// `struct rt_sigframe`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in the kernel")]
pub struct RtSigframe {
    pub pretcode: u64,
    pub uc: UContext,
    pub info: SigInfo,
}

/// UC_FP_XSTATE: the frame holds XSAVE state.
pub const UC_FP_XSTATE: u64 = 1;
/// UC_SIGCONTEXT_SS: `ss` is valid.
pub const UC_SIGCONTEXT_SS: u64 = 2;
/// UC_STRICT_RESTORE_SS: `ss` is restored as it is.
pub const UC_STRICT_RESTORE_SS: u64 = 4;
/// First magic word, in the software bytes.
pub const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// Second magic word, after the state.
pub const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
/// Offset of `fpx_sw_bytes` in the legacy area.
pub const FPX_SW_BYTES_OFFSET: usize = 464;
/// The user code segment of 64-bit tasks.
pub const USER_CS: u16 = 0x33;
/// The user data segment of 64-bit tasks.
pub const USER_DS: u16 = 0x2b;

/// `struct fpx_sw_bytes`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in the kernel")]
pub struct FpxSwBytes {
    pub magic1: u32,
    pub extended_size: u32,
    pub xfeatures: u64,
    pub xstate_size: u32,
    pub padding: [u32; 7],
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn layouts() {
        assert_eq!(size_of::<SigContext>(), 256);
        assert_eq!(offset_of!(UContext, mcontext), 40);
        assert_eq!(offset_of!(UContext, sigmask), 296);
        assert_eq!(offset_of!(RtSigframe, info), 312);
        assert_eq!(size_of::<FpxSwBytes>(), 48);
    }
}
