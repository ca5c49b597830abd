//! Asking about files (stat(2), statx(2), access(2), readlink(2), statfs(2), getcwd(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::{Args, Ctx, SysResult};
use crate::creds::Credentials;
use crate::mm::UserMemory;
use crate::vfs::{Access, Attrs, FileType, LookupFlags, Path};

/// The place that `*at` calls name; AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW are looked at.
pub(super) fn place_at(ctx: &Ctx, dirfd: i32, path: &[u8], flags: u32) -> Result<Path, Errno> {
    let creds = ctx.task.creds();
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & c::AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & c::AT_EMPTY_PATH != 0);
    ctx.request(&creds, dirfd, path)?.walk(lookup).resolve(path)
}

fn attrs_at(ctx: &Ctx, dirfd: i32, path: &[u8], flags: u32) -> Result<(Attrs, u64), Errno> {
    if path.is_empty() && flags & c::AT_EMPTY_PATH != 0 && dirfd != c::AT_FDCWD {
        let file = ctx.files.get(dirfd)?;
        return Ok((file.attrs()?, file.path.mount.id()));
    }
    let place = place_at(ctx, dirfd, path, flags)?;
    Ok((place.dentry.inode.attrs()?, place.mount.id()))
}

fn stat_at(ctx: &Ctx, dirfd: i32, path: u64, out: u64, flags: u32) -> SysResult {
    let path = ctx.path_or_empty(path, flags)?;
    let (attrs, _) = attrs_at(ctx, dirfd, &path, flags)?;
    ctx.mm.copy_out(out, &attrs.to_stat())?;
    Ok(0)
}

pub(super) fn stat(ctx: &mut Ctx, a: &Args) -> SysResult {
    stat_at(ctx, c::AT_FDCWD, a.u64(0), a.u64(1), 0)
}

pub(super) fn lstat(ctx: &mut Ctx, a: &Args) -> SysResult {
    stat_at(ctx, c::AT_FDCWD, a.u64(0), a.u64(1), c::AT_SYMLINK_NOFOLLOW)
}

pub(super) fn fstat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let attrs = ctx.files.get(a.i32(0))?.attrs()?;
    ctx.mm.copy_out(a.u64(1), &attrs.to_stat())?;
    Ok(0)
}

pub(super) fn newfstatat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(3);
    if flags & !(c::AT_SYMLINK_NOFOLLOW | c::AT_NO_AUTOMOUNT | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    stat_at(ctx, a.i32(0), a.u64(1), a.u64(2), flags)
}

pub(super) fn statx(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (flags, mask) = (a.u32(2), a.u32(3));
    let known = c::AT_SYMLINK_NOFOLLOW | c::AT_NO_AUTOMOUNT | c::AT_EMPTY_PATH | c::AT_STATX_SYNC_TYPE;
    if mask & c::STATX__RESERVED != 0
        || flags & !known != 0
        || flags & c::AT_STATX_SYNC_TYPE == c::AT_STATX_SYNC_TYPE
    {
        return Err(Errno::EINVAL);
    }
    let path = ctx.path_or_empty(a.u64(1), flags)?;
    let (attrs, mount) = attrs_at(ctx, a.i32(0), &path, flags)?;
    ctx.mm.copy_out(a.u64(4), &attrs.to_statx(mount))?;
    Ok(0)
}

fn access_at(ctx: &Ctx, dirfd: i32, path: u64, mode: u32, flags: u32) -> SysResult {
    let access = Access::from_bits(mode).ok_or(Errno::EINVAL)?;
    let path = ctx.path(path)?;
    let creds = ctx.task.creds();
    // The real ids count, and with them what root could do (access(2)).
    let real;
    let who: &Credentials = if flags & c::AT_EACCESS != 0 {
        &creds
    } else {
        let effective = if creds.uid.0 == 0 { creds.permitted } else { 0 };
        real = Credentials { fsuid: creds.uid, fsgid: creds.gid, effective, ..Credentials::clone(&creds) };
        &real
    };
    let request = ctx.request(who, dirfd, &path)?;
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::FOLLOW, flags & c::AT_SYMLINK_NOFOLLOW == 0);
    lookup.set(LookupFlags::EMPTY, flags & c::AT_EMPTY_PATH != 0);
    let place = request.walk(lookup).resolve(&path)?;
    request.access(&place, access).map(|()| 0)
}

