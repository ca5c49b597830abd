//! Resource limits (getrlimit(2), prlimit(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::Rlimit;

use super::sched::task_by_number;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::task::ThreadGroup;

pub(super) fn getrlimit(ctx: &mut Ctx, a: &Args) -> SysResult {
    let limit = ctx.task.tg.limits.read().get(a.u32(0))?;
    ctx.mm.copy_out(a.u64(1), &limit)?;
    Ok(0)
}

fn set(tg: &ThreadGroup, resource: u32, new: Rlimit, privileged: bool) -> Result<Rlimit, Errno> {
    let old = tg.limits.write().set(resource, new, privileged)?;
    if resource == c::RLIMIT_CPU {
        tg.cpu_limit.update();
    }
    Ok(old)
}

pub(super) fn setrlimit(ctx: &mut Ctx, a: &Args) -> SysResult {
    let new: Rlimit = ctx.mm.copy_in(a.u64(1))?;
    let privileged = ctx.task.creds().has_cap(c::CAP_SYS_RESOURCE);
    set(&ctx.task.tg, a.u32(0), new, privileged)?;
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
        Some(new) => set(&task.tg, a.u32(1), new, privileged)?,
        None => task.tg.limits.read().get(a.u32(1))?,
    };
    if a.u64(3) != 0 {
        ctx.mm.copy_out(a.u64(3), &old)?;
    }
    Ok(0)
}
