//! Scheduling and limits (sched_setaffinity(2), setpriority(2), prlimit(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::{Rlimit, SchedAttr};

use super::process::process_by_number;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::Task;

pub(super) fn sched_yield(_ctx: &mut Ctx, _a: &Args) -> SysResult {
    std::thread::yield_now();
    Ok(0)
}

/// A task by the number that the caller gave, 0 for itself.
fn task_by_number(ctx: &Ctx, tid: i32) -> Result<Arc<Task>, Errno> {
    if tid == 0 {
        return Ok(Arc::clone(&ctx.task));
    }
    let root = process_by_number(ctx, tid)?;
    ctx.task.kernel.tree.lock().task(root).cloned()
}

/// Whether the caller may change how another is scheduled.
fn may_schedule(ctx: &Ctx, task: &Task) -> Result<(), Errno> {
    let (me, other) = (ctx.task.creds(), task.creds());
    if me.euid == other.uid || me.euid == other.euid || me.has_cap(c::CAP_SYS_NICE) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

pub(super) fn sched_getaffinity(ctx: &mut Ctx, a: &Args) -> SysResult {
    let task = task_by_number(ctx, a.i32(0))?;
    let cpus = ctx.task.kernel.config.cpus;
    let needed = cpus.div_ceil(64) * 8;
    if (a.u32(1) as usize) < needed || !a.u32(1).is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let mut mask = vec![0u8; needed];
    match &*task.affinity.lock() {
        Some(set) => mask[..set.len().min(needed)].copy_from_slice(&set[..set.len().min(needed)]),
        None => (0..cpus).for_each(|cpu| mask[cpu / 8] |= 1 << (cpu % 8)),
    }
    ctx.mm.write_exact(a.u64(2), &mask)?;
    Ok(needed as u64)
}

pub(super) fn sched_setaffinity(ctx: &mut Ctx, a: &Args) -> SysResult {
    let cpus = ctx.task.kernel.config.cpus;
    let mut mask = vec![0u8; (a.u32(1) as usize).min(cpus.div_ceil(64) * 8)];
    ctx.mm.read_exact(a.u64(2), &mut mask)?;
    let task = task_by_number(ctx, a.i32(0))?;
    may_schedule(ctx, &task)?;
    for (i, byte) in mask.iter_mut().enumerate() {
        for bit in 0..8 {
            if i * 8 + bit >= cpus {
                *byte &= !(1 << bit);
            }
        }
    }
    if mask.iter().all(|&b| b == 0) {
        return Err(Errno::EINVAL);
    }
    *task.affinity.lock() = Some(mask);
    Ok(0)
}

fn priority_range(policy: u32) -> Result<(u32, u32), Errno> {
    match policy {
        c::SCHED_FIFO | c::SCHED_RR => Ok((1, 99)),
        c::SCHED_NORMAL | c::SCHED_BATCH | c::SCHED_IDLE | c::SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn sched_get_priority_max(_ctx: &mut Ctx, a: &Args) -> SysResult {
    priority_range(a.u32(0)).map(|(_, max)| u64::from(max))
}

pub(super) fn sched_get_priority_min(_ctx: &mut Ctx, a: &Args) -> SysResult {
    priority_range(a.u32(0)).map(|(min, _)| u64::from(min))
}

/// SCHED_RESET_ON_FORK
const RESET_ON_FORK: u32 = 0x4000_0000;

fn set_scheduler(ctx: &Ctx, tid: i32, policy: u32, priority: i32) -> SysResult {
    if tid < 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, tid)?;
    let kind = policy & !RESET_ON_FORK;
    let (min, max) = priority_range(kind)?;
    let priority = u32::try_from(priority).map_err(|_| Errno::EINVAL)?;
    if kind == c::SCHED_DEADLINE || !(min..=max).contains(&priority) {
        return Err(Errno::EINVAL);
    }
    may_schedule(ctx, &task)?;
    let limit = task.tg.limit(c::RLIMIT_RTPRIO);
    if priority > 0 && u64::from(priority) > limit && !ctx.task.creds().has_cap(c::CAP_SYS_NICE) {
        return Err(Errno::EPERM);
    }
    *task.sched.lock() = (policy, priority);
    Ok(0)
}

pub(super) fn sched_setscheduler(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(2) == 0 || a.i32(1) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = ctx.mm.copy_in(a.u64(2))?;
    set_scheduler(ctx, a.i32(0), a.u32(1), priority)
}

pub(super) fn sched_getscheduler(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, a.i32(0))?;
    let (policy, _) = *task.sched.lock();
    Ok(u64::from(policy))
}

pub(super) fn sched_setparam(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) == 0 || a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = ctx.mm.copy_in(a.u64(1))?;
    let (policy, _) = *task_by_number(ctx, a.i32(0))?.sched.lock();
    set_scheduler(ctx, a.i32(0), policy, priority)
}

pub(super) fn sched_getparam(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) == 0 || a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let (_, priority) = *task_by_number(ctx, a.i32(0))?.sched.lock();
    ctx.mm.copy_out(a.u64(1), &priority)?;
    Ok(0)
}