pub(super) fn access(ctx: &mut Ctx, a: &Args) -> SysResult {
    access_at(ctx, c::AT_FDCWD, a.u64(0), a.u32(1), 0)
}

pub(super) fn faccessat(ctx: &mut Ctx, a: &Args) -> SysResult {
    access_at(ctx, a.i32(0), a.u64(1), a.u32(2), 0)
}

pub(super) fn faccessat2(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(3);
    if flags & !(c::AT_EACCESS | c::AT_SYMLINK_NOFOLLOW | c::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    access_at(ctx, a.i32(0), a.u64(1), a.u32(2), flags)
}

fn readlink_at(ctx: &Ctx, dirfd: i32, path: u64, buf: u64, size: i32) -> SysResult {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = ctx.path(path)?;
    let empty = if path.is_empty() { c::AT_EMPTY_PATH } else { 0 };
    if path.is_empty() && dirfd == c::AT_FDCWD {
        return Err(Errno::ENOENT);
    }
    let place = place_at(ctx, dirfd, &path, c::AT_SYMLINK_NOFOLLOW | empty)?;
    let inode = &place.dentry.inode;
    if inode.file_type() != FileType::Symlink {
        return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL });
    }
    let target = match inode.magic_link() {
        Some(target) => crate::fs::magic_link_text(ctx, inode, target)?,
        None => inode.readlink()?,
    };
    let n = target.len().min(size as usize);
    ctx.mm.write_exact(buf, &target[..n])?;
    Ok(n as u64)
}

pub(super) fn readlink(ctx: &mut Ctx, a: &Args) -> SysResult {
    readlink_at(ctx, c::AT_FDCWD, a.u64(0), a.u64(1), a.i32(2))
}

pub(super) fn readlinkat(ctx: &mut Ctx, a: &Args) -> SysResult {
    readlink_at(ctx, a.i32(0), a.u64(1), a.u64(2), a.i32(3))
}

pub(super) fn statfs(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    let place = place_at(ctx, c::AT_FDCWD, &path, 0)?;
    ctx.mm.copy_out(a.u64(1), &place.dentry.inode.statfs()?)?;
    Ok(0)
}

pub(super) fn fstatfs(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.files.get(a.i32(0))?;
    ctx.mm.copy_out(a.u64(1), &file.path.dentry.inode.statfs()?)?;
    Ok(0)
}

pub(super) fn getcwd(ctx: &mut Ctx, a: &Args) -> SysResult {
    let fs = ctx.task.fs();
    let cwd = fs.cwd();
    if cwd.dentry.is_deleted() {
        return Err(Errno::ENOENT);
    }
    let (mut path, reachable) = cwd.display(&fs.root());
    if !reachable {
        path.splice(0..0, *b"(unreachable)");
    }
    path.push(0);
    if path.len() as u64 > a.u64(1) {
        return Err(Errno::ERANGE);
    }
    ctx.mm.write_exact(a.u64(0), &path)?;
    Ok(path.len() as u64)
}

fn enter(ctx: &Ctx, place: &Path) -> Result<(), Errno> {
    if !place.dentry.inode.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    crate::vfs::perm::check(&place.dentry.inode.attrs()?, &ctx.task.creds(), Access::EXEC)
}

pub(super) fn chdir(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    let place = place_at(ctx, c::AT_FDCWD, &path, 0)?;
    enter(ctx, &place)?;
    ctx.task.fs().set_cwd(place);
    Ok(0)
}

pub(super) fn fchdir(ctx: &mut Ctx, a: &Args) -> SysResult {
    let place = ctx.files.get(a.i32(0))?.path.clone();
    enter(ctx, &place)?;
    ctx.task.fs().set_cwd(place);
    Ok(0)
}

pub(super) fn chroot(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    let place = place_at(ctx, c::AT_FDCWD, &path, 0)?;
    enter(ctx, &place)?;
    if !ctx.task.creds().has_cap(c::CAP_SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    ctx.task.fs().set_root(place);
    Ok(0)
}

pub(super) fn umask(ctx: &mut Ctx, a: &Args) -> SysResult {
    Ok(u64::from(ctx.task.fs().set_umask(a.u32(0))))
}
