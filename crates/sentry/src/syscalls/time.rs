//! Time (clock_gettime(2), times(2), getrusage(2)).

use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::{NSEC_PER_SEC, Rusage, Timespec, Timeval, Tms, USER_HZ};

use super::clock_id::{self, Purpose};
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::Usage;

/// What the whole process has used, its dead threads included.
fn process_usage(ctx: &Ctx) -> Usage {
    ctx.task.kernel.usage_of(&ctx.task.tg)
}

fn host_clock(id: rustix::time::ClockId) -> Timespec {
    let t = rustix::time::clock_gettime(id);
    Timespec { sec: t.tv_sec, nsec: t.tv_nsec }
}

fn read_clock(ctx: &Ctx, id: u32) -> Result<Timespec, Errno> {
    use rustix::time::ClockId;
    Ok(match id {
        c::CLOCK_REALTIME => host_clock(ClockId::Realtime),
        c::CLOCK_MONOTONIC => host_clock(ClockId::Monotonic),
        c::CLOCK_MONOTONIC_RAW => host_clock(ClockId::MonotonicRaw),
        c::CLOCK_REALTIME_COARSE => host_clock(ClockId::RealtimeCoarse),
        c::CLOCK_MONOTONIC_COARSE => host_clock(ClockId::MonotonicCoarse),
        c::CLOCK_BOOTTIME | c::CLOCK_BOOTTIME_ALARM => host_clock(ClockId::Boottime),
        // Without a time service that sets the offset, TAI is UTC.
        c::CLOCK_REALTIME_ALARM | c::CLOCK_TAI => host_clock(ClockId::Realtime),
        id => {
            let now = clock_id::cpu_clock(ctx, id, Purpose::Read)?.now(&ctx.task.kernel);
            Timespec::from_duration(Duration::from_nanos(now.ok_or(Errno::EINVAL)?))
        }
    })
}

pub(super) fn clock_gettime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = read_clock(ctx, a.u32(0))?;
    ctx.mm.copy_out(a.u64(1), &now)?;
    Ok(0)
}

pub(super) fn clock_getres(ctx: &mut Ctx, a: &Args) -> SysResult {
    let nsec = match a.u32(0) {
        c::CLOCK_REALTIME_COARSE | c::CLOCK_MONOTONIC_COARSE => clock_id::tick(),
        c::CLOCK_REALTIME..=c::CLOCK_MONOTONIC_RAW
        | c::CLOCK_BOOTTIME
        | c::CLOCK_REALTIME_ALARM
        | c::CLOCK_BOOTTIME_ALARM
        | c::CLOCK_TAI => 1,
        id => clock_id::cpu_resolution(ctx, id)?,
    };
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &Timespec { sec: 0, nsec })?;
    }
    Ok(0)
}

/// The host's clock is not a guest's to set: as for a user without CAP_SYS_TIME, once the arguments are right.
pub(super) fn clock_settime(ctx: &mut Ctx, a: &Args) -> SysResult {
    match a.u32(0) {
        c::CLOCK_REALTIME => {
            ctx.mm.copy_in::<Timespec>(a.u64(1))?.to_duration()?;
            Err(Errno::EPERM)
        }
        0x8000_0000.. => {
            ctx.mm.copy_in::<Timespec>(a.u64(1))?;
            clock_id::cpu_clock(ctx, a.u32(0), Purpose::Other)?;
            Err(Errno::EPERM)
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn gettimeofday(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = host_clock(rustix::time::ClockId::Realtime);
    if a.u64(0) != 0 {
        ctx.mm.copy_out(a.u64(0), &Timeval { sec: now.sec, usec: now.nsec / 1000 })?;
    }
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &[0i32; 2])?;
    }
    Ok(0)
}

pub(super) fn settimeofday(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(0) != 0 {
        ctx.mm.copy_in::<Timeval>(a.u64(0))?.to_duration()?;
    }
    if a.u64(1) != 0 {
        ctx.mm.copy_in::<[i32; 2]>(a.u64(1))?;
    }
    Err(Errno::EPERM)
}

pub(super) fn time(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = host_clock(rustix::time::ClockId::Realtime).sec;
    if a.u64(0) != 0 {
        ctx.mm.copy_out(a.u64(0), &now)?;
    }
    Ok(now as u64)
}

fn to_ticks(d: Duration) -> i64 {
    (d.as_nanos() * u128::from(USER_HZ) / NSEC_PER_SEC as u128) as i64
}

pub(super) fn times(ctx: &mut Ctx, a: &Args) -> SysResult {
    let own = process_usage(ctx);
    let children = ctx.task.tg.past.lock().children;
    if a.u64(0) != 0 {
        let tms = Tms {
            utime: to_ticks(own.user),
            stime: to_ticks(own.system),
            cutime: to_ticks(children.user),
            cstime: to_ticks(children.system),
        };
        ctx.mm.copy_out(a.u64(0), &tms)?;
    }
    Ok(to_ticks(Duration::from_nanos(ctx.task.kernel.clock.monotonic_nanos())) as u64)
}

const RUSAGE_SELF: i32 = 0;
const RUSAGE_CHILDREN: i32 = -1;
const RUSAGE_THREAD: i32 = 1;

/// As getrusage(2) and wait4(2) tell it; `max_rss` in bytes.
pub(super) fn rusage(used: &Usage, max_rss: u64) -> Rusage {
    Rusage {
        utime: Timeval::from_duration(used.user),
        stime: Timeval::from_duration(used.system),
        maxrss: (max_rss / 1024) as i64,
        minflt: used.minor_faults as i64,
        majflt: used.major_faults as i64,
        nvcsw: used.waits as i64,
        ..Rusage::default()
    }
}

pub(super) fn getrusage(ctx: &mut Ctx, a: &Args) -> SysResult {
    let rss = ctx.mm.space().resident_size();
    ctx.task.tg.note_rss(rss);
    let max = ctx.task.tg.max_rss.load(std::sync::atomic::Ordering::Relaxed);
    let (used, max) = match a.i32(0) {
        RUSAGE_SELF => (process_usage(ctx), max),
        RUSAGE_CHILDREN => {
            let past = *ctx.task.tg.past.lock();
            (past.children, past.children_max_rss)
        }
        RUSAGE_THREAD => (ctx.task.usage(), max),
        _ => return Err(Errno::EINVAL),
    };
    ctx.mm.copy_out(a.u64(1), &rusage(&used, max))?;
    Ok(0)
}
