//! Copying between files (sendfile(2), copy_file_range(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::MAX_RW_COUNT;

use super::rw::{do_read, do_write};
use super::{Args, Ctx, SysResult};
use crate::io::{BufSink, BufSource};
use crate::mm::UserMemory;
use crate::vfs::{File, FileType, Seek};

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
    let offset = match a.u64(2) {
        0 => None,
        at => Some(ctx.mm.copy_in::<i64>(at)?),
    };
    let from = ctx.file(a.i32(1))?;
    if !from.is_readable() {
        return Err(Errno::EBADF);
    }
    let has_offsets = from.ops().is_seekable();
    if offset.is_some() && !has_offsets {
        return Err(Errno::ESPIPE);
    }
    let to = ctx.file(a.i32(0))?;
    if !to.is_writable() {
        return Err(Errno::EBADF);
    }
    // What has no offsets could lose what was read and not written.
    if !has_offsets || from.is_dir() || offset.is_some_and(|o| o < 0) || to.flags() & c::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let Some(mut offset) = offset else { return copy_between(ctx, &from, None, &to, None, a.u64(3)) };
    let n = copy_between(ctx, &from, Some(&mut offset), &to, None, a.u64(3))?;
    ctx.mm.copy_out(a.u64(2), &offset)?;
    Ok(n)
}

pub(super) fn copy_file_range(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (from, to) = (ctx.file(a.i32(0))?, ctx.file(a.i32(2))?);
    let fetch = |addr: u64| if addr == 0 { Ok(None) } else { ctx.mm.copy_in::<i64>(addr).map(Some) };
    let (mut from_at, mut to_at) = (fetch(a.u64(1))?, fetch(a.u64(3))?);
    if a.u32(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let (from_attrs, to_attrs) = (from.attrs()?, to.attrs()?);
    let kinds = [from_attrs.file_type(), to_attrs.file_type()];
    if kinds.contains(&FileType::Directory) {
        return Err(Errno::EISDIR);
    }
    if kinds != [FileType::Regular; 2] {
        return Err(Errno::EINVAL);
    }
    if !from.is_readable() || !to.is_writable() || to.flags() & c::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let position = |file: &File, at: Option<i64>| match at {
        Some(at) => Ok(at as u64),
        None => file.with_position(|p| Ok(*p)),
    };
    let (first, target) = (position(&from, from_at)?, position(&to, to_at)?);
    if first.checked_add(a.u64(4)).is_none() || target.checked_add(a.u64(4)).is_none() {
        return Err(Errno::EOVERFLOW);
    }
    if first.max(target) > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let count = a.u64(4).min(from_attrs.size.saturating_sub(first));
    let same = (from_attrs.dev, from_attrs.ino) == (to_attrs.dev, to_attrs.ino);
    if same && target < first + count && first < target + count {
        return Err(Errno::EINVAL);
    }
    let n = copy_between(ctx, &from, from_at.as_mut(), &to, to_at.as_mut(), count)?;
    for (addr, at) in [(a.u64(1), from_at), (a.u64(3), to_at)] {
        if let Some(at) = at {
            ctx.mm.copy_out(addr, &at)?;
        }
    }
    Ok(n)
}
