//! The frame that a handler runs on, and the way back (`arch/x86/kernel/signal_64.c`, sigreturn(2)).

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::signal::*;
use stockade_abi::ucontext::*;
use stockade_platform::{Context, FpState, GpRegs};
use zerocopy::{FromBytes, IntoBytes};

use crate::mm::UserMemory;

/// Bytes below the stack pointer that the ABI lets leaf functions use.
const RED_ZONE: u64 = 128;
/// The legacy part of the XSAVE area.
const FXSAVE_SIZE: usize = 512;
/// Bits of eflags that a frame may change: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF.
const FIX_EFLAGS: u64 = 0x0005_0dd5;
const EFLAGS_TF: u64 = 0x100;
const EFLAGS_DF: u64 = 0x400;
const EFLAGS_RF: u64 = 0x1_0000;
/// XSTATE_BV of x87 and SSE state.
const XFEATURES_LEGACY: u64 = 3;
/// XSAVE areas larger than this are no processor's.
const MAX_XSAVE: usize = 64 * 1024;

/// What the last hardware exception of a thread left for its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFault {
    /// `REG_TRAPNO`
    pub trap_no: u64,
    /// `REG_ERR`
    pub error_code: u64,
    /// `REG_CR2`
    pub cr2: u64,
}

/// A signal about to be handled.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The handler and how it wants to be called.
    pub action: &'a SigAction,
    /// What it is told.
    pub info: &'a SigInfo,
    /// The mask to return to.
    pub mask: SigSet,
    /// The thread's alternate stack.
    pub altstack: StackT,
    /// From the last hardware exception.
    pub fault: LastFault,
}

/// Whether `sp` is on an alternate stack (the kernel's `__on_sig_stack`).
#[must_use]
pub fn on_stack(stack: &StackT, sp: u64) -> bool {
    sp > stack.sp && sp - stack.sp <= stack.size
}

/// As [`on_stack`], but a stack that disarms itself never counts (`on_sig_stack`).
#[must_use]
pub fn is_using(stack: &StackT, sp: u64) -> bool {
    stack.flags & SS_AUTODISARM == 0 && on_stack(stack, sp)
}

/// Puts a frame on the guest's stack and makes `ctx` enter the handler. `fp` is the thread's floating point state, which
/// the frame saves; the handler starts with the initial one.
///
/// # Errors
/// EFAULT if there is no room or no restorer; the caller forces SIGSEGV then.
pub fn push(ctx: &mut Context, mem: &impl UserMemory, fp: &FpState, d: &Delivery<'_>) -> Result<(), Errno> {
    let flags = SaFlags::from_bits_retain(d.action.flags);
    if !flags.contains(SaFlags::RESTORER) {
        return Err(Errno::EFAULT);
    }
    let regs = ctx.regs;
    let mut sp = regs.rsp.wrapping_sub(RED_ZONE);
    let nested = is_using(&d.altstack, sp);
    let mut entering = false;
    if flags.contains(SaFlags::ONSTACK) && d.altstack.size != 0 && !nested {
        sp = d.altstack.sp.wrapping_add(d.altstack.size);
        entering = true;
    }
    let mut fpstate = 0;
    if !fp.0.is_empty() {
        sp = sp.wrapping_sub(fp.0.len() as u64 + 4) & !63;
        fpstate = sp;
    }
    sp = (sp.wrapping_sub(size_of::<RtSigframe>() as u64) & !15).wrapping_sub(8);
    if (nested || entering) && !on_stack(&d.altstack, sp) {
        return Err(Errno::EFAULT);
    }
    if fpstate != 0 {
        let mut area = fp.0.clone();
        area.extend_from_slice(&FP_XSTATE_MAGIC2.to_le_bytes());
        mem.write_exact(fpstate, &area)?;
    }
    let mut frame = RtSigframe {
        pretcode: d.action.restorer,
        uc: UContext {
            flags: if fpstate == 0 { 0 } else { UC_FP_XSTATE } | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
            link: 0,
            stack: d.altstack,
            mcontext: to_sigcontext(&regs),
            sigmask: d.mask,
        },
        info: *d.info,
    };
    let mc = &mut frame.uc.mcontext;
    (mc.err, mc.trapno, mc.cr2) = (d.fault.error_code, d.fault.trap_no, d.fault.cr2);
    (mc.oldmask, mc.fpstate) = (d.mask.0, fpstate);
    // Without SA_SIGINFO the place of the information keeps what is there.
    let bytes = frame.as_bytes();
    let info_at = std::mem::offset_of!(RtSigframe, info);
    mem.write_exact(sp, if flags.contains(SaFlags::SIGINFO) { bytes } else { &bytes[..info_at] })?;

    let r = &mut ctx.regs;
    r.rsp = sp;
    r.rip = d.action.handler;
    r.rax = 0;
    r.rdi = d.info.signo as u64;
    r.rsi = sp + std::mem::offset_of!(RtSigframe, info) as u64;
    r.rdx = sp + std::mem::offset_of!(RtSigframe, uc) as u64;
    r.eflags &= !(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
    ctx.fp = Some(FpState::default());
    Ok(())
}

/// What rt_sigreturn(2) restores beside the context.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// The mask.
    pub mask: SigSet,
    /// The alternate stack, to be set as sigaltstack(2) would, errors ignored.
    pub altstack: StackT,
}

