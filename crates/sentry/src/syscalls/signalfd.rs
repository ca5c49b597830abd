//! Signals behind descriptors (signalfd(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::SigSet;

use super::{Args, Ctx, SysResult};
use crate::fs::signalfd::SignalFd;
use crate::mm::UserMemory;
use crate::vfs::anon;

fn set_up(ctx: &Ctx, a: &Args, flags: u32) -> SysResult {
    if a.u64(2) != 8 {
        return Err(Errno::EINVAL);
    }
    let set: SigSet = ctx.mm.copy_in(a.u64(1))?;
    let set = set.minus(SigSet::UNBLOCKABLE);
    if flags & !(c::O_CLOEXEC | c::O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let fd = a.i32(0);
    if fd == -1 {
        let ops = SignalFd::new(set, &ctx.task.kernel.signal_events);
        let file = anon::file("[signalfd]", ops, c::O_RDWR | (flags & c::O_NONBLOCK));
        return Ok(ctx.files.add(file, flags & c::O_CLOEXEC != 0, ctx.task.fd_limit())? as u64);
    }
    ctx.file(fd)?.ops().downcast_ref::<SignalFd>().ok_or(Errno::EINVAL)?.change(set);
    Ok(fd as u64)
}

pub(super) fn signalfd(ctx: &mut Ctx, a: &Args) -> SysResult {
    set_up(ctx, a, 0)
}

pub(super) fn signalfd4(ctx: &mut Ctx, a: &Args) -> SysResult {
    set_up(ctx, a, a.u32(3))
}
