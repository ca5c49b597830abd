//! Time (clock_gettime(2), nanosleep(2), times(2)).

use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::{NSEC_PER_SEC, Timespec, Timeval, Tms, USER_HZ};

use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::group::CpuTime;
use crate::time::clock::{instant_of_monotonic, instant_of_realtime};

/// CPU time of the whole process, its dead threads included.
fn process_cpu(ctx: &mut Ctx) -> CpuTime {
    ctx.refresh_cpu_time();
    let mut total = ctx.task.tg.past.lock().threads;
    let tree = ctx.task.kernel.tree.lock();
    if let Ok(group) = tree.group(ctx.task.tg.tgid) {
        for thread in &group.threads {
            total += *thread.cpu.lock();
        }
    }
    total
}

fn host_clock(id: rustix::time::ClockId) -> Timespec {
    let t = rustix::time::clock_gettime(id);
    Timespec { sec: t.tv_sec, nsec: t.tv_nsec }
}

fn read_clock(ctx: &mut Ctx, id: u32) -> Result<Timespec, Errno> {
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
        c::CLOCK_PROCESS_CPUTIME_ID => {
            let cpu = process_cpu(ctx);
            Timespec::from_duration(cpu.user + cpu.system)
        }
        c::CLOCK_THREAD_CPUTIME_ID => {
            ctx.refresh_cpu_time();
            let cpu = *ctx.task.cpu.lock();
            Timespec::from_duration(cpu.user + cpu.system)
        }
        _ => return Err(Errno::EINVAL),
    })
}

pub(super) fn clock_gettime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = read_clock(ctx, a.u32(0))?;
    ctx.mm.copy_out(a.u64(1), &now)?;
    Ok(0)
}

pub(super) fn clock_getres(ctx: &mut Ctx, a: &Args) -> SysResult {
    let nsec = match a.u32(0) {
        c::CLOCK_REALTIME_COARSE | c::CLOCK_MONOTONIC_COARSE => {
            let id = rustix::time::ClockId::RealtimeCoarse;
            rustix::time::clock_getres(id).tv_nsec
        }
        c::CLOCK_REALTIME..=c::CLOCK_MONOTONIC_RAW
        | c::CLOCK_BOOTTIME
        | c::CLOCK_REALTIME_ALARM
        | c::CLOCK_BOOTTIME_ALARM
        | c::CLOCK_TAI => 1,
        _ => return Err(Errno::EINVAL),
    };
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &Timespec { sec: 0, nsec })?;
    }
    Ok(0)
}

pub(super) fn clock_settime(_ctx: &mut Ctx, a: &Args) -> SysResult {
    match a.u32(0) {
        c::CLOCK_REALTIME => Err(Errno::EPERM),
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

pub(super) fn settimeofday(_ctx: &mut Ctx, _a: &Args) -> SysResult {
    Err(Errno::EPERM)
}

pub(super) fn time(ctx: &mut Ctx, a: &Args) -> SysResult {
    let now = host_clock(rustix::time::ClockId::Realtime).sec;
    if a.u64(0) != 0 {
        ctx.mm.copy_out(a.u64(0), &now)?;
    }
    Ok(now as u64)
}

/// Sleeps until a deadline; on interruption stores what is left, and leaves a restart block.
fn sleep(ctx: &mut Ctx, deadline: Option<Instant>, left_at: u64) -> SysResult {
    let result = ctx.task.block_on::<u64>(deadline, || Err(Errno::EAGAIN));
    match result {
        Err(Errno::ETIMEDOUT) => Ok(0),
        Err(Errno::ERESTARTSYS) => {
            if left_at != 0 {
                let left = deadline.map_or(Duration::ZERO, |d| d.saturating_duration_since(Instant::now()));
                ctx.mm.copy_out(left_at, &Timespec::from_duration(left))?;
            }
            *ctx.task.restart.lock() = Some(Box::new(move |ctx: &mut Ctx| sleep(ctx, deadline, left_at)));
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        other => other,
    }
}

pub(super) fn nanosleep(ctx: &mut Ctx, a: &Args) -> SysResult {
    let time = ctx.mm.copy_in::<Timespec>(a.u64(0))?.to_duration()?;
    sleep(ctx, Instant::now().checked_add(time), a.u64(1))
}

/// TIMER_ABSTIME
const TIMER_ABSTIME: u32 = 1;

pub(super) fn clock_nanosleep(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (clock, flags) = (a.u32(0), a.u32(1));
    let time = match clock {
        c::CLOCK_THREAD_CPUTIME_ID => return Err(Errno::EINVAL),
        c::CLOCK_MONOTONIC_RAW | c::CLOCK_REALTIME_COARSE | c::CLOCK_MONOTONIC_COARSE => {
            return Err(Errno::EOPNOTSUPP);
        }
        c::CLOCK_REALTIME
        | c::CLOCK_MONOTONIC
        | c::CLOCK_BOOTTIME
        | c::CLOCK_TAI
        | c::CLOCK_PROCESS_CPUTIME_ID => ctx.mm.copy_in::<Timespec>(a.u64(2))?.to_duration()?,
        _ => return Err(Errno::EINVAL),
    };
    if flags & TIMER_ABSTIME == 0 {
        return sleep(ctx, Instant::now().checked_add(time), a.u64(3));
    }
    let deadline = match clock {
        c::CLOCK_REALTIME | c::CLOCK_TAI => instant_of_realtime(time),
        _ => instant_of_monotonic(time),
    };
    match sleep(ctx, Some(deadline), 0) {
        // An absolute sleep is simply begun again.
        Err(Errno::ERESTART_RESTARTBLOCK) => Err(Errno::ERESTARTNOHAND),
        other => other,
    }
}

pub(super) fn restart_syscall(ctx: &mut Ctx, _a: &Args) -> SysResult {
    let block = ctx.task.restart.lock().take();
    match block {
        Some(block) => block(ctx),
        None => Err(Errno::EINTR),
    }
}

fn to_ticks(d: Duration) -> i64 {
    (d.as_nanos() * u128::from(USER_HZ) / NSEC_PER_SEC as u128) as i64
}

pub(super) fn times(ctx: &mut Ctx, a: &Args) -> SysResult {
    let own = process_cpu(ctx);
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

pub(super) fn getrusage(ctx: &mut Ctx, a: &Args) -> SysResult {
    let rss = ctx.mm.space().resident_size();
    ctx.task.tg.note_rss(rss);
    let max = ctx.task.tg.max_rss.load(std::sync::atomic::Ordering::Relaxed);
    let (cpu, max) = match a.i32(0) {
        RUSAGE_SELF => (process_cpu(ctx), max),
        RUSAGE_CHILDREN => {
            let past = *ctx.task.tg.past.lock();
            (past.children, past.children_max_rss)
        }
        RUSAGE_THREAD => {
            ctx.refresh_cpu_time();
            (*ctx.task.cpu.lock(), max)
        }
        _ => return Err(Errno::EINVAL),
    };
    let usage = stockade_abi::time::Rusage {
        utime: Timeval::from_duration(cpu.user),
        stime: Timeval::from_duration(cpu.system),
        maxrss: (max / 1024) as i64,
        ..Default::default()
    };
    ctx.mm.copy_out(a.u64(1), &usage)?;
    Ok(0)
}
