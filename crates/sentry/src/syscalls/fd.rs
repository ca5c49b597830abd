//! Descriptors (close(2), dup(2), fcntl(2), ioctl(2), fsync(2), fallocate(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::FOwnerEx;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;

use super::rw::too_big;
use super::{Args, Ctx, SysResult};
use crate::fs::pipe::{End, Pipe};
use crate::mm::UserMemory;
use crate::task::sigio;
use crate::vfs::file::{Owner, OwnerKind};
use crate::vfs::{Attrs, File, FileType, ops};

fn close_file(ctx: &Ctx, file: Arc<File>) {
    crate::vfs::lock::release_posix(&file, &ctx.files);
    file.ops().flush(&file);
    drop(file);
    ctx.task.kernel.unix.in_flight.closed();
}

pub(super) fn close(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.files.remove(a.i32(0))?;
    close_file(ctx, file);
    Ok(0)
}

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

pub(super) fn close_range(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (first, last, flags) = (a.u32(0), a.u32(1), a.u32(2));
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        unshare_files(ctx);
    }
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        ctx.files.set_cloexec_range(first, last);
        return Ok(0);
    }
    for file in ctx.files.remove_range(first, last) {
        close_file(ctx, file);
    }
    Ok(0)
}

/// Gives the task an FD table of its own (CLONE_FILES of unshare(2)).
pub(super) fn unshare_files(ctx: &mut Ctx) {
    let copy = Arc::new(ctx.files.copy());
    *ctx.task.files.write() = Arc::clone(&copy);
    ctx.files = copy;
}

pub(super) fn dup(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.files.get(a.i32(0))?;
    Ok(ctx.files.add(file, false, ctx.task.fd_limit())? as u64)
}

fn dup_to(ctx: &Ctx, old: i32, new: i32, cloexec: bool) -> SysResult {
    let file = ctx.files.get(old)?;
    if let Some(replaced) = ctx.files.replace(new, file, cloexec, ctx.task.fd_limit())? {
        close_file(ctx, replaced);
    }
    Ok(new as u64)
}

pub(super) fn dup2(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (old, new) = (a.i32(0), a.i32(1));
    if old == new {
        ctx.files.get(old)?;
        return Ok(new as u64);
    }
    dup_to(ctx, old, new, false)
}

pub(super) fn dup3(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (old, new, flags) = (a.i32(0), a.i32(1), a.u32(2));
    if old == new || flags & !c::O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    dup_to(ctx, old, new, flags != 0)
}

/// Whether two descriptors are of the same description; newer than the headers that the constants are made from.
const F_DUPFD_QUERY: u32 = 1027;