/// Takes the frame at the stack pointer back into `ctx`. `xsave_size` is what the platform's frames have.
///
/// # Errors
/// EFAULT if it cannot be read; the caller forces SIGSEGV then.
pub fn pop(ctx: &mut Context, mem: &impl UserMemory, xsave_size: usize) -> Result<Restored, Errno> {
    let at = ctx.regs.rsp.checked_sub(8).ok_or(Errno::EFAULT)?;
    let mut head = [0; size_of::<u64>() + size_of::<UContext>()];
    mem.read_exact(at, &mut head)?;
    let (uc, _) = UContext::read_from_prefix(&head[8..]).map_err(|_| Errno::EFAULT)?;
    let fp = match uc.mcontext.fpstate {
        0 => FpState::default(),
        addr => read_fp(mem, addr, xsave_size)?,
    };
    let old = ctx.regs.eflags;
    ctx.regs = from_sigcontext(&uc.mcontext);
    ctx.regs.eflags = (old & !FIX_EFLAGS) | (uc.mcontext.eflags & FIX_EFLAGS);
    ctx.fp = Some(fp);
    Ok(Restored { mask: uc.sigmask.minus(SigSet::UNBLOCKABLE), altstack: uc.stack })
}

fn read_fp(mem: &impl UserMemory, addr: u64, xsave_size: usize) -> Result<FpState, Errno> {
    let mut area = vec![0; xsave_size.clamp(FXSAVE_SIZE + 64, MAX_XSAVE)];
    mem.read_exact(addr, &mut area[..FXSAVE_SIZE])?;
    let (sw, _) = FpxSwBytes::read_from_prefix(&area[FPX_SW_BYTES_OFFSET..]).map_err(|_| Errno::EFAULT)?;
    let size = sw.xstate_size as usize;
    if sw.magic1 == FP_XSTATE_MAGIC1
        && (FXSAVE_SIZE + 64..=area.len()).contains(&size)
        && sw.extended_size >= sw.xstate_size
    {
        let mut rest = vec![0; size - FXSAVE_SIZE + 4];
        mem.read_exact(addr.checked_add(FXSAVE_SIZE as u64).ok_or(Errno::EFAULT)?, &mut rest)?;
        if rest.ends_with(&FP_XSTATE_MAGIC2.to_le_bytes()) {
            rest.truncate(size - FXSAVE_SIZE);
            area.truncate(FXSAVE_SIZE);
            area.extend_from_slice(&rest);
            return Ok(FpState(area));
        }
    }
    // Only the legacy area counts.
    area[FXSAVE_SIZE..FXSAVE_SIZE + 8].copy_from_slice(&XFEATURES_LEGACY.to_le_bytes());
    Ok(FpState(area))
}

fn to_sigcontext(r: &GpRegs) -> SigContext {
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
        cs: USER_CS,
        ss: USER_DS,
        ..SigContext::default()
    }
}

