//! Clocks by number (clock_getres(2), "Dynamic clocks"; clock_getcpuclockid(3)).

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::Ctx;
use crate::time::{Base, CpuClock, CpuKind, TimerClock};

/// Bits of the number of a clock of CPU time, below the complement of a process's or thread's number.
const PER_THREAD: u32 = 4;
const WHICH: u32 = 3;
const PROF: u32 = 0;
const VIRT: u32 = 1;
const SCHED: u32 = 2;
/// In place of [`WHICH`]: the complement is a descriptor. There are no such clocks here.
const DESCRIPTOR: u32 = 3;

/// What a clock is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read it: any thread may be named for its process by itself.
    Read,
    /// Anything else.
    Other,
}

fn parts(id: u32) -> (i32, u32) {
    (!(id as i32 >> 3), id & 7)
}

/// A clock of CPU time.
///
/// # Errors
/// EINVAL if the number names none, or somebody who does not exist or is no concern of the caller.
pub(super) fn cpu_clock(ctx: &Ctx, id: u32, purpose: Purpose) -> Result<CpuClock, Errno> {
    let task = &ctx.task;
    match id {
        c::CLOCK_PROCESS_CPUTIME_ID => return Ok(CpuClock::of_process(&task.tg, CpuKind::Total)),
        c::CLOCK_THREAD_CPUTIME_ID => return Ok(CpuClock::of_thread(task, CpuKind::Total)),
        id if id as i32 >= 0 => return Err(Errno::EINVAL),
        _ => {}
    }
    let (number, which) = parts(id);
    let kind = match which & WHICH {
        PROF | SCHED => CpuKind::Total,
        VIRT => CpuKind::User,
        _ => return Err(Errno::EINVAL),
    };
    if number == 0 {
        return Ok(match which & PER_THREAD {
            0 => CpuClock::of_process(&task.tg, kind),
            _ => CpuClock::of_thread(task, kind),
        });
    }
    let root = task.tg.pidns.root_of(number).ok_or(Errno::EINVAL)?;
    let tree = task.kernel.tree.lock();
    if which & PER_THREAD != 0 {
        let thread = tree.task(root).map_err(|_| Errno::EINVAL)?;
        let own = std::sync::Arc::ptr_eq(&thread.tg, &task.tg);
        return own.then(|| CpuClock::of_thread(thread, kind)).ok_or(Errno::EINVAL);
    }
    if purpose == Purpose::Read && root == task.tid() {
        return Ok(CpuClock::of_process(&task.tg, kind));
    }
    let group = tree.group(root).map_err(|_| Errno::EINVAL)?;
    Ok(CpuClock::of_process(&group.tg, kind))
}

/// Nanoseconds of a tick of the host.
pub(super) fn tick() -> i64 {
    rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse).tv_nsec
}

/// Nanoseconds between two readings of a clock of CPU time.
///
/// # Errors
/// As [`cpu_clock`].
pub(super) fn cpu_resolution(ctx: &Ctx, id: u32) -> Result<i64, Errno> {
    cpu_clock(ctx, id, Purpose::Other)?;
    let precise = id as i32 >= 0 || parts(id).1 & WHICH == SCHED;
    Ok(if precise { 1 } else { tick() })
}

/// A clock for a timer (timer_create(2)).
///
/// # Errors
/// EINVAL if there is no such clock, EOPNOTSUPP if it can only be read.
pub(super) fn timer_clock(ctx: &Ctx, id: u32) -> Result<TimerClock, Errno> {
    Ok(TimerClock::Base(match id {
        // Without a time service that sets the offset, TAI is UTC.
        c::CLOCK_REALTIME | c::CLOCK_TAI => Base::Realtime,
        c::CLOCK_MONOTONIC => Base::Monotonic,
        c::CLOCK_BOOTTIME => Base::Boottime,
        c::CLOCK_MONOTONIC_RAW | c::CLOCK_REALTIME_COARSE | c::CLOCK_MONOTONIC_COARSE => {
            return Err(Errno::EOPNOTSUPP);
        }
        // As on a machine that nothing could wake.
        c::CLOCK_REALTIME_ALARM | c::CLOCK_BOOTTIME_ALARM => return Err(Errno::EOPNOTSUPP),
        id if (id as i32) < 0 && parts(id).1 == DESCRIPTOR => return Err(Errno::EOPNOTSUPP),
        id => return cpu_clock(ctx, id, Purpose::Other).map(TimerClock::Cpu),
    }))
}

/// Whether a clock is that of the calling thread, which therefore cannot sleep on it.
pub(super) fn is_own_thread(ctx: &Ctx, id: u32) -> bool {
    let (number, which) = parts(id);
    (id as i32) < 0 && which & PER_THREAD != 0 && (number == 0 || number == ctx.task.local_tid())
}
