//! I/O priorities (ioprio_set(2)). They are recorded; the host schedules.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::sched::priority_targets;
use super::{Args, Ctx, SysResult};
use crate::task::Task;

const CLASS_NONE: u32 = 0;
const CLASS_RT: u32 = 1;
const CLASS_BE: u32 = 2;
const CLASS_IDLE: u32 = 3;
const CLASS_SHIFT: u32 = 13;

/// The tasks meant: kinds are numbered from 1 here, in the order that setpriority(2) has them.
fn targets(ctx: &Ctx, a: &Args) -> Result<Vec<Arc<Task>>, Errno> {
    let which = match a.u32(0) {
        1 => c::PRIO_PROCESS,
        2 => c::PRIO_PGRP,
        3 => c::PRIO_USER,
        _ => return Err(Errno::EINVAL),
    };
    priority_targets(ctx, which, a.i32(1))
}

pub(super) fn ioprio_set(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (class, level) = (a.u32(2) >> CLASS_SHIFT & 7, a.u32(2) & 7);
    let creds = ctx.task.creds();
    match class {
        CLASS_RT if !creds.has_cap(c::CAP_SYS_ADMIN) && !creds.has_cap(c::CAP_SYS_NICE) => {
            return Err(Errno::EPERM);
        }
        CLASS_NONE if level != 0 => return Err(Errno::EINVAL),
        CLASS_NONE | CLASS_RT | CLASS_BE | CLASS_IDLE => {}
        _ => return Err(Errno::EINVAL),
    }
    for task in targets(ctx, a)? {
        let owner = task.creds().uid;
        if owner != creds.uid && owner != creds.euid && !creds.has_cap(c::CAP_SYS_NICE) {
            return Err(Errno::EPERM);
        }
        task.ioprio.store(a.u32(2) & 0xffff, Ordering::Relaxed);
    }
    Ok(0)
}

/// What a task's priority amounts to: if it has none, it follows from how it is scheduled.
fn effective(task: &Task) -> u32 {
    let raw = task.ioprio.load(Ordering::Relaxed);
    if raw >> CLASS_SHIFT != CLASS_NONE {
        return raw;
    }
    let class = match task.sched.lock().0 & !crate::task::SCHED_RESET_ON_FORK {
        c::SCHED_IDLE => CLASS_IDLE,
        c::SCHED_FIFO | c::SCHED_RR => CLASS_RT,
        _ => CLASS_BE,
    };
    (class << CLASS_SHIFT) | ((task.nice.load(Ordering::Relaxed) + 20).unsigned_abs() / 5)
}

pub(super) fn ioprio_get(ctx: &mut Ctx, a: &Args) -> SysResult {
    let targets = targets(ctx, a)?;
    let best = match targets.as_slice() {
        [one] if a.u32(0) == 1 => one.ioprio.load(Ordering::Relaxed),
        all => all.iter().map(|t| effective(t)).min().unwrap_or(0),
    };
    Ok(u64::from(best))
}
