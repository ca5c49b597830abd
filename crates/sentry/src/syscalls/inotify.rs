//! Watching files (inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::{Args, Ctx, SysResult};
use crate::fs::inotify::Inotify;
use crate::vfs::{Access, File, LookupFlags, anon};

/// Every bit that inotify_add_watch(2) knows.
const KNOWN: u32 = c::IN_ALL_EVENTS
    | c::IN_UNMOUNT
    | c::IN_Q_OVERFLOW
    | c::IN_IGNORED
    | c::IN_ONLYDIR
    | c::IN_DONT_FOLLOW
    | c::IN_EXCL_UNLINK
    | c::IN_MASK_CREATE
    | c::IN_MASK_ADD
    | c::IN_ISDIR
    | c::IN_ONESHOT;

fn init(ctx: &Ctx, flags: u32) -> SysResult {
    if flags & !(c::IN_CLOEXEC | c::IN_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let instance = Inotify::new(&ctx.task.kernel.inotify_users, ctx.task.creds().uid.0)?;
    let file = anon::file("inotify", instance, c::O_RDONLY | (flags & c::O_NONBLOCK));
    Ok(ctx.files.add(file, flags & c::IN_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

pub(super) fn inotify_init(ctx: &mut Ctx, _a: &Args) -> SysResult {
    init(ctx, 0)
}

pub(super) fn inotify_init1(ctx: &mut Ctx, a: &Args) -> SysResult {
    init(ctx, a.u32(0))
}

fn instance(file: &Arc<File>) -> Result<&Inotify, Errno> {
    file.ops().downcast_ref().ok_or(Errno::EINVAL)
}

pub(super) fn inotify_add_watch(ctx: &mut Ctx, a: &Args) -> SysResult {
    let mask = a.u32(2);
    if mask & !KNOWN != 0 || mask == 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.file(a.i32(0))?;
    let both = c::IN_MASK_ADD | c::IN_MASK_CREATE;
    if mask & both == both {
        return Err(Errno::EINVAL);
    }
    let instance = instance(&file)?;
    let path = ctx.path(a.u64(1))?;
    let mut how = LookupFlags::empty();
    how.set(LookupFlags::FOLLOW, mask & c::IN_DONT_FOLLOW == 0);
    how.set(LookupFlags::DIRECTORY, mask & c::IN_ONLYDIR != 0);
    let creds = ctx.task.creds();
    let request = ctx.request(&creds, c::AT_FDCWD, &path)?;
    let place = request.walk(how).resolve(&path)?;
    request.access(&place, Access::READ)?;
    Ok(instance.add_watch(&place.dentry, mask)? as u64)
}

pub(super) fn inotify_rm_watch(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    instance(&file)?.remove_watch(a.i32(1)).map(|()| 0)
}
