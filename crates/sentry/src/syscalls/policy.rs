//! Scheduling policies (sched(7), sched_setscheduler(2), sched_setattr(2)). They are recorded; the host schedules.

use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::SchedAttr;
use zerocopy::IntoBytes;

use super::open::copy_in_extensible;
use super::sched::{may_be_nicer, may_schedule, priority_range, task_by_number};
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::{SCHED_RESET_ON_FORK, Task};

/// Bytes of the first `struct sched_attr`.
const SCHED_ATTR_SIZE_VER0: u32 = 48;
const SCHED_FLAG_RESET_ON_FORK: u64 = 1;
const SCHED_FLAG_RECLAIM: u64 = 2;
const SCHED_FLAG_DL_OVERRUN: u64 = 4;
const SCHED_FLAG_KEEP_POLICY: u64 = 8;
const SCHED_FLAG_KEEP_PARAMS: u64 = 0x10;
const SCHED_FLAG_UTIL_CLAMP: u64 = 0x60;

/// What a task shall be scheduled by.
struct Wanted {
    policy: u32,
    reset_on_fork: bool,
    priority: u32,
    nice: i32,
}

/// Whether a change needs CAP_SYS_NICE (sched(7), "Privileges and resource limits").
fn needs_privilege(ctx: &Ctx, task: &Task, wanted: &Wanted) -> bool {
    let (old, old_priority) = *task.sched.lock();
    let kind = old & !SCHED_RESET_ON_FORK;
    let limit = task.tg.limit(c::RLIMIT_RTPRIO);
    let nice = task.nice.load(Ordering::Relaxed);
    let real_time = wanted.priority > 0
        && (wanted.policy != kind && limit == 0
            || wanted.priority > old_priority && u64::from(wanted.priority) > limit);
    let nicer = wanted.priority == 0 && wanted.nice < nice && !may_be_nicer(ctx, task, wanted.nice);
    let from_idle = kind == c::SCHED_IDLE && wanted.policy != c::SCHED_IDLE && !may_be_nicer(ctx, task, nice);
    let no_reset = old & SCHED_RESET_ON_FORK != 0 && !wanted.reset_on_fork;
    real_time || nicer || from_idle || no_reset
}

fn apply(ctx: &Ctx, task: &Task, wanted: &Wanted) -> SysResult {
    let (min, max) = priority_range(wanted.policy)?;
    if !(min..=max).contains(&wanted.priority) {
        return Err(Errno::EINVAL);
    }
    may_schedule(ctx, task)?;
    if needs_privilege(ctx, task, wanted) && !ctx.task.creds().has_cap(c::CAP_SYS_NICE) {
        return Err(Errno::EPERM);
    }
    let reset = if wanted.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 };
    *task.sched.lock() = (wanted.policy | reset, wanted.priority);
    if wanted.priority == 0 {
        task.nice.store(wanted.nice, Ordering::Relaxed);
    }
    Ok(0)
}

fn set_scheduler(ctx: &Ctx, tid: i32, policy: Option<u32>, priority: i32) -> SysResult {
    if tid < 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, tid)?;
    let policy = policy.unwrap_or(task.sched.lock().0);
    let wanted = Wanted {
        policy: policy & !SCHED_RESET_ON_FORK,
        reset_on_fork: policy & SCHED_RESET_ON_FORK != 0,
        priority: u32::try_from(priority).map_err(|_| Errno::EINVAL)?,
        nice: task.nice.load(Ordering::Relaxed),
    };
    // Its parameters come by sched_setattr(2) alone.
    if wanted.policy == c::SCHED_DEADLINE {
        return Err(Errno::EINVAL);
    }
    apply(ctx, &task, &wanted)
}

pub(super) fn sched_setscheduler(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(2) == 0 || a.i32(1) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = ctx.mm.copy_in(a.u64(2))?;
    set_scheduler(ctx, a.i32(0), Some(a.u32(1)), priority)
}

pub(super) fn sched_getscheduler(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let (policy, _) = *task_by_number(ctx, a.i32(0))?.sched.lock();
    Ok(u64::from(policy))
}

