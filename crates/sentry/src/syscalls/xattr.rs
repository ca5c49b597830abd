//! Extended attributes (getxattr(2), setxattr(2), listxattr(2), removexattr(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::stat::place_at;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::vfs::{Access, FileType, Path, perm, walk};

/// XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX
const NAME_MAX: usize = 255;
const SIZE_MAX: u64 = 65536;

fn by_path(ctx: &Ctx, path: u64, flags: u32) -> Result<Path, Errno> {
    let path = ctx.path(path)?;
    place_at(ctx, c::AT_FDCWD, &path, flags)
}

fn by_fd(ctx: &Ctx, fd: i32) -> Result<Path, Errno> {
    Ok(ctx.file(fd)?.path.clone())
}

fn name(ctx: &Ctx, addr: u64) -> Result<Vec<u8>, Errno> {
    match ctx.mm.copy_in_c_string(addr, NAME_MAX + 1) {
        Ok(name) if name.is_empty() => Err(Errno::ERANGE),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        other => other,
    }
}

/// The attribute that holds a program's capabilities (capabilities(7)).
const FILE_CAPABILITIES: &[u8] = b"security.capability";

/// Whether a value can be a file's capabilities: `struct vfs_cap_data` of revision 2 or 3.
fn check_capabilities(value: &[u8]) -> Result<(), Errno> {
    const REVISION_2: u32 = 0x0200_0000;
    const REVISION_3: u32 = 0x0300_0000;
    let magic = value.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)) & 0xff00_0000;
    match (value.len(), magic) {
        (20, REVISION_2) | (24, REVISION_3) => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// Who may use a name (xattr(7)).
fn may_use(ctx: &Ctx, place: &Path, name: &[u8], access: Access) -> Result<(), Errno> {
    if access.contains(Access::WRITE) {
        walk::writable(place)?;
    }
    let attrs = place.dentry.inode.attrs()?;
    let creds = ctx.task.creds();
    let prefix = [&b"user."[..], b"trusted.", b"security."].into_iter().find(|p| name.starts_with(p));
    // Access control lists ("system.") no file system here has.
    let known = match prefix {
        None => Err(Errno::EOPNOTSUPP),
        Some(prefix) if name == prefix => Err(Errno::EINVAL),
        Some(_) => Ok(()),
    };
    if name.starts_with(b"user.") {
        if !matches!(attrs.file_type(), FileType::Regular | FileType::Directory) {
            return Err(if access.contains(Access::WRITE) { Errno::EPERM } else { Errno::ENODATA });
        }
        return perm::check(&attrs, &creds, access).and(known);
    }
    if name.starts_with(b"trusted.") && !creds.has_cap(c::CAP_SYS_ADMIN) {
        return Err(if access.contains(Access::WRITE) { Errno::EPERM } else { Errno::ENODATA });
    }
    let needed = if name == FILE_CAPABILITIES { c::CAP_SETFCAP } else { c::CAP_SYS_ADMIN };
    if name.starts_with(b"security.") && access.contains(Access::WRITE) && !creds.has_cap(needed) {
        return Err(Errno::EPERM);
    }
    known
}

/// Stores a value in the guest's buffer; a size of 0 only asks how large it is.
fn store(ctx: &Ctx, bytes: &[u8], addr: u64, size: u64) -> SysResult {
    if size == 0 {
        return Ok(bytes.len() as u64);
    }
    if bytes.len() as u64 > size {
        return Err(Errno::ERANGE);
    }
    ctx.mm.write_exact(addr, bytes)?;
    Ok(bytes.len() as u64)
}

fn get(ctx: &Ctx, place: &Path, a: &Args) -> SysResult {
    let name = name(ctx, a.u64(1))?;
    may_use(ctx, place, &name, Access::READ)?;
    store(ctx, &place.dentry.inode.get_xattr(&name)?, a.u64(2), a.u64(3))
}

pub(super) fn getxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    get(ctx, &by_path(ctx, a.u64(0), 0)?, a)
}

pub(super) fn lgetxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    get(ctx, &by_path(ctx, a.u64(0), c::AT_SYMLINK_NOFOLLOW)?, a)
}

pub(super) fn fgetxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    get(ctx, &by_fd(ctx, a.i32(0))?, a)
}

fn set(ctx: &Ctx, place: &Path, a: &Args) -> SysResult {
    let flags = a.u32(4);
    if flags & !3 != 0 || flags == 3 {
        return Err(Errno::EINVAL);
    }
    let name = name(ctx, a.u64(1))?;
    if a.u64(3) > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let mut value = vec![0; a.u64(3) as usize];
    ctx.mm.read_exact(a.u64(2), &mut value)?;
    if name == FILE_CAPABILITIES && !value.is_empty() {
        check_capabilities(&value)?;
    }
    may_use(ctx, place, &name, Access::WRITE)?;
    place.dentry.inode.set_xattr(&name, &value, flags)?;
    place.dentry.notify(c::IN_ATTRIB);
    Ok(0)
}

pub(super) fn setxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    set(ctx, &by_path(ctx, a.u64(0), 0)?, a)
}

pub(super) fn lsetxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    set(ctx, &by_path(ctx, a.u64(0), c::AT_SYMLINK_NOFOLLOW)?, a)
}

pub(super) fn fsetxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    set(ctx, &by_fd(ctx, a.i32(0))?, a)
}

fn list(ctx: &Ctx, place: &Path, a: &Args) -> SysResult {
    let trusted = ctx.task.creds().has_cap(c::CAP_SYS_ADMIN);
    let mut bytes = Vec::new();
    match place.dentry.inode.list_xattr() {
        Ok(names) => {
            for name in names.iter().filter(|n| trusted || !n.starts_with(b"trusted.")) {
                bytes.extend_from_slice(name);
                bytes.push(0);
            }
        }
        // A file system without attributes has none to list.
        Err(Errno::EOPNOTSUPP) => {}
        Err(e) => return Err(e),
    }
    store(ctx, &bytes, a.u64(1), a.u64(2))
}

pub(super) fn listxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    list(ctx, &by_path(ctx, a.u64(0), 0)?, a)
}

pub(super) fn llistxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    list(ctx, &by_path(ctx, a.u64(0), c::AT_SYMLINK_NOFOLLOW)?, a)
}

pub(super) fn flistxattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    list(ctx, &by_fd(ctx, a.i32(0))?, a)
}

fn remove(ctx: &Ctx, place: &Path, a: &Args) -> SysResult {
    let name = name(ctx, a.u64(1))?;
    may_use(ctx, place, &name, Access::WRITE)?;
    place.dentry.inode.remove_xattr(&name)?;
    place.dentry.notify(c::IN_ATTRIB);
    Ok(0)
}

pub(super) fn removexattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    remove(ctx, &by_path(ctx, a.u64(0), 0)?, a)
}

pub(super) fn lremovexattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    remove(ctx, &by_path(ctx, a.u64(0), c::AT_SYMLINK_NOFOLLOW)?, a)
}

pub(super) fn fremovexattr(ctx: &mut Ctx, a: &Args) -> SysResult {
    remove(ctx, &by_fd(ctx, a.i32(0))?, a)
}
