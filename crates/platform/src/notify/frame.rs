//! Signal frames: how a guest thread's registers reach the sentry and get back.

use stockade_abi::signal::{SigSet, StackT};
use stockade_abi::ucontext::{
    RtSigframe, SigContext, UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS, UContext, USER_CS, USER_DS,
};

use super::layout as l;
use super::slots;
use super::stub;
use crate::GpRegs;

/// Offset of the general-purpose registers in a frame.
pub(crate) const REGS_OFFSET: u64 = std::mem::offset_of!(RtSigframe, uc.mcontext) as u64;
/// Offset of the pointer to the floating point state.
pub(crate) const FPSTATE_OFFSET: u64 = std::mem::offset_of!(RtSigframe, uc.mcontext.fpstate) as u64;
/// Offset of `uc_flags`.
pub(crate) const FLAGS_OFFSET: u64 = std::mem::offset_of!(RtSigframe, uc.flags) as u64;

/// Where a new thread's frame is put: in the slot's last page, where the host will put the next, so that only one page is
/// touched.
pub(crate) const fn start(slot: u32) -> u64 {
    slots::end(slot) - l::PAGE + 64
}

/// Where floating point state is put that the sentry gives a new thread, or one whose frame has no place for it. 64-byte
/// aligned.
pub(crate) fn fpstate(slot: u32, size: usize) -> u64 {
    let beside = start(slot) + 448;
    if beside + size as u64 + 4 <= slots::end(slot) { beside } else { slots::base(slot) + 1024 }
}

/// Whether a frame may be there.
pub(crate) fn plausible(slot: u32, frame: u64) -> bool {
    frame >= slots::base(slot) + 64 && frame <= slots::end(slot) - size_of::<RtSigframe>() as u64
}

/// The frame that starts a thread: no signal blocked, its slot as signal stack.
pub(crate) fn initial(slot: u32, regs: &GpRegs, fpstate: u64) -> RtSigframe {
    let flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | if fpstate == 0 { 0 } else { UC_FP_XSTATE };
    RtSigframe {
        uc: UContext {
            flags,
            stack: StackT { sp: slots::base(slot), flags: 0, pad: 0, size: l::SLOT_SIZE },
            mcontext: SigContext { fpstate, cs: USER_CS, ss: USER_DS, ..to_sigcontext(regs) },
            sigmask: SigSet::EMPTY,
            ..UContext::default()
        },
        pretcode: stub::restorer(),
        ..RtSigframe::default()
    }
}

pub(crate) fn to_sigcontext(r: &GpRegs) -> SigContext {
    SigContext {
        r8: r.r8,
        r9: r.r9,
        r10: r.r10,
        r11: r.r11,
        r12: r.r12,
        r13: r.r13,
        r14: r.r14,
        r15: r.r15,
        rdi: r.rdi,
        rsi: r.rsi,
        rbp: r.rbp,
        rbx: r.rbx,
        rdx: r.rdx,
        rax: r.rax,
        rcx: r.rcx,
        rsp: r.rsp,
        rip: r.rip,
        eflags: r.eflags,
        ..SigContext::default()
    }
}

pub(crate) fn to_regs(c: &SigContext) -> GpRegs {
    GpRegs {
        r8: c.r8,
        r9: c.r9,
        r10: c.r10,
        r11: c.r11,
        r12: c.r12,
        r13: c.r13,
        r14: c.r14,
        r15: c.r15,
        rdi: c.rdi,
        rsi: c.rsi,
        rbp: c.rbp,
        rbx: c.rbx,
        rdx: c.rdx,
        rax: c.rax,
        rcx: c.rcx,
        rsp: c.rsp,
        rip: c.rip,
        eflags: c.eflags,
    }
}

/// The registers as they lie in a frame.
pub(crate) fn regs_bytes(regs: &GpRegs) -> [u8; 144] {
    let mut bytes = [0; 144];
    let context = to_sigcontext(regs);
    bytes.copy_from_slice(&zerocopy::IntoBytes::as_bytes(&context)[..144]);
    bytes
}