pub(super) fn sched_getattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = a.u32(2);
    if a.u64(1) == 0 || a.i32(0) < 0 || !(48..=4096).contains(&size) || a.u32(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let task = task_by_number(ctx, a.i32(0))?;
    let (policy, priority) = *task.sched.lock();
    let attr = SchedAttr {
        size: size.min(size_of::<SchedAttr>() as u32),
        policy: policy & !RESET_ON_FORK,
        nice: task.nice.load(Ordering::Relaxed),
        priority,
        ..SchedAttr::default()
    };
    use zerocopy::IntoBytes;
    let n = attr.size as usize;
    ctx.mm.write_exact(a.u64(1), &attr.as_bytes()[..n])?;
    Ok(0)
}

pub(super) fn sched_rr_get_interval(ctx: &mut Ctx, a: &Args) -> SysResult {
    task_by_number(ctx, a.i32(0))?;
    ctx.mm.copy_out(a.u64(1), &stockade_abi::time::Timespec { sec: 0, nsec: 4_000_000 })?;
    Ok(0)
}

/// The tasks that getpriority(2) and setpriority(2) mean.
fn priority_targets(ctx: &Ctx, which: u32, who: i32) -> Result<Vec<Arc<Task>>, Errno> {
    let tree_lock = |f: &dyn Fn(&crate::task::Tree) -> Vec<Arc<Task>>| f(&ctx.task.kernel.tree.lock());
    let found = match which {
        c::PRIO_PROCESS => task_by_number(ctx, who).map(|t| vec![t]).unwrap_or_default(),
        c::PRIO_PGRP => {
            let me = ctx.task.tg.tgid;
            let wanted =
                if who == 0 { None } else { Some(ctx.task.tg.pidns.root_of(who).ok_or(Errno::ESRCH)?) };
            tree_lock(&|tree| {
                let pgid = wanted.or_else(|| tree.group(me).ok().map(|g| g.pgid)).unwrap_or(0);
                tree.members(pgid).flat_map(|g| g.threads.clone()).collect()
            })
        }
        c::PRIO_USER => {
            let uid = if who == 0 { ctx.task.creds().uid.0 } else { who as u32 };
            tree_lock(&|tree| tree.tasks.values().filter(|t| t.creds().uid.0 == uid).cloned().collect())
        }
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

pub(super) fn getpriority(ctx: &mut Ctx, a: &Args) -> SysResult {
    let targets = priority_targets(ctx, a.u32(0), a.i32(1))?;
    let best = targets.iter().map(|t| t.nice.load(Ordering::Relaxed)).min().unwrap_or(0);
    Ok((20 - best) as u64)
}

pub(super) fn setpriority(ctx: &mut Ctx, a: &Args) -> SysResult {
    let nice = a.i32(2).clamp(-20, 19);
    for task in priority_targets(ctx, a.u32(0), a.i32(1))? {
        may_schedule(ctx, &task)?;
        let lowest = 20 - i32::try_from(task.tg.limit(c::RLIMIT_NICE)).unwrap_or(40);
        if nice < task.nice.load(Ordering::Relaxed)
            && nice < lowest
            && !ctx.task.creds().has_cap(c::CAP_SYS_NICE)
        {
            return Err(Errno::EACCES);
        }
        task.nice.store(nice, Ordering::Relaxed);
    }
    Ok(0)
}

pub(super) fn getrlimit(ctx: &mut Ctx, a: &Args) -> SysResult {
    let limit = ctx.task.tg.limits.read().get(a.u32(0))?;
    ctx.mm.copy_out(a.u64(1), &limit)?;
    Ok(0)
}

pub(super) fn setrlimit(ctx: &mut Ctx, a: &Args) -> SysResult {
    let new: Rlimit = ctx.mm.copy_in(a.u64(1))?;
    let privileged = ctx.task.creds().has_cap(c::CAP_SYS_RESOURCE);
    ctx.task.tg.limits.write().set(a.u32(0), new, privileged)?;
    Ok(0)
}

pub(super) fn prlimit64(ctx: &mut Ctx, a: &Args) -> SysResult {
    let new: Option<Rlimit> = if a.u64(2) == 0 { None } else { Some(ctx.mm.copy_in(a.u64(2))?) };
    let task = task_by_number(ctx, a.i32(0))?;
    if !Arc::ptr_eq(&task.tg, &ctx.task.tg) {
        let (me, other) = (ctx.task.creds(), task.creds());
        let same = [other.uid, other.euid, other.suid].iter().all(|id| *id == me.uid)
            && [other.gid, other.egid, other.sgid].iter().all(|id| *id == me.gid);
        if !same && !me.has_cap(c::CAP_SYS_RESOURCE) {
            return Err(Errno::EPERM);
        }
    }
    let privileged = ctx.task.creds().has_cap(c::CAP_SYS_RESOURCE);
    let old = match new {
        Some(new) => task.tg.limits.write().set(a.u32(1), new, privileged)?,
        None => task.tg.limits.read().get(a.u32(1))?,
    };
    if a.u64(3) != 0 {
        ctx.mm.copy_out(a.u64(3), &old)?;
    }
    Ok(0)
}
