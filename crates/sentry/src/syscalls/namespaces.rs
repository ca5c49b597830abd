//! Namespaces (unshare(2), setns(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::{Args, Ctx, SysResult};
use crate::fs::nsfs::NsFile;
use crate::fs::pidfd::PidFd;

const CLONE_NEWTIME: u32 = 0x80;

pub(super) fn unshare(ctx: &mut Ctx, a: &Args) -> SysResult {
    let mut flags = a.u32(0);
    let shared =
        c::CLONE_FILES | c::CLONE_FS | c::CLONE_SYSVSEM | c::CLONE_THREAD | c::CLONE_SIGHAND | c::CLONE_VM;
    let namespaces = c::CLONE_NEWUTS
        | c::CLONE_NEWPID
        | c::CLONE_NEWNS
        | c::CLONE_NEWIPC
        | c::CLONE_NEWNET
        | c::CLONE_NEWCGROUP
        | c::CLONE_NEWUSER
        | CLONE_NEWTIME;
    if flags & !(shared | namespaces) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & c::CLONE_NEWUSER != 0 {
        flags |= c::CLONE_THREAD | c::CLONE_FS;
    }
    let task = Arc::clone(&ctx.task);
    if flags & (c::CLONE_THREAD | c::CLONE_SIGHAND | c::CLONE_VM) != 0
        && task.kernel.tree.lock().group(task.tg.tgid)?.threads.len() > 1
    {
        return Err(Errno::EINVAL);
    }
    let fs = if flags & (c::CLONE_FS | c::CLONE_NEWNS) != 0 { task.fs().copy() } else { task.fs() };
    let ns = task.ns.read().with_new(u64::from(flags), &task, &fs)?;
    if flags & c::CLONE_FILES != 0 {
        super::fd::unshare_files(ctx);
    }
    *task.fs.write() = fs;
    *task.ns.write() = ns;
    Ok(0)
}

pub(super) fn setns(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.files.get(a.i32(0))?;
    let flags = a.u32(1);
    if let Some(NsFile(namespace)) = file.ops().downcast_ref() {
        if flags != 0 && flags != namespace.flag() {
            return Err(Errno::EINVAL);
        }
        ctx.task.enter(std::slice::from_ref(namespace))?;
        return Ok(0);
    }
    let pidfd = file.ops().downcast_ref::<PidFd>().ok_or(Errno::EINVAL)?;
    let target = pidfd.task(&ctx.task.kernel.tree.lock()).ok_or(Errno::ESRCH)?;
    let namespaces = target.namespaces(flags)?;
    ctx.task.enter(&namespaces)?;
    Ok(0)
}
