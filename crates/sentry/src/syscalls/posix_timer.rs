//! Timers of processes (timer_create(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGALRM, is_valid};
use stockade_abi::time::{Itimerspec, Sigevent};

use super::timerfd::{itimerspec, setting};
use super::{Args, Ctx, SysResult, clock_id};
use crate::mm::UserMemory;
use crate::time::{Notify, TimerClock, TimerSpec};

/// What a sigevent asks for (sigevent(3type)).
fn spec(ctx: &Ctx, clock: TimerClock, event: Option<&Sigevent>) -> Result<TimerSpec, Errno> {
    let Some(event) = event else {
        return Ok(TimerSpec { clock, notify: Notify::Process, signo: SIGALRM, value: None });
    };
    let notify = match event.notify as u32 {
        c::SIGEV_NONE => Notify::Nothing,
        c::SIGEV_SIGNAL | c::SIGEV_THREAD => Notify::Process,
        c::SIGEV_THREAD_ID => {
            let root = ctx.task.tg.pidns.root_of(event.tid).ok_or(Errno::EINVAL)?;
            let tree = ctx.task.kernel.tree.lock();
            let thread = tree.task(root).map_err(|_| Errno::EINVAL)?;
            if !Arc::ptr_eq(&thread.tg, &ctx.task.tg) {
                return Err(Errno::EINVAL);
            }
            Notify::Thread(Arc::downgrade(thread))
        }
        _ => return Err(Errno::EINVAL),
    };
    if !matches!(notify, Notify::Nothing) && !is_valid(event.signo) {
        return Err(Errno::EINVAL);
    }
    Ok(TimerSpec { clock, notify, signo: event.signo, value: Some(event.value) })
}

pub(super) fn timer_create(ctx: &mut Ctx, a: &Args) -> SysResult {
    let event: Option<Sigevent> = if a.u64(1) == 0 { None } else { Some(ctx.mm.copy_in(a.u64(1))?) };
    let clock = clock_id::timer_clock(ctx, a.u32(0))?;
    let spec = spec(ctx, clock, event.as_ref())?;
    let (timers, kernel) = (&ctx.task.tg.timers, &ctx.task.kernel);
    let id = timers.create(kernel, spec)?;
    ctx.mm.copy_out(a.u64(2), &id).inspect_err(|_| {
        // It was made just now; that another thread has deleted it already is none of our business.
        let _ = timers.delete(kernel, id);
    })?;
    Ok(0)
}

pub(super) fn timer_settime(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let new = setting(&ctx.mm.copy_in::<Itimerspec>(a.u64(2))?)?;
    let absolute = a.u32(1) & c::TIMER_ABSTIME != 0;
    let old = ctx.task.tg.timers.set(&ctx.task.kernel, a.i32(0), new, absolute)?;
    if a.u64(3) != 0 {
        ctx.mm.copy_out(a.u64(3), &itimerspec(old))?;
    }
    Ok(0)
}

pub(super) fn timer_gettime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = ctx.task.tg.timers.get(&ctx.task.kernel, a.i32(0))?;
    ctx.mm.copy_out(a.u64(1), &itimerspec(now))?;
    Ok(0)
}

pub(super) fn timer_getoverrun(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.task.tg.timers.overrun(a.i32(0)).map(|overrun| overrun as u64)
}

pub(super) fn timer_delete(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.task.tg.timers.delete(&ctx.task.kernel, a.i32(0))?;
    Ok(0)
}
