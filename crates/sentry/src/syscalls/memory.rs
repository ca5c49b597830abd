//! Memory calls (mmap(2), mprotect(2), brk(2), mremap(2), madvise(2), mlock(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::Prot;

use super::{Args, Ctx, SysResult};
use crate::mm::manager::{is_page_aligned, page_align_up, prot_from_bits};
use crate::mm::{FileBacking, MapRequest, UserMemory, VmFlags};
use crate::vfs::{FileType, MountFlags};

pub(super) fn mmap(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (flags, offset) = (a.u32(3), a.u64(5));
    let prot = prot_from_bits(a.u64(2));
    if !is_page_aligned(offset) {
        return Err(Errno::EINVAL);
    }
    let file = if flags & c::MAP_ANONYMOUS == 0 { Some(ctx.file(a.i32(4))?) } else { None };
    let len = match a.u64(1) {
        0 => return Err(Errno::EINVAL),
        len => page_align_up(len).ok_or(Errno::ENOMEM)?,
    };
    if flags & c::MAP_HUGETLB != 0 && file.is_none() {
        // No huge pages are set aside.
        return Err(Errno::ENOMEM);
    }
    let kind = flags & c::MAP_TYPE;
    let shared = match kind {
        c::MAP_PRIVATE => false,
        c::MAP_SHARED => true,
        c::MAP_SHARED_VALIDATE if file.is_some() => {
            let known = c::MAP_TYPE
                | c::MAP_FIXED
                | c::MAP_FIXED_NOREPLACE
                | c::MAP_32BIT
                | c::MAP_GROWSDOWN
                | c::MAP_DENYWRITE
                | c::MAP_EXECUTABLE
                | c::MAP_LOCKED
                | c::MAP_NORESERVE
                | c::MAP_POPULATE
                | c::MAP_NONBLOCK
                | c::MAP_STACK
                | c::MAP_HUGETLB;
            if flags & !known != 0 {
                return Err(Errno::EOPNOTSUPP);
            }
            true
        }
        _ => return Err(Errno::EINVAL),
    };
    let mut request = MapRequest {
        addr: a.u64(0),
        fixed: flags & c::MAP_FIXED != 0,
        no_replace: flags & c::MAP_FIXED_NOREPLACE != 0,
        low: flags & c::MAP_32BIT != 0,
        populate: flags & c::MAP_POPULATE != 0 && flags & c::MAP_NONBLOCK == 0,
        ..MapRequest::anonymous(len, prot)
    };
    request.flags.set(VmFlags::SHARED, shared);
    request.flags.set(VmFlags::NORESERVE, flags & c::MAP_NORESERVE != 0);
    request.flags.set(VmFlags::LOCKED, flags & c::MAP_LOCKED != 0);
    if flags & c::MAP_GROWSDOWN != 0 {
        if file.is_some() || shared {
            return Err(Errno::EINVAL);
        }
        request.flags |= VmFlags::GROWSDOWN;
    }
    let limits = ctx.task.memory_limits();
    if request.flags.contains(VmFlags::LOCKED) && limits.locked == 0 {
        return Err(Errno::EPERM);
    }
    match file {
        Some(file) => {
            if offset.checked_add(len).is_none() {
                return Err(Errno::EOVERFLOW);
            }
            if !file.is_readable() {
                return Err(Errno::EACCES);
            }
            if shared && prot.contains(Prot::WRITE) && !file.is_writable() {
                return Err(Errno::EACCES);
            }
            if shared && !file.is_writable() {
                request.max_prot.remove(Prot::WRITE);
            }
            if file.path.mount.flags().contains(MountFlags::NOEXEC) {
                if prot.contains(Prot::EXEC) {
                    return Err(Errno::EPERM);
                }
                request.max_prot.remove(Prot::EXEC);
            }
            if file.attrs()?.file_type() == FileType::Directory {
                return Err(Errno::ENODEV);
            }
            request.file = Some(FileBacking { object: file.ops().mappable()?, offset });
        }
        None if shared => {
            let object = crate::fs::shared_anonymous(ctx, len)?;
            request.file = Some(FileBacking { object, offset: 0 });
        }
        None => {}
    }
    ctx.mm.map(request, &limits)
}

pub(super) fn munmap(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.unmap(a.u64(0), a.u64(1)).map(|()| 0)
}

pub(super) fn mprotect(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.protect(a.u64(0), a.u64(1), a.u64(2)).map(|()| 0)
}

pub(super) fn pkey_mprotect(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(3) != -1 {
        return Err(Errno::EINVAL);
    }
    mprotect(ctx, a)
}

pub(super) fn brk(ctx: &mut Ctx, a: &Args) -> SysResult {
    Ok(ctx.mm.set_break(a.u64(0), &ctx.task.memory_limits()))
}

pub(super) fn mremap(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.remap(a.u64(0), a.u64(1), a.u64(2), a.u64(3), a.u64(4), &ctx.task.memory_limits())
}

pub(super) fn madvise(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.advise(a.u64(0), a.u64(1), u64::from(a.u32(2))).map(|()| 0)
}

pub(super) fn mincore(ctx: &mut Ctx, a: &Args) -> SysResult {
    let pages = ctx.mm.mincore(a.u64(0), a.u64(1))?;
    ctx.mm.write_exact(a.u64(2), &pages).map(|()| 0)
}

pub(super) fn msync(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.sync(a.u64(0), a.u64(1), u64::from(a.u32(2))).map(|_| 0)
}

pub(super) fn mlock(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.lock_range(a.u64(0), a.u64(1), true, false, &ctx.task.memory_limits()).map(|()| 0)
}

pub(super) fn mlock2(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(2) & !1 != 0 {
        return Err(Errno::EINVAL);
    }
    ctx.mm.lock_range(a.u64(0), a.u64(1), true, a.u32(2) == 1, &ctx.task.memory_limits()).map(|()| 0)
}

pub(super) fn munlock(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.lock_range(a.u64(0), a.u64(1), false, false, &ctx.task.memory_limits()).map(|()| 0)
}

pub(super) fn mlockall(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(0);
    if flags == 0 || flags & !7 != 0 || flags == 4 {
        return Err(Errno::EINVAL);
    }
    let limits = ctx.task.memory_limits();
    ctx.mm.lock_all(flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, &limits).map(|()| 0)
}

pub(super) fn munlockall(ctx: &mut Ctx, _a: &Args) -> SysResult {
    ctx.mm.lock_all(false, false, false, &ctx.task.memory_limits()).map(|()| 0)
}

/// The commands of membarrier(2) that need nothing: the sentry cannot make other processors serialize, so it says that
/// there are none.
pub(super) fn membarrier(_ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(0) == 0 && a.u32(1) == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}
