//! Moving bytes by way of pipes (splice(2), tee(2), vmsplice(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::MAX_RW_COUNT;
use stockade_abi::signal::SIGPIPE;

use super::rw::{blocking, do_read, room_below_limit, wait_on};
use super::{Args, Ctx, SysResult};
use crate::fs::pipe::{Blocked, End, Pipe};
use crate::io::{BufSink, BufSource};
use crate::mm::{UserMemory, UserSink, UserSource};
use crate::vfs::{File, ops};
use crate::wait::{Readiness, WaitQueue};

const FLAGS: u32 = c::SPLICE_F_MOVE | c::SPLICE_F_NONBLOCK | c::SPLICE_F_MORE | c::SPLICE_F_GIFT;

fn pipe(file: &File) -> Option<&Arc<Pipe>> {
    file.ops().downcast_ref::<End>().map(End::pipe)
}

/// An end of a pipe to which nobody listens raises SIGPIPE.
fn broken<T>(ctx: &Ctx, result: Result<T, Errno>) -> Result<T, Errno> {
    result.inspect_err(|&e| {
        if e == Errno::EPIPE {
            ctx.task.raise(SIGPIPE);
        }
    })
}

/// Tries until it does not say EAGAIN, unless it must not wait.
fn wait_unless<T>(
    ctx: &Ctx,
    nonblock: bool,
    queue: &Arc<WaitQueue>,
    ready: Readiness,
    mut attempt: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    match attempt() {
        Err(Errno::EAGAIN) if !nonblock => wait_on(ctx, queue, ready, None, attempt),
        other => other,
    }
}

fn queue(file: &File) -> Result<&Arc<WaitQueue>, Errno> {
    file.ops().wait_queue().ok_or(Errno::EINVAL)
}

pub(super) fn splice(ctx: &mut Ctx, a: &Args) -> SysResult {
    let len = usize::try_from(a.u64(4)).unwrap_or(usize::MAX).min(MAX_RW_COUNT);
    if len == 0 {
        return Ok(0);
    }
    if a.u32(5) & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (ctx.file(a.i32(0))?, ctx.file(a.i32(2))?);
    let (from_pipe, to_pipe) = (pipe(&from), pipe(&to));
    // Of a pipe nobody says where in it.
    if (a.u64(1) != 0 && from_pipe.is_some()) || (a.u64(3) != 0 && to_pipe.is_some()) {
        return Err(Errno::ESPIPE);
    }
    let fetch = |addr: u64| if addr == 0 { Ok(None) } else { ctx.mm.copy_in::<i64>(addr).map(Some) };
    let (mut from_at, mut to_at) = (fetch(a.u64(1))?, fetch(a.u64(3))?);
    if !from.is_readable() || !to.is_writable() {
        return Err(Errno::EBADF);
    }
    let nonblock = a.u32(5) & c::SPLICE_F_NONBLOCK != 0;
    let n = match (from_pipe, to_pipe) {
        (Some(source), Some(sink)) => {
            if Arc::ptr_eq(source, sink) {
                return Err(Errno::EINVAL);
            }
            let nonblock = nonblock || from.is_nonblocking() || to.is_nonblocking();
            pass(ctx, &from, &to, len, nonblock, true)?
        }
        (Some(source), None) => {
            let nonblock = nonblock || from.is_nonblocking();
            out_of_pipe(ctx, (&from, source), &to, to_at.as_mut(), len, nonblock)?
        }
        (None, Some(sink)) => {
            let nonblock = nonblock || to.is_nonblocking();
            into_pipe(ctx, &from, from_at.as_mut(), (&to, sink), len, nonblock)?
        }
        (None, None) => return Err(Errno::EINVAL),
    };
    for (addr, at) in [(a.u64(1), from_at), (a.u64(3), to_at)] {
        if let Some(at) = at {
            ctx.mm.copy_out(addr, &at)?;
        }
    }
    Ok(n as u64)
}