fn from_sigcontext(c: &SigContext) -> GpRegs {
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

#[cfg(test)]
mod tests {
    use stockade_platform::sync::Mutex;

    use super::*;

    /// Guest memory from address zero.
    struct Flat(Mutex<Vec<u8>>);

    impl UserMemory for Flat {
        fn read(&self, addr: u64, dst: &mut [u8]) -> Result<usize, Errno> {
            let mem = self.0.lock();
            let src = mem.get(addr as usize..).filter(|s| !s.is_empty()).ok_or(Errno::EFAULT)?;
            let n = src.len().min(dst.len());
            dst[..n].copy_from_slice(&src[..n]);
            Ok(n)
        }
        fn write(&self, addr: u64, src: &[u8]) -> Result<usize, Errno> {
            let mut mem = self.0.lock();
            let dst = mem.get_mut(addr as usize..).filter(|s| !s.is_empty()).ok_or(Errno::EFAULT)?;
            let n = dst.len().min(src.len());
            dst[..n].copy_from_slice(&src[..n]);
            Ok(n)
        }
    }

    fn fp(size: usize) -> FpState {
        let mut area: Vec<u8> = (0..size).map(|i| i as u8).collect();
        let sw = FpxSwBytes {
            magic1: FP_XSTATE_MAGIC1,
            extended_size: size as u32 + 4,
            xfeatures: 7,
            xstate_size: size as u32,
            padding: [0; 7],
        };
        area[FPX_SW_BYTES_OFFSET..FXSAVE_SIZE].copy_from_slice(sw.as_bytes());
        FpState(area)
    }

    fn delivery<'a>(action: &'a SigAction, info: &'a SigInfo) -> Delivery<'a> {
        Delivery {
            action,
            info,
            mask: SigSet::of(SIGUSR2),
            altstack: StackT::default(),
            fault: LastFault::default(),
        }
    }

    #[test]
    fn a_frame_pushed_is_restored() {
        let mem = Flat(Mutex::new(vec![0; 0x10000]));
        let before = GpRegs { rsp: 0x8000, rip: 0x1234, rbx: 7, rax: 9, eflags: 0x246, ..GpRegs::default() };
        let mut ctx = Context { regs: before, ..Context::default() };
        let action = SigAction {
            handler: 0x4000,
            flags: SaFlags::RESTORER.bits(),
            restorer: 0x5000,
            ..Default::default()
        };
        let info = SigInfo::from_user(SIGUSR1, 0, 3, 4);
        let state = fp(1088);
        push(&mut ctx, &mem, &state, &delivery(&action, &info)).unwrap();
        assert_eq!((ctx.regs.rip, ctx.regs.rdi, ctx.regs.rsp % 16), (0x4000, SIGUSR1 as u64, 8));
        // The handler returns to the restorer, which leaves the stack pointer after pretcode.
        ctx.regs.rsp += 8;
        let restored = pop(&mut ctx, &mem, 1088).unwrap();
        assert_eq!(restored.mask, SigSet::of(SIGUSR2));
        assert_eq!(ctx.regs, before);
        assert_eq!(ctx.fp, Some(state));
    }

    #[test]
    fn no_room_and_no_restorer_are_faults() {
        let mem = Flat(Mutex::new(vec![0; 0x100]));
        let mut ctx = Context::default();
        ctx.regs.rsp = 0x8000;
        let info = SigInfo::new(SIGUSR1, 0);
        let mut action = SigAction { handler: 1, flags: SaFlags::RESTORER.bits(), ..Default::default() };
        assert_eq!(push(&mut ctx, &mem, &fp(1088), &delivery(&action, &info)), Err(Errno::EFAULT));
        action.flags = 0;
        assert_eq!(push(&mut ctx, &mem, &fp(1088), &delivery(&action, &info)), Err(Errno::EFAULT));
        assert_eq!(ctx.regs.rsp, 0x8000);
    }

    #[test]
    fn a_small_alternate_stack_overflows() {
        let mem = Flat(Mutex::new(vec![0; 0x10000]));
        let mut ctx = Context::default();
        ctx.regs.rsp = 0x8000;
        let info = SigInfo::new(SIGUSR1, 0);
        let flags = (SaFlags::RESTORER | SaFlags::ONSTACK).bits();
        let action = SigAction { handler: 1, flags, ..Default::default() };
        let mut d = delivery(&action, &info);
        d.altstack = StackT { sp: 0x1000, size: 0x200, ..StackT::default() };
        assert_eq!(push(&mut ctx, &mem, &fp(1088), &d), Err(Errno::EFAULT));
        d.altstack.size = 0x2000;
        push(&mut ctx, &mem, &fp(1088), &d).unwrap();
        assert!(on_stack(&d.altstack, ctx.regs.rsp));
    }
}
