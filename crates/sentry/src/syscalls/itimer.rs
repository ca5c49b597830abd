//! Interval timers (setitimer(2), alarm(2)).

use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::{Itimerval, Timeval};

use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::time::interval::nanos;
use crate::time::{CpuKind, Setting};

fn setting(value: &Itimerval) -> Result<Setting, Errno> {
    Ok(Setting { value: nanos(value.value.to_duration()?), interval: nanos(value.interval.to_duration()?) })
}

fn itimerval(setting: Setting) -> Itimerval {
    let time = |ns| Timeval::from_duration(Duration::from_nanos(ns));
    Itimerval { value: time(setting.value), interval: time(setting.interval) }
}

pub(super) fn getitimer(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (timers, kernel) = (&ctx.task.tg.timers, &ctx.task.kernel);
    let now = match a.u32(0) {
        c::ITIMER_REAL => timers.real(),
        c::ITIMER_VIRTUAL => timers.cpu(kernel, CpuKind::User),
        c::ITIMER_PROF => timers.cpu(kernel, CpuKind::Total),
        _ => return Err(Errno::EINVAL),
    };
    ctx.mm.copy_out(a.u64(1), &itimerval(now))?;
    Ok(0)
}

pub(super) fn setitimer(ctx: &mut Ctx, a: &Args) -> SysResult {
    // As Linux has it, no value is a value of zero.
    let new = match a.u64(1) {
        0 => Setting::default(),
        addr => setting(&ctx.mm.copy_in(addr)?)?,
    };
    let (timers, kernel) = (&ctx.task.tg.timers, &ctx.task.kernel);
    let old = match a.u32(0) {
        c::ITIMER_REAL => timers.set_real(kernel, new),
        c::ITIMER_VIRTUAL => timers.set_cpu(kernel, CpuKind::User, new),
        c::ITIMER_PROF => timers.set_cpu(kernel, CpuKind::Total, new),
        _ => return Err(Errno::EINVAL),
    };
    if a.u64(2) != 0 {
        ctx.mm.copy_out(a.u64(2), &itimerval(old))?;
    }
    Ok(0)
}

pub(super) fn alarm(ctx: &mut Ctx, a: &Args) -> SysResult {
    let value = u64::from(a.u32(0)) * 1_000_000_000;
    let old = ctx.task.tg.timers.set_real(&ctx.task.kernel, Setting { value, interval: 0 });
    let left = Duration::from_nanos(old.value);
    // Rounded, but never to nothing while something is left.
    let seconds = left.as_secs() + u64::from(left.subsec_micros() >= 500_000);
    Ok(if left.is_zero() { 0 } else { seconds.max(1) })
}
