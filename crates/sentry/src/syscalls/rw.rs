//! Reading and writing (read(2), write(2), readv(2), pread(2), lseek(2)).

use std::sync::Arc;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGPIPE, SIGXFSZ};

use super::{Args, Ctx, SysResult};
use crate::io::{Limited, Sink, Source};
use crate::mm::{UserSink, UserSource};
use crate::vfs::{File, FileType, Seek, ops};
use crate::wait::{Readiness, WaitQueue};

/// Tries until it does not say EAGAIN, waiting in between unless the file does not block.
pub(super) fn blocking<T>(
    ctx: &Ctx,
    file: &File,
    ready: Readiness,
    mut attempt: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    match attempt() {
        Err(Errno::EAGAIN) if !file.is_nonblocking() => {}
        other => return other,
    }
    let Some(queue) = file.ops().wait_queue() else { return Err(Errno::EAGAIN) };
    wait_on(ctx, queue, ready, file.ops().timeout(ready), attempt)
}

/// Tries until it does not say EAGAIN, or `timeout` has passed. A call with a timeout is not restarted (signal(7)).
pub(super) fn wait_on<T>(
    ctx: &Ctx,
    queue: &Arc<WaitQueue>,
    ready: Readiness,
    timeout: Option<Duration>,
    attempt: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let _registration = queue.register(ready | Readiness::ALWAYS, ctx.task.waiter.clone());
    let deadline = timeout.and_then(|t| ctx.patience.deadline_after(t));
    ctx.task.block_on(deadline, attempt).map_err(|e| match e {
        Errno::ETIMEDOUT => Errno::EAGAIN,
        Errno::ERESTARTSYS if timeout.is_some() => Errno::EINTR,
        e => e,
    })
}

pub(super) fn do_read(ctx: &Ctx, file: &File, dst: &mut dyn Sink, offset: Option<i64>) -> SysResult {
    let n = blocking(ctx, file, Readiness::READABLE, || match offset {
        Some(offset) => file.read_at(dst, offset),
        None => file.read(dst),
    });
    match n {
        Err(Errno::EAGAIN) if !file.is_nonblocking() && file.ops().timeout_is_end() => Ok(0),
        n => n.map(|n| n as u64),
    }
}

/// How much RLIMIT_FSIZE lets a regular file take at an offset, or at its position; none for all.
///
/// # Errors
/// EFBIG, with SIGXFSZ, if nothing.
pub(super) fn room_below_limit(
    ctx: &Ctx,
    file: &File,
    offset: Option<i64>,
    appends: bool,
) -> Result<Option<u64>, Errno> {
    let limit = ctx.task.tg.limit(c::RLIMIT_FSIZE);
    if limit == u64::MAX || file.path.dentry.inode.file_type() != FileType::Regular {
        return Ok(None);
    }
    let at = match offset {
        _ if appends || file.flags() & c::O_APPEND != 0 => file.attrs()?.size,
        // A negative one is told from others later.
        Some(offset) => offset.max(0) as u64,
        None => file.with_position(|p| Ok(*p))?,
    };
    if at >= limit {
        return too_big(ctx);
    }
    Ok(Some(limit - at))
}

/// RLIMIT_FSIZE is in the way.
pub(super) fn too_big<T>(ctx: &Ctx) -> Result<T, Errno> {
    ctx.task.raise(SIGXFSZ);
    Err(Errno::EFBIG)
}

/// Writes all that can be written; a stream that fills up is waited for, as write(2) does.
pub(super) fn do_write(ctx: &Ctx, file: &File, src: &mut dyn Source, offset: Option<i64>) -> SysResult {
    if src.remaining() > 0 && file.is_writable() && file.ops().is_seekable() {
        let room = room_below_limit(ctx, file, offset, false)?;
        ops::prepare_write(&file.path, &ctx.task.creds())?;
        if let Some(room) = room {
            return write_all(ctx, file, &mut Limited::new(src, room), offset);
        }
    }
    write_all(ctx, file, src, offset)
}

/// So many bytes have been moved when a call ends with an error: that it is interrupted is its result only if it goes on
/// behind them, once all is saved.
pub(super) fn moved_so_far(ctx: &Ctx, moved: u64, error: Errno) -> SysResult {
    if error == Errno::ERESTARTSYS && ctx.task.is_only_saved() {
        ctx.patience.has_moved(moved);
        return Err(error);
    }
    Ok(moved)
}

fn write_all(ctx: &Ctx, file: &File, src: &mut dyn Source, offset: Option<i64>) -> SysResult {
    let mut done = src.skip(ctx.patience.moved_before() as usize) as u64;
    let result = loop {
        let step = blocking(ctx, file, Readiness::WRITABLE, || match offset {
            Some(offset) => file.write_at(src, offset + done as i64),
            None => file.write(src),
        });
        match step {
            Ok(n) => {
                done += n as u64;
                if n == 0 || src.remaining() == 0 || file.ops().is_seekable() {
                    break Ok(done);
                }
            }
            Err(e) => break Err(e),
        }
    };
    match result {
        Err(e) if done > 0 => moved_so_far(ctx, done, e),
        Err(Errno::EPIPE) => {
            if file.ops().breaks_with_signal() {
                ctx.task.raise(SIGPIPE);
            }
            Err(Errno::EPIPE)
        }
        other => other,
    }
}