pub(super) fn fcntl(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (fd, command, arg) = (a.i32(0), a.u32(1), a.u64(2));
    let file = ctx.files.get(fd)?;
    let path_ok = matches!(
        command,
        c::F_DUPFD | c::F_DUPFD_CLOEXEC | F_DUPFD_QUERY | c::F_GETFD | c::F_SETFD | c::F_GETFL
    );
    if file.is_path_only() && !path_ok {
        return Err(Errno::EBADF);
    }
    match command {
        c::F_DUPFD | c::F_DUPFD_CLOEXEC => {
            let from = i32::try_from(arg).map_err(|_| Errno::EINVAL)?;
            let limit = ctx.task.fd_limit();
            if from < 0 || from as u64 >= limit {
                return Err(Errno::EINVAL);
            }
            Ok(ctx.files.add_from(from, file, command == c::F_DUPFD_CLOEXEC, limit)? as u64)
        }
        F_DUPFD_QUERY => Ok(u64::from(Arc::ptr_eq(&ctx.files.get(arg as i32)?, &file))),
        c::F_GETFD => Ok(u64::from(ctx.files.cloexec(fd)?)),
        c::F_SETFD => ctx.files.set_cloexec(fd, arg & u64::from(c::FD_CLOEXEC) != 0).map(|()| 0),
        c::F_GETFL => Ok(u64::from(file.flags())),
        c::F_SETFL => set_flags(ctx, &file, fd, arg as u32),
        c::F_GETOWN => {
            let owner = file.owner.lock().clone();
            Ok(if owner.kind == OwnerKind::Group { -i64::from(owner.id) as u64 } else { owner.id as u64 })
        }
        c::F_SETOWN => {
            let id = arg as i32;
            if id < 0 {
                set_owner(ctx, &file, OwnerKind::Group, id.checked_neg().ok_or(Errno::EINVAL)?)
            } else {
                set_owner(ctx, &file, OwnerKind::Process, id)
            }
        }
        c::F_GETOWN_EX => {
            let owner = file.owner.lock().clone();
            ctx.mm.copy_out(arg, &FOwnerEx { kind: owner.kind as i32, pid: owner.id })?;
            Ok(0)
        }
        c::F_SETOWN_EX => {
            let new: FOwnerEx = ctx.mm.copy_in(arg)?;
            let kind = match new.kind {
                0 => OwnerKind::Thread,
                1 => OwnerKind::Process,
                2 => OwnerKind::Group,
                _ => return Err(Errno::EINVAL),
            };
            set_owner(ctx, &file, kind, new.pid)
        }
        c::F_GETSIG => Ok(file.owner.lock().signal as u64),
        c::F_SETSIG => {
            let signo = i32::try_from(arg).map_err(|_| Errno::EINVAL)?;
            if signo != 0 && !stockade_abi::signal::is_valid(signo) {
                return Err(Errno::EINVAL);
            }
            file.owner.lock().signal = signo;
            Ok(0)
        }
        c::F_SETPIPE_SZ => {
            let privileged = ctx.task.creds().has_cap(c::CAP_SYS_RESOURCE);
            Ok(pipe(&file)?.set_size(u64::from(arg as u32), privileged)? as u64)
        }
        c::F_GETPIPE_SZ => Ok(pipe(&file)?.size() as u64),
        c::F_ADD_SEALS | c::F_GET_SEALS => super::memfd::seals(&file, command, arg),
        c::F_GETLK | c::F_SETLK | c::F_SETLKW | c::F_OFD_GETLK | c::F_OFD_SETLK | c::F_OFD_SETLKW => {
            super::lock::fcntl(ctx, a.i32(0), &file, command, arg)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn set_flags(ctx: &Ctx, file: &Arc<File>, fd: i32, flags: u32) -> SysResult {
    file.set_flags(flags)?;
    sigio::update(&ctx.task.kernel, file, fd);
    Ok(0)
}

/// Who is told by signals that a file is ready; 0 for nobody.
fn set_owner(ctx: &Ctx, file: &File, kind: OwnerKind, id: i32) -> SysResult {
    let root_id = match id {
        0 => 0,
        id => ctx.task.tg.pidns.root_of(id).ok_or(Errno::ESRCH)?,
    };
    let mut owner = file.owner.lock();
    *owner = Owner { kind, id, root_id, signal: owner.signal, creds: Some(ctx.task.creds()) };
    Ok(0)
}

fn pipe(file: &File) -> Result<&Arc<Pipe>, Errno> {
    file.ops().downcast_ref::<End>().map(End::pipe).ok_or(Errno::EBADF)
}

const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;

pub(super) fn ioctl(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (fd, request, arg) = (a.i32(0), a.u32(1), a.u64(2));
    let file = ctx.file(fd)?;
    match request {
        io::FIOCLEX => ctx.files.set_cloexec(fd, true).map(|()| 0),
        io::FIONCLEX => ctx.files.set_cloexec(fd, false).map(|()| 0),
        io::FIONBIO => {
            let on: i32 = ctx.mm.copy_in(arg)?;
            let flags = if on != 0 { file.flags() | c::O_NONBLOCK } else { file.flags() & !c::O_NONBLOCK };
            file.set_flags(flags).map(|()| 0)
        }
        io::FIOASYNC => {
            let on: i32 = ctx.mm.copy_in(arg)?;
            let flags = if on != 0 { file.flags() | c::FASYNC } else { file.flags() & !c::FASYNC };
            set_flags(ctx, &file, fd, flags)
        }
        io::FIGETBSZ => {
            let block = i32::try_from(file.path.dentry.inode.statfs()?.bsize).map_err(|_| Errno::EINVAL)?;
            ctx.mm.copy_out(arg, &block).map(|()| 0)
        }
        io::FIOQSIZE => {
            let attrs = file.attrs()?;
            match attrs.file_type() {
                FileType::Regular | FileType::Directory | FileType::Symlink => {
                    ctx.mm.copy_out(arg, &(attrs.blocks.saturating_mul(512) as i64)).map(|()| 0)
                }
                _ => Err(Errno::ENOTTY),
            }
        }
        // No file system here shares blocks between files.
        FICLONE => ctx.file(arg as i32).and(Err(Errno::EOPNOTSUPP)),
        FICLONERANGE => {
            let source: i64 = ctx.mm.copy_in(arg)?;
            ctx.file(source as i32).and(Err(Errno::EOPNOTSUPP))
        }
        io::FIONREAD if file.ops().is_seekable() && file.attrs()?.file_type() == FileType::Regular => {
            let size = file.attrs()?.size;
            let left = file.with_position(|p| Ok(size.saturating_sub(*p)))?;
            ctx.mm.copy_out(arg, &i32::try_from(left).unwrap_or(i32::MAX))?;
            Ok(0)
        }
        _ => {
            let mm = Arc::clone(&ctx.mm);
            file.ops().ioctl(&file, &mm, request, arg)
        }
    }
}

pub(super) fn fsync(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.file(a.i32(0))?.ops().sync(false).map(|()| 0)
}

pub(super) fn fdatasync(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.file(a.i32(0))?.ops().sync(true).map(|()| 0)
}

pub(super) fn sync(_ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(0)
}

/// What is written is with the host's kernel already, which writes it back when it likes: this begins nothing.
pub(super) fn sync_file_range(ctx: &mut Ctx, a: &Args) -> SysResult {
    const FLAGS: u32 = 7;
    let file = ctx.file(a.i32(0))?;
    let end = a.i64(1).checked_add(a.i64(2));
    if a.u32(3) & !FLAGS != 0 || a.i64(1) < 0 || end.is_none_or(|end| end < a.i64(1)) {
        return Err(Errno::EINVAL);
    }
    match file.attrs()?.file_type() {
        FileType::Regular | FileType::BlockDevice | FileType::Directory | FileType::Symlink => Ok(0),
        _ => Err(Errno::ESPIPE),
    }
}

pub(super) fn syncfs(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.file(a.i32(0)).map(|_| 0)
}

/// Clears set-id bits and sets the times of a file that a writer without CAP_FSETID changes.
fn resize(ctx: &Ctx, file: &File, size: u64) -> Result<(), Errno> {
    let creds = ctx.task.creds();
    let fs = ctx.task.fs();
    let request = ops::Request { root: fs.root(), start: fs.cwd(), creds: &creds, umask: 0 };
    check_growth(ctx, file, size)?;
    request.truncate_inode(&file.path, size)
}

/// Whether RLIMIT_FSIZE lets a file become longer.
///
/// # Errors
/// EFBIG, with SIGXFSZ.
fn check_growth(ctx: &Ctx, file: &File, new: u64) -> Result<(), Errno> {
    if new > ctx.task.tg.limit(c::RLIMIT_FSIZE) && new > file.attrs()?.size { too_big(ctx) } else { Ok(()) }
}

pub(super) fn ftruncate(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = u64::try_from(a.i64(1)).map_err(|_| Errno::EINVAL)?;
    let file = ctx.file(a.i32(0))?;
    if file.attrs()?.file_type() != FileType::Regular || !file.is_writable() {
        return Err(Errno::EINVAL);
    }
    resize(ctx, &file, size).map(|()| 0)
}

pub(super) fn fallocate(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    let offset = u64::try_from(a.i64(2)).map_err(|_| Errno::EINVAL)?;
    let len = u64::try_from(a.i64(3)).ok().filter(|&l| l > 0).ok_or(Errno::EINVAL)?;
    if !file.is_writable() {
        return Err(Errno::EBADF);
    }
    match file.attrs()? {
        Attrs { mode, .. } if FileType::from_mode(mode) == FileType::Fifo => return Err(Errno::ESPIPE),
        Attrs { mode, .. } if FileType::from_mode(mode) == FileType::Directory => return Err(Errno::EISDIR),
        Attrs { mode, .. } if FileType::from_mode(mode) != FileType::Regular => return Err(Errno::ENODEV),
        _ => {}
    }
    if offset.checked_add(len).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::EFBIG);
    }
    if a.u32(1) & c::FALLOC_FL_KEEP_SIZE == 0 {
        check_growth(ctx, &file, offset + len)?;
    }
    file.ops().allocate(a.u32(1), offset, len)?;
    file.path.dentry.notify(c::IN_MODIFY);
    Ok(0)
}

pub(super) fn fadvise64(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    if file.attrs()?.file_type() == FileType::Fifo {
        return Err(Errno::ESPIPE);
    }
    if a.u32(3) > 5 || a.i64(2) < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

pub(super) fn readahead(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    if !file.is_readable() {
        return Err(Errno::EBADF);
    }
    if file.attrs()?.file_type() != FileType::Regular {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}
