//! futex(2), get_robust_list(2).

use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::FutexWaitv;
use stockade_abi::time::Timespec;

use super::restart::RestartBlock;
use super::{Args, Ctx, SysResult};
use crate::futex::{PiWait, Wanted};
use crate::mm::UserMemory;
use crate::time::clock::{instant_of_monotonic, instant_of_realtime};

/// Words of one futex_waitv(2).
const FUTEX_WAITV_MAX: u32 = 128;

/// A wait for a word to change.
#[derive(Clone)]
pub(crate) struct FutexWait {
    pub(crate) addr: u64,
    pub(crate) private: bool,
    pub(crate) value: u32,
    pub(crate) bitset: u32,
    pub(crate) deadline: Option<Instant>,
}

impl FutexWait {
    pub(super) fn run(self, ctx: &Ctx) -> SysResult {
        let Self { addr, private, value, bitset, deadline } = self;
        match ctx.task.kernel.futexes.wait(&ctx.task, &ctx.mm, addr, private, value, bitset, deadline) {
            Ok(()) => Ok(0),
            // A relative time-out must not start anew: Linux uses a restart block, which waits for the rest.
            Err(Errno::ERESTARTSYS) if deadline.is_some() => ctx.restart_by(RestartBlock::FutexWait(self)),
            Err(e) => Err(e),
        }
    }
}

fn timeout(ctx: &Ctx, addr: u64, absolute: bool, realtime: bool) -> Result<Option<Instant>, Errno> {
    if addr == 0 {
        return Ok(None);
    }
    let t: Duration = ctx.mm.copy_in::<Timespec>(addr)?.to_duration()?;
    Ok(match (absolute, realtime) {
        (false, _) => Instant::now().checked_add(t),
        (true, true) => Some(instant_of_realtime(t)),
        (true, false) => Some(instant_of_monotonic(t)),
    })
}

