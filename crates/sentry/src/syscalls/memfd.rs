//! Files in memory without a name (memfd_create(2)), and their seals (fcntl(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::{Args, Ctx, SysResult};
use crate::fs::tmpfs::{Seals, TmpFile};
use crate::mm::UserMemory;
use crate::vfs::{File, Inode, NewNode, NodeKind, anon};

/// Bytes of a name at most: NAME_MAX without the prefix.
const NAME_MAX: usize = 249;

pub(super) fn memfd_create(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(1);
    if flags & c::MFD_HUGETLB != 0 {
        // As a Linux without huge pages.
        return Err(Errno::ENOSYS);
    }
    let both = c::MFD_EXEC | c::MFD_NOEXEC_SEAL;
    if flags & !(c::MFD_CLOEXEC | c::MFD_ALLOW_SEALING | both) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let name = match ctx.mm.copy_in_c_string(a.u64(0), NAME_MAX + 1) {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::EINVAL),
        name => name?,
    };
    let creds = ctx.task.creds();
    let (mode, seals) = match flags {
        f if f & c::MFD_NOEXEC_SEAL != 0 => (0o666, Seals::EXEC),
        f if f & c::MFD_ALLOW_SEALING != 0 => (0o777, Seals::empty()),
        _ => (0o777, Seals::SEAL),
    };
    let node = NewNode { kind: NodeKind::Regular, mode, uid: creds.fsuid.0, gid: creds.fsgid.0 };
    let inode = ctx.task.kernel.shm.make_unnamed(&node)?;
    inode.allow_seals(seals);
    let ops = Arc::clone(&inode).open(c::O_RDWR)?;
    let path = anon::wrap(&[b"/memfd:", &name[..], b" (deleted)"].concat(), inode);
    let file = File::new(path, ops, c::O_RDWR | c::O_LARGEFILE);
    Ok(ctx.files.add(file, flags & c::MFD_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

/// F_ADD_SEALS and F_GET_SEALS.
pub(super) fn seals(file: &File, command: u32, arg: u64) -> SysResult {
    let inode = file.ops().downcast_ref::<TmpFile>().ok_or(Errno::EINVAL)?.inode();
    if command == c::F_GET_SEALS {
        return Ok(u64::from(inode.seals()?.bits()));
    }
    if !file.is_writable() {
        return Err(Errno::EPERM);
    }
    let seals = u32::try_from(arg).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
    inode.add_seals(seals).map(|()| 0)
}