pub(super) fn read(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_read(ctx, &file, &mut UserSink::new(&ctx.mm, a.u64(1), a.u64(2))?, None)
}

pub(super) fn pread64(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_read(ctx, &file, &mut UserSink::new(&ctx.mm, a.u64(1), a.u64(2))?, Some(a.i64(3)))
}

pub(super) fn readv(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_read(ctx, &file, &mut UserSink::vectored(&ctx.mm, a.u64(1), a.u64(2))?, None)
}

pub(super) fn preadv(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_read(ctx, &file, &mut UserSink::vectored(&ctx.mm, a.u64(1), a.u64(2))?, Some(a.i64(3)))
}

/// RWF_ flags that change nothing here; the others are looked at.
const RWF_HINTS: u32 = 1 | 2 | 4;
const RWF_NOWAIT: u32 = 8;
const RWF_APPEND: u32 = 16;
const RWF_NOAPPEND: u32 = 32;
const RWF_KNOWN: u32 = RWF_HINTS | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;

fn check_rwf(flags: u32) -> Result<(), Errno> {
    if flags & !RWF_KNOWN != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags & RWF_APPEND != 0 && flags & RWF_NOAPPEND != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

pub(super) fn preadv2(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_rwf(a.u32(5))?;
    let file = ctx.file(a.i32(0))?;
    let mut sink = UserSink::vectored(&ctx.mm, a.u64(1), a.u64(2))?;
    let offset = (a.i64(3) != -1).then_some(a.i64(3));
    if a.u32(5) & RWF_NOWAIT != 0 && !file.ops().is_seekable() {
        return file.read(&mut sink).map(|n| n as u64);
    }
    do_read(ctx, &file, &mut sink, offset)
}

pub(super) fn write(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_write(ctx, &file, &mut UserSource::new(&ctx.mm, a.u64(1), a.u64(2))?, None)
}

pub(super) fn pwrite64(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_write(ctx, &file, &mut UserSource::new(&ctx.mm, a.u64(1), a.u64(2))?, Some(a.i64(3)))
}

pub(super) fn writev(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_write(ctx, &file, &mut UserSource::vectored(&ctx.mm, a.u64(1), a.u64(2))?, None)
}

pub(super) fn pwritev(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    do_write(ctx, &file, &mut UserSource::vectored(&ctx.mm, a.u64(1), a.u64(2))?, Some(a.i64(3)))
}

pub(super) fn pwritev2(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_rwf(a.u32(5))?;
    let file = ctx.file(a.i32(0))?;
    let mut source = UserSource::vectored(&ctx.mm, a.u64(1), a.u64(2))?;
    let has_places = file.is_writable() && file.ops().is_seekable();
    let offset = (a.i64(3) != -1).then_some(a.i64(3));
    if a.u32(5) & RWF_NOAPPEND != 0 && file.flags() & c::O_APPEND != 0 && has_places {
        return write_in_place(ctx, &file, &mut source, offset);
    }
    if a.u32(5) & RWF_APPEND != 0 && has_places {
        ops::prepare_write(&file.path, &ctx.task.creds())?;
        let room = room_below_limit(ctx, &file, None, true)?.unwrap_or(u64::MAX);
        return file.append(&mut Limited::new(&mut source, room)).map(|n| n as u64);
    }
    do_write(ctx, &file, &mut source, offset)
}

/// RWF_NOAPPEND: to where the offset says, or the position, though the file was opened to append.
fn write_in_place(ctx: &Ctx, file: &File, src: &mut dyn Source, offset: Option<i64>) -> SysResult {
    ops::prepare_write(&file.path, &ctx.task.creds())?;
    let limit = ctx.task.tg.limit(c::RLIMIT_FSIZE);
    let write = |at: u64, src: &mut dyn Source| {
        if at >= limit {
            return too_big(ctx);
        }
        file.write_in_place(&mut Limited::new(src, limit - at), at)
    };
    let n = match offset {
        Some(offset) => write(u64::try_from(offset).map_err(|_| Errno::EINVAL)?, src)?,
        None => file.with_position(|position| {
            let n = write(*position, src)?;
            *position += n as u64;
            Ok(n)
        })?,
    };
    Ok(n as u64)
}

pub(super) fn lseek(ctx: &mut Ctx, a: &Args) -> SysResult {
    let whence = match a.u32(2) {
        c::SEEK_SET => Seek::Set,
        c::SEEK_CUR => Seek::Current,
        c::SEEK_END => Seek::End,
        c::SEEK_DATA => Seek::Data,
        c::SEEK_HOLE => Seek::Hole,
        _ => return Err(Errno::EINVAL),
    };
    ctx.file(a.i32(0))?.seek(whence, a.i64(1))
}