fn check_offset(file: &File, at: Option<&mut i64>) -> Result<(), Errno> {
    match at {
        Some(_) if !file.ops().is_seekable() => Err(Errno::EINVAL),
        Some(at) if *at < 0 => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// What the pipe holds goes to a file. A file that blocks is waited for without the pipe being held.
fn out_of_pipe(
    ctx: &Ctx,
    (from, source): (&File, &Arc<Pipe>),
    to: &File,
    mut at: Option<&mut i64>,
    len: usize,
    nonblock: bool,
) -> Result<usize, Errno> {
    check_offset(to, at.as_deref_mut())?;
    if to.flags() & c::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let room = room_below_limit(ctx, to, at.as_deref().copied(), false)?;
    if to.ops().is_seekable() {
        ops::prepare_write(&to.path, &ctx.task.creds())?;
    }
    let len = len.min(room.and_then(|room| usize::try_from(room).ok()).unwrap_or(usize::MAX));
    let mut done = 0;
    while done < len {
        // Once some was moved, what there is now is all.
        let source_waits = !nonblock && done == 0;
        let step = wait_unless(ctx, !source_waits, queue(from)?, Readiness::READABLE, || {
            let mut full = false;
            let n = source.give(len - done, |bytes| {
                let mut bytes = BufSource::new(bytes);
                let n = match at.as_deref() {
                    Some(&at) => to.write_at(&mut bytes, at),
                    None => to.write(&mut bytes),
                };
                full = n == Err(Errno::EAGAIN);
                n
            });
            // The pipe has something; it is the file that has to be waited for.
            if full { Ok(None) } else { n.map(Some) }
        });
        match step {
            Ok(Some(0)) => break,
            Ok(Some(n)) => {
                done += n;
                if let Some(at) = at.as_deref_mut() {
                    *at += n as i64;
                }
            }
            Ok(None) if done > 0 => break,
            Ok(None) if to.is_nonblocking() || nonblock => return Err(Errno::EAGAIN),
            Ok(None) => wait_until(ctx, to, Readiness::WRITABLE)?,
            Err(_) if done > 0 => break,
            Err(e) => return broken(ctx, Err(e)),
        }
    }
    Ok(done)
}

/// Waits until a file is ready.
fn wait_until(ctx: &Ctx, file: &File, ready: Readiness) -> Result<(), Errno> {
    let is_ready = || {
        let now = file.ops().poll();
        if now.intersects(ready | Readiness::ALWAYS) { Ok(()) } else { Err(Errno::EAGAIN) }
    };
    wait_on(ctx, queue(file)?, ready, None, is_ready)
}

/// What a file gives goes into a pipe, as much as that has room for.
fn into_pipe(
    ctx: &Ctx,
    from: &File,
    mut at: Option<&mut i64>,
    (to, sink): (&File, &Arc<Pipe>),
    len: usize,
    nonblock: bool,
) -> Result<usize, Errno> {
    check_offset(from, at.as_deref_mut())?;
    let is_stream = from.ops().socket().is_some() || from.ops().terminal().is_some();
    if from.is_dir() || !(from.ops().is_seekable() || is_stream) {
        return Err(Errno::EINVAL);
    }
    loop {
        let mut empty = false;
        let result = wait_unless(ctx, nonblock, queue(to)?, Readiness::WRITABLE, || {
            empty = false;
            sink.receive(len, |room| {
                let mut room = BufSink::new(room);
                let n = match at.as_deref() {
                    Some(&at) => from.read_at(&mut room, at),
                    None => from.read(&mut room),
                };
                // The pipe has room; it is the file that has to be waited for.
                empty = n == Err(Errno::EAGAIN);
                if empty { Ok(0) } else { n }
            })
        });
        let n = broken(ctx, result)?;
        if !empty {
            if let Some(at) = at {
                *at += n as i64;
            }
            return Ok(n);
        }
        if nonblock || from.is_nonblocking() {
            return Err(Errno::EAGAIN);
        }
        wait_until(ctx, from, Readiness::READABLE)?;
    }
}

/// From one pipe to another, copied or moved.
fn pass(
    ctx: &Ctx,
    from: &File,
    to: &File,
    len: usize,
    nonblock: bool,
    consume: bool,
) -> Result<usize, Errno> {
    let (Some(source), Some(sink)) = (pipe(from), pipe(to)) else { return Err(Errno::EINVAL) };
    loop {
        let (blocked, file, ready) = match source.pass(sink, len, consume) {
            Ok(n) => return Ok(n),
            Err(Blocked::No(e)) => return broken(ctx, Err(e)),
            Err(at @ Blocked::Source) => (at, from, Readiness::READABLE),
            Err(at @ Blocked::Destination) => (at, to, Readiness::WRITABLE),
        };
        if nonblock {
            return Err(Errno::EAGAIN);
        }
        wait_on(ctx, queue(file)?, ready, None, || {
            let now = file.ops().poll();
            let hung_up = blocked == Blocked::Source && now.contains(Readiness::HUP);
            if hung_up || now.intersects(ready | Readiness::ERR) { Ok(()) } else { Err(Errno::EAGAIN) }
        })?;
    }
}

pub(super) fn tee(ctx: &mut Ctx, a: &Args) -> SysResult {
    let len = usize::try_from(a.u64(2)).unwrap_or(usize::MAX).min(MAX_RW_COUNT);
    if a.u32(3) & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let (from, to) = (ctx.file(a.i32(0))?, ctx.file(a.i32(1))?);
    if !from.is_readable() || !to.is_writable() {
        return Err(Errno::EBADF);
    }
    match (pipe(&from), pipe(&to)) {
        (Some(source), Some(sink)) if !Arc::ptr_eq(source, sink) => {}
        _ => return Err(Errno::EINVAL),
    }
    let nonblock = a.u32(3) & c::SPLICE_F_NONBLOCK != 0 || from.is_nonblocking() || to.is_nonblocking();
    pass(ctx, &from, &to, len, nonblock, false).map(|n| n as u64)
}

pub(super) fn vmsplice(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(3) & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.file(a.i32(0))?;
    let nonblock = a.u32(3) & c::SPLICE_F_NONBLOCK != 0;
    if file.is_writable() {
        let mut source = UserSource::vectored(&ctx.mm, a.u64(1), a.u64(2))?;
        pipe(&file).ok_or(Errno::EBADF)?;
        if nonblock {
            return broken(ctx, file.write(&mut source)).map(|n| n as u64);
        }
        // As much as there is room for.
        return broken(ctx, blocking(ctx, &file, Readiness::WRITABLE, || file.write(&mut source)))
            .map(|n| n as u64);
    }
    let mut sink = UserSink::vectored(&ctx.mm, a.u64(1), a.u64(2))?;
    pipe(&file).filter(|_| file.is_readable()).ok_or(Errno::EBADF)?;
    if nonblock {
        return file.read(&mut sink).map(|n| n as u64);
    }
    do_read(ctx, &file, &mut sink, None)
}
