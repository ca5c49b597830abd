//! Mounting (mount(2), umount2(2), pivot_root(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::PAGE_SIZE;

use super::stat::place_at;
use super::{Args, Ctx, SysResult};
use crate::fs::mountable;
use crate::mm::UserMemory;
use crate::vfs::{Mount, MountFlags, Path, Unmount};

/// MS_MGC_VAL, which old programs put into the upper half.
const MAGIC: u64 = 0xc0ed_0000;

fn check_may_mount(ctx: &Ctx) -> Result<(), Errno> {
    if ctx.task.creds().has_cap(c::CAP_SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
}

/// The options that a mount keeps.
fn mount_flags(flags: u32) -> MountFlags {
    let mut kept = MountFlags::from_bits_truncate(flags) - MountFlags::LOCK_RDONLY;
    // As Linux: the default, unless something else is asked for.
    if !kept.contains(MountFlags::NOATIME) && flags & c::MS_STRICTATIME == 0 {
        kept |= MountFlags::RELATIME;
    }
    kept
}

/// A string that may be missing. Linux looks at a page of the data and no more.
fn optional(ctx: &Ctx, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
    if addr == 0 { Ok(Vec::new()) } else { ctx.mm.copy_in_c_string(addr, max) }
}

pub(super) fn mount(ctx: &mut Ctx, a: &Args) -> SysResult {
    let fs_type = optional(ctx, a.u64(2), PAGE_SIZE as usize).map_err(too_long_is_invalid)?;
    let source = optional(ctx, a.u64(0), PAGE_SIZE as usize).map_err(too_long_is_invalid)?;
    let mut data = vec![0; if a.u64(4) == 0 { 0 } else { PAGE_SIZE as usize }];
    let n = if data.is_empty() { 0 } else { ctx.mm.read(a.u64(4), &mut data)? };
    data.truncate(data[..n].iter().position(|&b| b == 0).unwrap_or(n));
    let path = ctx.path(a.u64(1))?;
    let at = place_at(ctx, c::AT_FDCWD, &path, 0)?;
    check_may_mount(ctx)?;
    let mut flags = a.u64(3);
    if flags & 0xffff_0000 == MAGIC {
        flags &= 0xffff;
    }
    let flags = flags as u32;
    let propagation = c::MS_SHARED | c::MS_PRIVATE | c::MS_SLAVE | c::MS_UNBINDABLE;
    if flags & c::MS_REMOUNT != 0 {
        remount(&at, flags, &data)?;
    } else if flags & c::MS_BIND != 0 {
        bind(ctx, &source, &at, flags)?;
    } else if flags & propagation != 0 {
        change_propagation(&at, flags)?;
    } else if flags & c::MS_MOVE != 0 {
        let from = place_at(ctx, c::AT_FDCWD, &non_empty(source)?, 0)?;
        namespace(ctx).move_to(&from, &at)?;
    } else {
        if fs_type.is_empty() {
            return Err(Errno::EINVAL);
        }
        let tree = mountable::make(&ctx.task, &fs_type, &data)?;
        namespace(ctx).attach(&Mount::new(tree, mount_flags(flags)), &at)?;
    }
    Ok(0)
}

fn too_long_is_invalid(e: Errno) -> Errno {
    if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e }
}

fn namespace(ctx: &Ctx) -> std::sync::Arc<crate::vfs::MountNamespace> {
    std::sync::Arc::clone(&ctx.task.ns.read().mount)
}

fn non_empty(path: Vec<u8>) -> Result<Vec<u8>, Errno> {
    if path.is_empty() { Err(Errno::EINVAL) } else { Ok(path) }
}

fn bind(ctx: &Ctx, source: &[u8], at: &Path, flags: u32) -> Result<(), Errno> {
    let from = place_at(ctx, c::AT_FDCWD, &non_empty(source.to_vec())?, 0)?;
    namespace(ctx).bind(&from, at, flags & c::MS_REC != 0)
}

/// Gives a mount other flags and, without MS_BIND, its file system other options.
fn remount(at: &Path, flags: u32, options: &[u8]) -> Result<(), Errno> {
    if !std::sync::Arc::ptr_eq(&at.dentry, at.mount.root()) {
        return Err(Errno::EINVAL);
    }
    let (old, mut new) = (at.mount.flags(), mount_flags(flags));
    if old.contains(MountFlags::LOCK_RDONLY) {
        if !new.contains(MountFlags::RDONLY) {
            return Err(Errno::EPERM);
        }
        new |= MountFlags::LOCK_RDONLY;
    }
    at.mount.set_flags(new)?;
    if flags & c::MS_BIND == 0 {
        at.dentry.inode.reconfigure(options).inspect_err(|_| _ = at.mount.set_flags(old))?;
    }
    Ok(())
}

/// All mounts are private, so that there is nothing to change; mounts that others see are not made.
fn change_propagation(at: &Path, flags: u32) -> Result<(), Errno> {
    let known = c::MS_PRIVATE | c::MS_SLAVE;
    let wanted = flags & !(c::MS_REC | c::MS_SILENT);
    let is_mount = std::sync::Arc::ptr_eq(&at.dentry, at.mount.root());
    if !is_mount || wanted.count_ones() != 1 || wanted & known == 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

pub(super) fn umount2(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(1);
    let known = c::MNT_FORCE | c::MNT_DETACH | c::MNT_EXPIRE | c::UMOUNT_NOFOLLOW;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let path = ctx.path(a.u64(0))?;
    let no_follow = if flags & c::UMOUNT_NOFOLLOW != 0 { c::AT_SYMLINK_NOFOLLOW } else { 0 };
    // Even of `.`, the topmost.
    let place = place_at(ctx, c::AT_FDCWD, &path, no_follow)?.follow_mounts();
    check_may_mount(ctx)?;
    if flags & c::MNT_EXPIRE != 0 {
        if flags & (c::MNT_FORCE | c::MNT_DETACH) != 0 {
            return Err(Errno::EINVAL);
        }
        if place.mount.mark_expired() {
            return Err(Errno::EAGAIN);
        }
    }
    let how = if flags & c::MNT_DETACH != 0 { Unmount::Lazily } else { Unmount::Unused };
    namespace(ctx).unmount(&place, how)?;
    Ok(0)
}

pub(super) fn pivot_root(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_may_mount(ctx)?;
    let directory = |ctx: &Ctx, addr| -> Result<Path, Errno> {
        let path = ctx.path(addr)?;
        let place = place_at(ctx, c::AT_FDCWD, &path, 0)?;
        if place.dentry.inode.is_dir() { Ok(place) } else { Err(Errno::ENOTDIR) }
    };
    let (new_root, put_old) = (directory(ctx, a.u64(0))?, directory(ctx, a.u64(1))?);
    let root = ctx.task.fs().root();
    namespace(ctx).pivot(&new_root, &put_old, &root)?;
    // All who stood at the old root stand at the new one.
    let tree = ctx.task.kernel.tree.lock();
    for task in tree.tasks.values() {
        let fs = task.fs();
        if fs.root() == root {
            fs.set_root(new_root.clone());
        }
        if fs.cwd() == root {
            fs.set_cwd(new_root.clone());
        }
    }
    Ok(0)
}