pub(super) fn sched_setparam(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) == 0 || a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = ctx.mm.copy_in(a.u64(1))?;
    set_scheduler(ctx, a.i32(0), None, priority)
}

pub(super) fn sched_getparam(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) == 0 || a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let (_, priority) = *task_by_number(ctx, a.i32(0))?.sched.lock();
    ctx.mm.copy_out(a.u64(1), &priority)?;
    Ok(0)
}

/// The structure of sched_setattr(2). A size that is wrong is answered with the right one.
fn copy_in_attr(ctx: &Ctx, addr: u64) -> Result<SchedAttr, Errno> {
    let size = match ctx.mm.copy_in::<u32>(addr)? {
        0 => SCHED_ATTR_SIZE_VER0,
        size => size,
    };
    let attr = if (SCHED_ATTR_SIZE_VER0..=4096).contains(&size) {
        copy_in_extensible(ctx, addr, u64::from(size))
    } else {
        Err(Errno::E2BIG)
    };
    if attr == Err(Errno::E2BIG) {
        ctx.mm.copy_out(addr, &(size_of::<SchedAttr>() as u32))?;
    }
    attr
}

pub(super) fn sched_setattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) == 0 || a.i32(0) < 0 || a.u32(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let attr = copy_in_attr(ctx, a.u64(1))?;
    if (attr.policy as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, a.i32(0))?;
    let known = SCHED_FLAG_RESET_ON_FORK
        | SCHED_FLAG_RECLAIM
        | SCHED_FLAG_DL_OVERRUN
        | SCHED_FLAG_KEEP_POLICY
        | SCHED_FLAG_KEEP_PARAMS
        | SCHED_FLAG_UTIL_CLAMP;
    if attr.flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    // As a kernel built without it.
    if attr.flags & SCHED_FLAG_UTIL_CLAMP != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let (old, old_priority) = *task.sched.lock();
    let mut wanted = Wanted {
        policy: attr.policy,
        reset_on_fork: attr.flags & SCHED_FLAG_RESET_ON_FORK != 0,
        priority: attr.priority,
        nice: attr.nice.clamp(-20, 19),
    };
    if attr.flags & SCHED_FLAG_KEEP_POLICY != 0 {
        wanted.policy = old & !SCHED_RESET_ON_FORK;
        wanted.reset_on_fork = old & SCHED_RESET_ON_FORK != 0;
    }
    if attr.flags & SCHED_FLAG_KEEP_PARAMS != 0 {
        (wanted.priority, wanted.nice) = (old_priority, task.nice.load(Ordering::Relaxed));
    }
    if wanted.policy == c::SCHED_DEADLINE {
        return Err(no_deadlines(ctx, &attr));
    }
    apply(ctx, &task, &wanted)
}

/// There is no processor time left that could be promised.
fn no_deadlines(ctx: &Ctx, attr: &SchedAttr) -> Errno {
    let period = if attr.period == 0 { attr.deadline } else { attr.period };
    if attr.priority != 0 || attr.runtime < 1024 || attr.runtime > attr.deadline || attr.deadline > period {
        Errno::EINVAL
    } else if ctx.task.creds().has_cap(c::CAP_SYS_NICE) {
        Errno::EBUSY
    } else {
        Errno::EPERM
    }
}

pub(super) fn sched_getattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = a.u32(2);
    let sizes = SCHED_ATTR_SIZE_VER0..=4096;
    if a.u64(1) == 0 || a.i32(0) < 0 || !sizes.contains(&size) || a.u32(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, a.i32(0))?;
    let (policy, priority) = *task.sched.lock();
    let attr = SchedAttr {
        size: size.min(size_of::<SchedAttr>() as u32),
        policy: policy & !SCHED_RESET_ON_FORK,
        flags: if policy & SCHED_RESET_ON_FORK != 0 { SCHED_FLAG_RESET_ON_FORK } else { 0 },
        nice: if priority == 0 { task.nice.load(Ordering::Relaxed) } else { 0 },
        priority,
        ..SchedAttr::default()
    };
    ctx.mm.write_exact(a.u64(1), &attr.as_bytes()[..attr.size as usize])?;
    Ok(0)
}