pub(super) fn futex(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (addr, op, value) = (a.u64(0), a.u32(1), a.u32(2));
    let private = op & c::FUTEX_PRIVATE_FLAG != 0;
    let realtime = op & c::FUTEX_CLOCK_REALTIME != 0;
    let command = op & !(c::FUTEX_PRIVATE_FLAG | c::FUTEX_CLOCK_REALTIME);
    if realtime && !matches!(command, c::FUTEX_WAIT_BITSET | c::FUTEX_WAIT_REQUEUE_PI | c::FUTEX_LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    let table = &ctx.task.kernel.futexes;
    match command {
        c::FUTEX_WAIT | c::FUTEX_WAIT_BITSET => {
            let with_set = command == c::FUTEX_WAIT_BITSET;
            let deadline = timeout(ctx, a.u64(3), with_set, realtime)?;
            let bitset = if with_set { a.u32(5) } else { u32::MAX };
            FutexWait { addr, private, value, bitset, deadline }.run(ctx)
        }
        c::FUTEX_WAKE => table.wake(&ctx.mm, addr, value, u32::MAX, private),
        c::FUTEX_WAKE_BITSET => table.wake(&ctx.mm, addr, value, a.u32(5), private),
        c::FUTEX_REQUEUE | c::FUTEX_CMP_REQUEUE => {
            if a.i32(2) < 0 || a.i32(3) < 0 {
                return Err(Errno::EINVAL);
            }
            let expected = (command == c::FUTEX_CMP_REQUEUE).then(|| a.u32(5));
            table.requeue(&ctx.mm, addr, value, a.u32(3), a.u64(4), expected, private)
        }
        c::FUTEX_WAKE_OP => table.wake_op(&ctx.mm, addr, value, a.u64(4), a.u32(3), a.u32(5), private),
        c::FUTEX_LOCK_PI | c::FUTEX_LOCK_PI2 => {
            let deadline = timeout(ctx, a.u64(3), true, realtime || command == c::FUTEX_LOCK_PI)?;
            table.lock_pi(&ctx.task, &ctx.mm, addr, private, PiWait::Until(deadline)).map(|()| 0)
        }
        c::FUTEX_TRYLOCK_PI => table.lock_pi(&ctx.task, &ctx.mm, addr, private, PiWait::Try).map(|()| 0),
        c::FUTEX_UNLOCK_PI => table.unlock_pi(&ctx.task, &ctx.mm, addr, private).map(|()| 0),
        c::FUTEX_WAIT_REQUEUE_PI => {
            let deadline = timeout(ctx, a.u64(3), true, realtime)?;
            table.wait_requeue_pi(&ctx.task, &ctx.mm, addr, private, value, a.u64(4), deadline).map(|()| 0)
        }
        c::FUTEX_CMP_REQUEUE_PI => {
            if a.i32(3) < 0 {
                return Err(Errno::EINVAL);
            }
            table.requeue_pi(&ctx.mm, addr, value, a.u32(3), a.u64(4), a.u32(5), private)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// Whether a word of futex2's is private.
///
/// # Errors
/// EINVAL for other sizes than 32 bits, and for flags that are not known.
fn futex2_private(flags: u32) -> Result<bool, Errno> {
    if flags & !c::FUTEX2_PRIVATE != c::FUTEX2_SIZE_U32 {
        return Err(Errno::EINVAL);
    }
    Ok(flags & c::FUTEX2_PRIVATE != 0)
}

/// An absolute time of futex2's.
fn futex2_timeout(ctx: &Ctx, addr: u64, clock: u32) -> Result<Option<Instant>, Errno> {
    if addr != 0 && !matches!(clock, c::CLOCK_MONOTONIC | c::CLOCK_REALTIME) {
        return Err(Errno::EINVAL);
    }
    timeout(ctx, addr, true, clock == c::CLOCK_REALTIME)
}

/// Copies in `struct futex_waitv`s.
fn futex2_words(ctx: &Ctx, addr: u64, count: u32) -> Result<Vec<Wanted>, Errno> {
    let words: Vec<FutexWaitv> = ctx.mm.copy_in_vec(addr, count as usize)?;
    let checked = words.iter().map(|w| {
        if w.reserved != 0 || w.val > u64::from(u32::MAX) {
            return Err(Errno::EINVAL);
        }
        Ok(Wanted { addr: w.uaddr, value: w.val as u32, private: futex2_private(w.flags)? })
    });
    checked.collect()
}

pub(super) fn futex_waitv(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(2) != 0 || a.u64(0) == 0 || !(1..=FUTEX_WAITV_MAX).contains(&a.u32(1)) {
        return Err(Errno::EINVAL);
    }
    let deadline = futex2_timeout(ctx, a.u64(3), a.u32(4))?;
    let words = futex2_words(ctx, a.u64(0), a.u32(1))?;
    ctx.task.kernel.futexes.wait_several(&ctx.task, &ctx.mm, &words, deadline).map(|i| i as u64)
}

/// Bits of a mask, of which a word of 32 bits has 32.
fn futex2_mask(mask: u64) -> Result<u32, Errno> {
    u32::try_from(mask).ok().filter(|&m| m != 0).ok_or(Errno::EINVAL)
}

pub(super) fn futex_wake(ctx: &mut Ctx, a: &Args) -> SysResult {
    let private = futex2_private(a.u32(3))?;
    let mask = futex2_mask(a.u64(1))?;
    ctx.task.kernel.futexes.wake(&ctx.mm, a.u64(0), a.u32(2), mask, private)
}

pub(super) fn futex_wait(ctx: &mut Ctx, a: &Args) -> SysResult {
    let private = futex2_private(a.u32(3))?;
    let mask = futex2_mask(a.u64(2))?;
    let value = u32::try_from(a.u64(1)).map_err(|_| Errno::EINVAL)?;
    let deadline = futex2_timeout(ctx, a.u64(4), a.u32(5))?;
    let table = &ctx.task.kernel.futexes;
    table.wait(&ctx.task, &ctx.mm, a.u64(0), private, value, mask, deadline).map(|()| 0)
}

pub(super) fn futex_requeue(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (wake, requeue) = (a.i32(2), a.i32(3));
    if a.u32(1) != 0 || a.u64(0) == 0 || wake < 0 || requeue < 0 {
        return Err(Errno::EINVAL);
    }
    let words = futex2_words(ctx, a.u64(0), 2)?;
    let [from, to] = words[..] else { return Err(Errno::EINVAL) };
    if from.private != to.private {
        return Err(Errno::EINVAL);
    }
    let table = &ctx.task.kernel.futexes;
    table.requeue(&ctx.mm, from.addr, wake as u32, requeue as u32, to.addr, Some(from.value), from.private)
}

pub(super) fn set_robust_list(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) != 24 {
        return Err(Errno::EINVAL);
    }
    ctx.task.robust_list.store(a.u64(0), std::sync::atomic::Ordering::Relaxed);
    Ok(0)
}

pub(super) fn get_robust_list(ctx: &mut Ctx, a: &Args) -> SysResult {
    let tid = super::process::process_by_number(ctx, a.i32(0))?;
    let task = if a.i32(0) == 0 {
        std::sync::Arc::clone(&ctx.task)
    } else {
        std::sync::Arc::clone(ctx.task.kernel.tree.lock().task(tid)?)
    };
    let head = task.robust_list.load(std::sync::atomic::Ordering::Relaxed);
    ctx.mm.copy_out(a.u64(2), &24u64)?;
    ctx.mm.copy_out(a.u64(1), &head)?;
    Ok(0)
}
