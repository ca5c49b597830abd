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
    // Mandatory locks are gone from Linux, and whoever asks for one is told nothing.
    if a.u32(1) & c::LOCK_MAND != 0 {
        return Ok(0);
    }
    let exclusive = match a.u32(1) & !c::LOCK_NB {
        c::LOCK_SH => Some(false),
        c::LOCK_EX => Some(true),
        c::LOCK_UN => None,
        _ => return Err(Errno::EINVAL),
    };
    let file = ctx.file(a.i32(0))?;
    if exclusive.is_some() && !file.is_readable() && !file.is_writable() {
        return Err(Errno::EBADF);
    }
    let pid = ctx.task.tg.tgid;
    match file.flock(exclusive, pid) {
        Err(Errno::EAGAIN) if a.u32(1) & c::LOCK_NB == 0 => {
            let waiting = file.wait_for_locks()?;
            wait_on(ctx, waiting.queue(), Readiness::IN, None, || file.flock(exclusive, pid)).map(|()| 0)
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
    let lock: Flock = ctx.mm.copy_in(arg)?;
    if command == c::F_GETLK && lock.kind == UNLCK {
        return Err(Errno::EINVAL);
    }
    let (start, end) = bounds(file, &lock)?;
    if !matches!(lock.kind, RDLCK | WRLCK | UNLCK) {
        return Err(Errno::EINVAL);
    }
    let owner = if of_description { Owner::Description(file.id()) } else { Owner::Table(ctx.files.id()) };
    let pid = ctx.task.tg.tgid;
    let wanted = Range { owner, file: file.id(), pid, write: lock.kind == WRLCK, start, end };
    if matches!(command, c::F_GETLK | c::F_OFD_GETLK) {
        if of_description && lock.pid != 0 {
            return Err(Errno::EINVAL);
        }
        return ctx.mm.copy_out(arg, &test(ctx, file, &wanted, lock)?).map(|()| 0);
    }
    if (lock.kind == RDLCK && !file.is_readable()) || (lock.kind == WRLCK && !file.is_writable()) {
        return Err(Errno::EBADF);
    }
    if of_description && lock.pid != 0 {
        return Err(Errno::EINVAL);
    }
    if lock.kind == UNLCK {
        return file.unlock_range(owner, start, end).map(|()| 0);
    }
    set(ctx, file, wanted, matches!(command, c::F_SETLKW | c::F_OFD_SETLKW))?;
    // Another thread may have closed it meanwhile, and so have released what was not there yet.
    if !of_description && !ctx.files.get(fd).is_ok_and(|now| Arc::ptr_eq(&now, file)) {
        release_posix(file, &ctx.files);
        return Err(Errno::EBADF);
    }
    Ok(0)
}

/// What F_GETLK answers: the lock that stands against one, or for F_UNLCK the own one that is there.
fn test(ctx: &Ctx, file: &File, wanted: &Range, mut lock: Flock) -> Result<Flock, Errno> {
    let found = match lock.kind {
        UNLCK => file.own_range(wanted.owner, wanted.start, wanted.end)?,
        _ => file.test_range(wanted)?,
    };
    let Some(found) = found else { return Ok(Flock { kind: UNLCK, ..lock }) };
    lock.kind = if found.write { WRLCK } else { RDLCK };
    (lock.whence, lock.start) = (0, found.start as i64);
    lock.len = if found.end == OFFSET_MAX { 0 } else { (found.end - found.start) as i64 + 1 };
    lock.pid = match found.owner {
        Owner::Table(_) => ctx.task.tg.pidns.local(found.pid),
        Owner::Description(_) => -1,
    };
    Ok(lock)
}

fn set(ctx: &Ctx, file: &File, wanted: Range, waits: bool) -> Result<(), Errno> {
    let Some(mut holder) = file.lock_range(wanted)? else { return Ok(()) };
    if !waits {
        return Err(Errno::EAGAIN);
    }
    let waiting = file.wait_for_locks()?;
    loop {
        let _watched = match wanted.owner {
            Owner::Table(_) => {
                let at = file.wait_for_locks()?;
                Some(ctx.task.kernel.lock_waits.begin(at, wanted).ok_or(Errno::EDEADLK)?)
            }
            Owner::Description(_) => None,
        };
        let before = holder.owner;
        // Until it is there, or somebody else's is in the way.
        let got = wait_on(ctx, waiting.queue(), Readiness::IN, None, || match file.lock_range(wanted)? {
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
