//! Advisory locks (flock(2), fcntl(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Flock;
use stockade_abi::general as c;

use super::rw::wait_on;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::vfs::File;
use crate::vfs::lock::{OFFSET_MAX, Owner, Range, release_posix};
use crate::wait::Readiness;

/// What a shared, an exclusive and no lock are in `l_type`.
const RDLCK: i16 = c::F_RDLCK as i16;
const WRLCK: i16 = c::F_WRLCK as i16;
const UNLCK: i16 = c::F_UNLCK as i16;

pub(super) fn flock(ctx: &mut Ctx, a: &Args) -> SysResult {
    let exclusive = match a.u32(1) & !c::LOCK_NB {
        c::LOCK_SH => Some(false),
        c::LOCK_EX => Some(true),
        c::LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let file = ctx.file(a.i32(0))?;
    let pid = ctx.task.tg.tgid;
    match file.flock(exclusive, pid) {
        Err(Errno::EAGAIN) if a.u32(1) & c::LOCK_NB == 0 => {
            let queue = file.lock_queue()?;
            wait_on(ctx, &queue, Readiness::IN, None, || file.flock(exclusive, pid)).map(|()| 0)
        }
        other => other.map(|()| 0),
    }
}

/// The bytes that a `struct flock` is about: first and last.
fn bounds(file: &File, lock: &Flock) -> Result<(u64, u64), Errno> {
    let base = match u32::from(lock.whence as u16) {
        c::SEEK_SET => 0,
        c::SEEK_CUR => file.with_position(|p| Ok(*p))?,
        c::SEEK_END => file.attrs()?.size,
        _ => return Err(Errno::EINVAL),
    };
    let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
    let start = base.checked_add(lock.start).ok_or(Errno::EOVERFLOW)?;
    let first = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    match lock.len {
        0 => Ok((first, OFFSET_MAX)),
        1.. => Ok((first, start.checked_add(lock.len - 1).ok_or(Errno::EOVERFLOW)? as u64)),
        _ => {
            let begin = start.checked_add(lock.len).filter(|&b| b >= 0).ok_or(Errno::EINVAL)?;
            Ok((begin as u64, first - 1))
        }
    }
}

/// The lock commands of fcntl(2).
pub(super) fn fcntl(ctx: &mut Ctx, fd: i32, file: &Arc<File>, command: u32, arg: u64) -> SysResult {
    let of_description = matches!(command, c::F_OFD_GETLK | c::F_OFD_SETLK | c::F_OFD_SETLKW);
    let mut lock: Flock = ctx.mm.copy_in(arg)?;
    let is_test = matches!(command, c::F_GETLK | c::F_OFD_GETLK);
    if is_test && lock.kind != RDLCK && lock.kind != WRLCK {
        return Err(Errno::EINVAL);
    }
    let (start, end) = bounds(file, &lock)?;
    if of_description && lock.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let owner = if of_description { Owner::Description(file.id()) } else { Owner::Table(ctx.files.id()) };
    let wanted = Range { owner, pid: ctx.task.tg.tgid, write: lock.kind == WRLCK, start, end };
    if is_test {
        match file.test_range(&wanted)? {
            None => lock.kind = UNLCK,
            Some(other) => {
                lock.kind = if other.write { WRLCK } else { RDLCK };
                (lock.whence, lock.start) = (0, other.start as i64);
                lock.len = if other.end == OFFSET_MAX { 0 } else { (other.end - other.start) as i64 + 1 };
                lock.pid = match other.owner {
                    Owner::Table(_) => ctx.task.tg.pidns.local(other.pid),
                    Owner::Description(_) => -1,
                };
            }
        }
        return ctx.mm.copy_out(arg, &lock).map(|()| 0);
    }
    match lock.kind {
        RDLCK if !file.is_readable() => return Err(Errno::EBADF),
        WRLCK if !file.is_writable() => return Err(Errno::EBADF),
        RDLCK | WRLCK => {}
        UNLCK => return file.unlock_range(owner, start, end).map(|()| 0),
        _ => return Err(Errno::EINVAL),
    }
    set(ctx, file, wanted, matches!(command, c::F_SETLKW | c::F_OFD_SETLKW))?;
    // Another thread may have closed it meanwhile, and so have released what was not there yet.
    if !of_description && !ctx.files.get(fd).is_ok_and(|now| Arc::ptr_eq(&now, file)) {
        release_posix(file, &ctx.files);
        return Err(Errno::EBADF);
    }
    Ok(0)
}

fn set(ctx: &Ctx, file: &File, wanted: Range, waits: bool) -> Result<(), Errno> {
    let Some(mut holder) = file.lock_range(wanted)? else { return Ok(()) };
    if !waits {
        return Err(Errno::EAGAIN);
    }
    let queue = file.lock_queue()?;
    loop {
        let _waiting = match (wanted.owner, holder.owner) {
            (Owner::Table(_), Owner::Table(_)) => {
                Some(ctx.task.kernel.lock_waits.begin(wanted.owner, holder.owner).ok_or(Errno::EDEADLK)?)
            }
            _ => None,
        };
        let before = holder.owner;
        // Until it is there, or somebody else's is in the way.
        let got = wait_on(ctx, &queue, Readiness::IN, None, || match file.lock_range(wanted)? {
            None => Ok(None),
            Some(other) if other.owner == before => Err(Errno::EAGAIN),
            other => Ok(other),
        })?;
        match got {
            None => return Ok(()),
            Some(other) => holder = other,
        }
    }
}
