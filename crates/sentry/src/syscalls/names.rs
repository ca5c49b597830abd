//! Making, removing and changing names (mkdir(2), link(2), unlink(2), rename(2), chmod(2), chown(2), utimensat(2),
//! getdents64(2)).

use stockade_abi::Errno;
use stockade_abi::file::{DIRENT_HEADER, DIRENT64_HEADER};
use stockade_abi::general as c;
use stockade_abi::time::{Timespec, Timeval};

use super::rw::too_big;
use super::stat::place_at;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::vfs::{DirEntry, FileType, NodeKind, Path, TimeSet, ops};

fn make_at(ctx: &Ctx, dirfd: i32, path: u64, kind: NodeKind, mode: u32) -> SysResult {
    let path = ctx.path(path)?;
    let creds = ctx.task.creds();
    ctx.request(&creds, dirfd, &path)?.make(&path, kind, mode).map(|_| 0)
}

pub(super) fn mkdir(ctx: &mut Ctx, a: &Args) -> SysResult {
    make_at(ctx, c::AT_FDCWD, a.u64(0), NodeKind::Directory, a.u32(1) & 0o1777)
}

pub(super) fn mkdirat(ctx: &mut Ctx, a: &Args) -> SysResult {
    make_at(ctx, a.i32(0), a.u64(1), NodeKind::Directory, a.u32(2) & 0o1777)
}

