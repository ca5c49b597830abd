//! Reading and writing (read(2), write(2), readv(2), pread(2), lseek(2), sendfile(2), copy_file_range(2)).

use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::MAX_RW_COUNT;
use stockade_abi::signal::SIGPIPE;

use super::{Args, Ctx, SysResult};
use crate::io::{BufSink, BufSource, Sink, Source};
use crate::mm::{UserMemory, UserSink, UserSource};
use crate::vfs::{File, Seek, ops};
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
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    ctx.task.block_on(deadline, attempt).map_err(|e| match e {
        Errno::ETIMEDOUT => Errno::EAGAIN,
        Errno::ERESTARTSYS if timeout.is_some() => Errno::EINTR,
        e => e,
    })
}

fn do_read(ctx: &Ctx, file: &File, dst: &mut dyn Sink, offset: Option<i64>) -> SysResult {
    let n = blocking(ctx, file, Readiness::READABLE, || match offset {
        Some(offset) => file.read_at(dst, offset),
        None => file.read(dst),
    });
    match n {
        Err(Errno::EAGAIN) if !file.is_nonblocking() && file.ops().timeout_is_end() => Ok(0),
        n => n.map(|n| n as u64),
    }
}

/// Writes all that can be written; a stream that fills up is waited for, as write(2) does.
fn do_write(ctx: &Ctx, file: &File, src: &mut dyn Source, offset: Option<i64>) -> SysResult {
    if src.remaining() > 0 && file.is_writable() && file.ops().is_seekable() {
        ops::prepare_write(&file.path, &ctx.task.creds())?;
    }
    let mut done = 0;
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
        Err(_) if done > 0 => Ok(done),
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

/// RWF_ flags that change nothing here; RWF_NOWAIT and RWF_APPEND are looked at.
const RWF_HINTS: u32 = 1 | 2 | 4;
const RWF_NOWAIT: u32 = 8;
const RWF_APPEND: u32 = 16;

pub(super) fn preadv2(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(5) & !(RWF_HINTS | RWF_NOWAIT) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
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
    if a.u32(5) & !(RWF_HINTS | RWF_NOWAIT | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let file = ctx.file(a.i32(0))?;
    let mut source = UserSource::vectored(&ctx.mm, a.u64(1), a.u64(2))?;
    if a.u32(5) & RWF_APPEND != 0 && file.is_writable() && file.ops().is_seekable() {
        return file.append(&mut source).map(|n| n as u64);
    }
    let offset = (a.i64(3) != -1).then_some(a.i64(3));
    do_write(ctx, &file, &mut source, offset)
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

/// Bytes moved at once between files.
const COPY_CHUNK: usize = 128 * 1024;

/// Copies between files through a buffer; offsets of `None` use and move the file's own.
fn copy_between(
    ctx: &Ctx,
    from: &Arc<File>,
    mut from_at: Option<&mut i64>,
    to: &Arc<File>,
    mut to_at: Option<&mut i64>,
    count: u64,
) -> SysResult {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_RW_COUNT);
    let mut buf = vec![0; left.min(COPY_CHUNK)];
    let mut done = 0u64;
    while left > 0 {
        let want = left.min(buf.len());
        let n = match do_read(ctx, from, &mut BufSink::new(&mut buf[..want]), from_at.as_deref().copied()) {
            Ok(n) => n as usize,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        };
        if n == 0 {
            break;
        }
        let written = do_write(ctx, to, &mut BufSource::new(&buf[..n]), to_at.as_deref().copied());
        let written = match written {
            Ok(w) => w as usize,
            Err(e) => {
                unread(from, from_at, n)?;
                return if done > 0 { Ok(done) } else { Err(e) };
            }
        };
        done += written as u64;
        left -= written;
        if let Some(at) = from_at.as_deref_mut() {
            *at += written as i64;
        }
        if let Some(at) = to_at.as_deref_mut() {
            *at += written as i64;
        }
        if written < n {
            unread(from, from_at, n - written)?;
            break;
        }
    }
    Ok(done)
}

/// Moves a file's own offset back over what was read and not used.
fn unread(file: &File, explicit: Option<&mut i64>, n: usize) -> Result<(), Errno> {
    if explicit.is_none() && file.ops().is_seekable() {
        file.seek(Seek::Current, -(n as i64))?;
    }
    Ok(())
}

pub(super) fn sendfile(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (to, from) = (ctx.file(a.i32(0))?, ctx.file(a.i32(1))?);
    if !from.is_readable() || !to.is_writable() {
        return Err(Errno::EBADF);
    }
    if to.flags() & c::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    if a.u64(2) == 0 {
        return copy_between(ctx, &from, None, &to, None, a.u64(3));
    }
    let mut offset: i64 = ctx.mm.copy_in(a.u64(2))?;
    if offset < 0 {
        return Err(Errno::EINVAL);
    }
    if !from.ops().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    let n = copy_between(ctx, &from, Some(&mut offset), &to, None, a.u64(3))?;
    ctx.mm.copy_out(a.u64(2), &offset)?;
    Ok(n)
}

pub(super) fn copy_file_range(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (from, to) = (ctx.file(a.i32(0))?, ctx.file(a.i32(2))?);
    if a.u32(5) != 0 {
        return Err(Errno::EINVAL);
    }
    if !from.is_readable() || !to.is_writable() || to.flags() & c::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    if from.is_dir() || to.is_dir() {
        return Err(Errno::EISDIR);
    }
    if !from.ops().is_seekable() || !to.ops().is_seekable() {
        return Err(Errno::EINVAL);
    }
    let fetch = |addr: u64| if addr == 0 { Ok(None) } else { ctx.mm.copy_in::<i64>(addr).map(Some) };
    let (mut from_at, mut to_at) = (fetch(a.u64(1))?, fetch(a.u64(3))?);
    if from_at.is_some_and(|o| o < 0) || to_at.is_some_and(|o| o < 0) {
        return Err(Errno::EINVAL);
    }
    let n = copy_between(ctx, &from, from_at.as_mut(), &to, to_at.as_mut(), a.u64(4))?;
    if let Some(at) = from_at {
        ctx.mm.copy_out(a.u64(1), &at)?;
    }
    if let Some(at) = to_at {
        ctx.mm.copy_out(a.u64(3), &at)?;
    }
    Ok(n)
}
