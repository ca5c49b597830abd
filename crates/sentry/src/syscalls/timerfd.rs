//! Timers behind descriptors (timerfd_create(2)).

use std::sync::Arc;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::{Itimerspec, Timespec};

use super::{Args, Ctx, SysResult};
use crate::fs::timerfd::TimerFd;
use crate::mm::UserMemory;
use crate::time::Base;
use crate::time::Setting;
use crate::time::interval::nanos;
use crate::vfs::anon;

/// As a setting.
pub(super) fn setting(spec: &Itimerspec) -> Result<Setting, Errno> {
    Ok(Setting { value: nanos(spec.value.to_duration()?), interval: nanos(spec.interval.to_duration()?) })
}

/// As a guest sees it.
pub(super) fn itimerspec(setting: Setting) -> Itimerspec {
    let time = |ns| Timespec::from_duration(Duration::from_nanos(ns));
    Itimerspec { value: time(setting.value), interval: time(setting.interval) }
}

pub(super) fn timerfd_create(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(1);
    if flags & !c::TFD_CREATE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let clock = match a.u32(0) {
        c::CLOCK_REALTIME | c::CLOCK_REALTIME_ALARM => Base::Realtime,
        c::CLOCK_MONOTONIC => Base::Monotonic,
        c::CLOCK_BOOTTIME | c::CLOCK_BOOTTIME_ALARM => Base::Boottime,
        _ => return Err(Errno::EINVAL),
    };
    let wakes_machine = matches!(a.u32(0), c::CLOCK_REALTIME_ALARM | c::CLOCK_BOOTTIME_ALARM);
    if wakes_machine && !ctx.task.creds().has_cap(c::CAP_WAKE_ALARM) {
        return Err(Errno::EPERM);
    }
    let timer = TimerFd::new(a.u32(0), clock, &ctx.task.kernel.timers);
    let file = anon::file("[timerfd]", timer, c::O_RDWR | (flags & c::TFD_NONBLOCK));
    Ok(ctx.files.add(file, flags & c::TFD_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

pub(super) fn timerfd_settime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(1);
    let new = setting(&ctx.mm.copy_in(a.u64(2))?)?;
    if flags & !(c::TFD_TIMER_ABSTIME | c::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.file(a.i32(0))?;
    let timer = Arc::clone(file.ops()).downcast::<TimerFd>().ok_or(Errno::EINVAL)?;
    let old = timer.set(new, flags)?;
    if a.u64(3) != 0 {
        ctx.mm.copy_out(a.u64(3), &itimerspec(old))?;
    }
    Ok(0)
}

pub(super) fn timerfd_gettime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    let now = file.ops().downcast_ref::<TimerFd>().ok_or(Errno::EINVAL)?.get()?;
    ctx.mm.copy_out(a.u64(1), &itimerspec(now))?;
    Ok(0)
}