fn mknod_at(ctx: &Ctx, dirfd: i32, path: u64, mode: u32, dev: u32) -> SysResult {
    let dev = u64::from(dev);
    let kind = match mode & c::S_IFMT {
        0 | c::S_IFREG => NodeKind::Regular,
        c::S_IFIFO => NodeKind::Fifo,
        c::S_IFSOCK => NodeKind::Socket,
        c::S_IFCHR => NodeKind::CharDevice(dev),
        c::S_IFBLK => NodeKind::BlockDevice(dev),
        c::S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    make_at(ctx, dirfd, path, kind, mode & 0o7777)
}

pub(super) fn mknod(ctx: &mut Ctx, a: &Args) -> SysResult {
    mknod_at(ctx, c::AT_FDCWD, a.u64(0), a.u32(1), a.u32(2))
}

pub(super) fn mknodat(ctx: &mut Ctx, a: &Args) -> SysResult {
    mknod_at(ctx, a.i32(0), a.u64(1), a.u32(2), a.u32(3))
}

fn symlink_at(ctx: &Ctx, target: u64, dirfd: i32, path: u64) -> SysResult {
    let target = ctx.path(target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    make_at(ctx, dirfd, path, NodeKind::Symlink(target), 0o777)
}

pub(super) fn symlink(ctx: &mut Ctx, a: &Args) -> SysResult {
    symlink_at(ctx, a.u64(0), c::AT_FDCWD, a.u64(1))
}

pub(super) fn symlinkat(ctx: &mut Ctx, a: &Args) -> SysResult {
    symlink_at(ctx, a.u64(0), a.i32(1), a.u64(2))
}

fn link_at(ctx: &Ctx, from_fd: i32, from: u64, to_fd: i32, to: u64, flags: u32) -> SysResult {
    if flags & !(c::AT_SYMLINK_FOLLOW | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (ctx.path(from)?, ctx.path(to)?);
    let creds = ctx.task.creds();
    let mut how = flags & c::AT_EMPTY_PATH;
    if flags & c::AT_SYMLINK_FOLLOW == 0 {
        how |= c::AT_SYMLINK_NOFOLLOW;
    }
    if from.is_empty() && how & c::AT_EMPTY_PATH != 0 && !creds.has_cap(c::CAP_DAC_READ_SEARCH) {
        return Err(Errno::ENOENT);
    }
    let target = place_at(ctx, from_fd, &from, how)?;
    ctx.request(&creds, to_fd, &to)?.link(&target, &to).map(|()| 0)
}

pub(super) fn link(ctx: &mut Ctx, a: &Args) -> SysResult {
    link_at(ctx, c::AT_FDCWD, a.u64(0), c::AT_FDCWD, a.u64(1), 0)
}

pub(super) fn linkat(ctx: &mut Ctx, a: &Args) -> SysResult {
    link_at(ctx, a.i32(0), a.u64(1), a.i32(2), a.u64(3), a.u32(4))
}

fn remove_at(ctx: &Ctx, dirfd: i32, path: u64, directory: bool) -> SysResult {
    let path = ctx.path(path)?;
    let creds = ctx.task.creds();
    ctx.request(&creds, dirfd, &path)?.remove(&path, directory).map(|()| 0)
}

pub(super) fn unlink(ctx: &mut Ctx, a: &Args) -> SysResult {
    remove_at(ctx, c::AT_FDCWD, a.u64(0), false)
}

pub(super) fn rmdir(ctx: &mut Ctx, a: &Args) -> SysResult {
    remove_at(ctx, c::AT_FDCWD, a.u64(0), true)
}

pub(super) fn unlinkat(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(2) & !c::AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    remove_at(ctx, a.i32(0), a.u64(1), a.u32(2) != 0)
}

fn rename_at(ctx: &Ctx, from_fd: i32, from: u64, to_fd: i32, to: u64, flags: u32) -> SysResult {
    let (from, to) = (ctx.path(from)?, ctx.path(to)?);
    let creds = ctx.task.creds();
    let target = ctx.request(&creds, to_fd, &to)?;
    ctx.request(&creds, from_fd, &from)?.rename(&from, &target, &to, flags).map(|()| 0)
}

pub(super) fn rename(ctx: &mut Ctx, a: &Args) -> SysResult {
    rename_at(ctx, c::AT_FDCWD, a.u64(0), c::AT_FDCWD, a.u64(1), 0)
}

pub(super) fn renameat(ctx: &mut Ctx, a: &Args) -> SysResult {
    rename_at(ctx, a.i32(0), a.u64(1), a.i32(2), a.u64(3), 0)
}

pub(super) fn renameat2(ctx: &mut Ctx, a: &Args) -> SysResult {
    rename_at(ctx, a.i32(0), a.u64(1), a.i32(2), a.u64(3), a.u32(4))
}

/// Does something to the inode at a place, as the caller.
fn change(
    ctx: &Ctx,
    place: &Path,
    change: impl FnOnce(&ops::Request<'_>, &Path) -> Result<(), Errno>,
) -> SysResult {
    let creds = ctx.task.creds();
    let request = ctx.request(&creds, c::AT_FDCWD, b"/")?;
    change(&request, place).map(|()| 0)
}

fn chmod_at(ctx: &Ctx, dirfd: i32, path: u64, mode: u32, flags: u32) -> SysResult {
    let path = ctx.path(path)?;
    let place = place_at(ctx, dirfd, &path, flags)?;
    if place.dentry.inode.file_type() == FileType::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    change(ctx, &place, |r, p| r.chmod(p, mode))
}

pub(super) fn chmod(ctx: &mut Ctx, a: &Args) -> SysResult {
    chmod_at(ctx, c::AT_FDCWD, a.u64(0), a.u32(1), 0)
}

pub(super) fn fchmodat(ctx: &mut Ctx, a: &Args) -> SysResult {
    chmod_at(ctx, a.i32(0), a.u64(1), a.u32(2), 0)
}

pub(super) fn fchmodat2(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(3) & !(c::AT_SYMLINK_NOFOLLOW | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    chmod_at(ctx, a.i32(0), a.u64(1), a.u32(2), a.u32(3))
}

pub(super) fn fchmod(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    change(ctx, &file.path, |r, p| r.chmod(p, a.u32(1)))
}

fn id(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

fn chown_at(ctx: &Ctx, dirfd: i32, path: u64, uid: u32, gid: u32, flags: u32) -> SysResult {
    let path = ctx.path(path)?;
    let place = place_at(ctx, dirfd, &path, flags)?;
    change(ctx, &place, |r, p| r.chown(p, id(uid), id(gid)))
}

pub(super) fn chown(ctx: &mut Ctx, a: &Args) -> SysResult {
    chown_at(ctx, c::AT_FDCWD, a.u64(0), a.u32(1), a.u32(2), 0)
}

pub(super) fn lchown(ctx: &mut Ctx, a: &Args) -> SysResult {
    chown_at(ctx, c::AT_FDCWD, a.u64(0), a.u32(1), a.u32(2), c::AT_SYMLINK_NOFOLLOW)
}

pub(super) fn fchownat(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(4) & !(c::AT_SYMLINK_NOFOLLOW | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    chown_at(ctx, a.i32(0), a.u64(1), a.u32(2), a.u32(3), a.u32(4))
}

pub(super) fn fchown(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    change(ctx, &file.path, |r, p| r.chown(p, id(a.u32(1)), id(a.u32(2))))
}

/// `UTIME_NOW` and `UTIME_OMIT` of utimensat(2).
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

fn time_set(t: Timespec) -> Result<Option<TimeSet>, Errno> {
    match t.nsec {
        UTIME_NOW => Ok(Some(TimeSet::Now)),
        UTIME_OMIT => Ok(None),
        0..1_000_000_000 => Ok(Some(TimeSet::At(t))),
        _ => Err(Errno::EINVAL),
    }
}

type Times = (Option<TimeSet>, Option<TimeSet>);

fn set_times(ctx: &Ctx, place: &Path, (atime, mtime): Times) -> SysResult {
    change(ctx, place, |r, p| r.set_times(p, atime, mtime))
}

pub(super) fn utimensat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let times = if a.u64(2) == 0 {
        (Some(TimeSet::Now), Some(TimeSet::Now))
    } else {
        let both: [Timespec; 2] = ctx.mm.copy_in(a.u64(2))?;
        (time_set(both[0])?, time_set(both[1])?)
    };
    if a.u32(3) & !(c::AT_SYMLINK_NOFOLLOW | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    // Without a path it is the file itself (futimens(3)).
    if a.u64(1) == 0 {
        let file = ctx.file(a.i32(0))?;
        return set_times(ctx, &file.path, times);
    }
    let path = ctx.path(a.u64(1))?;
    if times == (None, None) {
        return Ok(0);
    }
    let place = place_at(ctx, a.i32(0), &path, a.u32(3))?;
    set_times(ctx, &place, times)
}

fn from_timevals(ctx: &Ctx, addr: u64) -> Result<Times, Errno> {
    if addr == 0 {
        return Ok((Some(TimeSet::Now), Some(TimeSet::Now)));
    }
    let both: [Timeval; 2] = ctx.mm.copy_in(addr)?;
    let convert = |t: Timeval| {
        if !(0..1_000_000).contains(&t.usec) {
            return Err(Errno::EINVAL);
        }
        Ok(Some(TimeSet::At(Timespec { sec: t.sec, nsec: t.usec * 1000 })))
    };
    Ok((convert(both[0])?, convert(both[1])?))
}

pub(super) fn utimes(ctx: &mut Ctx, a: &Args) -> SysResult {
    let times = from_timevals(ctx, a.u64(1))?;
    let path = ctx.path(a.u64(0))?;
    set_times(ctx, &place_at(ctx, c::AT_FDCWD, &path, 0)?, times)
}

pub(super) fn futimesat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let times = from_timevals(ctx, a.u64(2))?;
    if a.u64(1) == 0 {
        let file = ctx.file(a.i32(0))?;
        return set_times(ctx, &file.path, times);
    }
    let path = ctx.path(a.u64(1))?;
    set_times(ctx, &place_at(ctx, a.i32(0), &path, 0)?, times)
}

pub(super) fn utime(ctx: &mut Ctx, a: &Args) -> SysResult {
    let times = if a.u64(1) == 0 {
        (Some(TimeSet::Now), Some(TimeSet::Now))
    } else {
        let both: [i64; 2] = ctx.mm.copy_in(a.u64(1))?;
        let at = |sec| Some(TimeSet::At(Timespec { sec, nsec: 0 }));
        (at(both[0]), at(both[1]))
    };
    let path = ctx.path(a.u64(0))?;
    set_times(ctx, &place_at(ctx, c::AT_FDCWD, &path, 0)?, times)
}

pub(super) fn truncate(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = u64::try_from(a.i64(1)).map_err(|_| Errno::EINVAL)?;
    let path = ctx.path(a.u64(0))?;
    let creds = ctx.task.creds();
    let limit = ctx.task.tg.limit(c::RLIMIT_FSIZE);
    match ctx.request(&creds, c::AT_FDCWD, &path)?.truncate(&path, size, limit) {
        Err(Errno::EFBIG) if size > limit => too_big(ctx),
        other => other.map(|()| 0),
    }
}

/// Entries are collected in the kernel first, this much at most.
const MAX_DIRENT_BUF: usize = 64 * 1024;

fn entries(
    ctx: &Ctx,
    a: &Args,
    put: impl Fn(&mut Vec<u8>, &DirEntry<'_>),
    size_of_entry: impl Fn(&DirEntry<'_>) -> usize,
) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    let room = (a.u32(2) as usize).min(MAX_DIRENT_BUF);
    if !file.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if file.path.dentry.is_deleted() {
        return Err(Errno::ENOENT);
    }
    let mut out = Vec::new();
    let mut too_small = false;
    file.with_position(|position| {
        let mut next = *position;
        file.ops().iterate(&file, *position, &mut |entry| {
            if out.len() + size_of_entry(&entry) > room {
                too_small = out.is_empty();
                return false;
            }
            put(&mut out, &entry);
            next = entry.next;
            true
        })?;
        if too_small {
            return Err(Errno::EINVAL);
        }
        ctx.mm.write_exact(a.u64(1), &out)?;
        *position = next;
        Ok(())
    })?;
    file.path.dentry.notify(c::IN_ACCESS);
    Ok(out.len() as u64)
}

pub(super) fn getdents64(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = |e: &DirEntry<'_>| (DIRENT64_HEADER + e.name.len() + 1).next_multiple_of(8);
    let put = |out: &mut Vec<u8>, e: &DirEntry<'_>| {
        let (start, len) = (out.len(), size(e));
        out.extend_from_slice(&e.ino.to_ne_bytes());
        out.extend_from_slice(&e.next.to_ne_bytes());
        out.extend_from_slice(&(len as u16).to_ne_bytes());
        out.push(e.file_type.d_type());
        out.extend_from_slice(e.name);
        out.resize(start + len, 0);
    };
    entries(ctx, a, put, size)
}

pub(super) fn getdents(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = |e: &DirEntry<'_>| (DIRENT_HEADER + e.name.len() + 2).next_multiple_of(8);
    let put = |out: &mut Vec<u8>, e: &DirEntry<'_>| {
        let (start, len) = (out.len(), size(e));
        out.extend_from_slice(&e.ino.to_ne_bytes());
        out.extend_from_slice(&e.next.to_ne_bytes());
        out.extend_from_slice(&(len as u16).to_ne_bytes());
        out.extend_from_slice(e.name);
        out.resize(start + len - 1, 0);
        out.push(e.file_type.d_type());
    };
    entries(ctx, a, put, size)
}
