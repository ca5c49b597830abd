//! On which processors and how often tasks run (sched_setaffinity(2), setpriority(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;

use super::process::process_by_number;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::{SCHED_RESET_ON_FORK, Task};

/// The way to the sentry and back has let others run. The host is not asked to yield: Linux 6.18 moves a task that does so
/// ahead in virtual time by a whole slice each time, and a guest that does nothing else for minutes takes that so far that
/// the host's scheduler starves others of the processor.
pub(super) fn sched_yield(_ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(0)
}

/// A task by the number that the caller gave, 0 for itself.
pub(super) fn task_by_number(ctx: &Ctx, tid: i32) -> Result<Arc<Task>, Errno> {
    if tid == 0 {
        return Ok(Arc::clone(&ctx.task));
    }
    let root = process_by_number(ctx, tid)?;
    ctx.task.kernel.tree.lock().task(root).cloned()
}

/// Whether the caller may change how another is scheduled.
pub(super) fn may_schedule(ctx: &Ctx, task: &Task) -> Result<(), Errno> {
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
    task.set_affinity(mask);
    Ok(0)
}

pub(super) fn priority_range(policy: u32) -> Result<(u32, u32), Errno> {
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

pub(super) fn sched_rr_get_interval(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let (policy, _) = *task_by_number(ctx, a.i32(0))?.sched.lock();
    let nsec = match policy & !SCHED_RESET_ON_FORK {
        c::SCHED_FIFO => 0,
        c::SCHED_RR => 100_000_000,
        _ => 4_000_000,
    };
    ctx.mm.copy_out(a.u64(1), &Timespec { sec: 0, nsec })?;
    Ok(0)
}

/// The tasks that getpriority(2) and setpriority(2) mean.
pub(super) fn priority_targets(ctx: &Ctx, which: u32, who: i32) -> Result<Vec<Arc<Task>>, Errno> {
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
    let mut outcome = Ok(0);
    for task in priority_targets(ctx, a.u32(0), a.i32(1))? {
        if may_schedule(ctx, &task).is_err() {
            outcome = Err(Errno::EPERM);
        } else if nice < task.nice.load(Ordering::Relaxed) && !may_be_nicer(ctx, &task, nice) {
            outcome = Err(Errno::EACCES);
        } else {
            task.nice.store(nice, Ordering::Relaxed);
        }
    }
    outcome
}

/// Whether a task may get a better nice value than it has (RLIMIT_NICE).
pub(super) fn may_be_nicer(ctx: &Ctx, task: &Task, nice: i32) -> bool {
    (20 - nice) as u64 <= task.tg.limit(c::RLIMIT_NICE) || ctx.task.creds().has_cap(c::CAP_SYS_NICE)
}
