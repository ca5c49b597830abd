//! Memory calls (mmap(2), mprotect(2), brk(2), mremap(2), madvise(2), mlock(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::READ_IMPLIES_EXEC;
use stockade_platform::Prot;

use super::{Args, Ctx, SysResult};
use crate::io::{Sink, Source};
use crate::mm::access::copy_in_iovecs;
use crate::mm::manager::{is_page_aligned, page_align_up, prot_from_bits};
use crate::mm::{
    FileBacking, MapRequest, Mappable, MemoryLimits, MemoryManager, UserMemory, UserSink, UserSource, VmFlags,
};
use crate::vfs::MountFlags;

/// MAP_HUGE_2MB | MAP_HUGE_1GB, which Linux knows by their bits.
const HUGE_SIZES: u32 = (21 | 30) << c::MAP_HUGE_SHIFT;

pub(super) fn mmap(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (flags, offset) = (a.u32(3), a.u64(5));
    let mut prot = prot_from_bits(a.u64(2));
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
    let no_exec = file.as_ref().is_some_and(|f| f.path.mount.flags().contains(MountFlags::NOEXEC));
    if prot.contains(Prot::READ) && !no_exec && ctx.task.has_personality(READ_IMPLIES_EXEC) {
        prot |= Prot::EXEC;
    }
    let kind = flags & c::MAP_TYPE;
    let shared = match kind {
        c::MAP_PRIVATE => false,
        c::MAP_SHARED => true,
        c::MAP_SHARED_VALIDATE if file.is_some() => {
            let known = c::MAP_TYPE
                | c::MAP_FIXED
                | c::MAP_32BIT
                | c::MAP_GROWSDOWN
                | c::MAP_DENYWRITE
                | c::MAP_EXECUTABLE
                | c::MAP_LOCKED
                | c::MAP_NORESERVE
                | c::MAP_POPULATE
                | c::MAP_NONBLOCK
                | c::MAP_STACK
                | c::MAP_HUGETLB
                | c::MAP_UNINITIALIZED
                | HUGE_SIZES;
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
            if no_exec {
                if prot.contains(Prot::EXEC) {
                    return Err(Errno::EPERM);
                }
                request.max_prot.remove(Prot::EXEC);
            }
            if file.path.dentry.inode.is_dir() {
                return Err(Errno::ENODEV);
            }
            let object = file.ops().mappable()?;
            request.file =
                Some(FileBacking { object: Arc::clone(&object), offset, path: Some(file.path.clone()) });
            if shared && file.is_writable() {
                return map_writable(ctx, &*object, request, &limits);
            }
        }
        None if shared => {
            let object = crate::fs::shared_anonymous(ctx, len)?;
            request.file = Some(FileBacking { object, offset: 0, path: None });
        }
        None => {}
    }
    place(ctx, request, &limits)
}

fn place(ctx: &Ctx, request: MapRequest, limits: &MemoryLimits) -> SysResult {
    ctx.mm.check_exec_gain(request.prot, request.prot)?;
    ctx.mm.map(request, limits)
}

/// Maps a file shared that is open for writing. Its pages are counted before, so that no seal can come between.
fn map_writable(
    ctx: &Ctx,
    object: &dyn Mappable,
    mut request: MapRequest,
    limits: &MemoryLimits,
) -> SysResult {
    if !object.admit_shared(request.prot.contains(Prot::WRITE))? {
        request.max_prot.remove(Prot::WRITE);
        return place(ctx, request, limits);
    }
    object.add_writable_pages(1)?;
    let outcome = place(ctx, request, limits);
    object.remove_writable_pages(1);
    outcome
}

/// As Linux has it since 4.0: a new mapping in the place of the old.
pub(super) fn remap_file_pages(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut request = ctx.mm.other_pages(a.u64(0), a.u64(1), a.u64(3))?;
    request.populate = a.u32(4) & c::MAP_NONBLOCK == 0;
    let limits = ctx.task.memory_limits();
    match request.file.as_ref().map(|file| Arc::clone(&file.object)) {
        Some(object) if request.max_prot.contains(Prot::WRITE) => {
            map_writable(ctx, &*object, request, &limits)?;
        }
        _ => {
            place(ctx, request, &limits)?;
        }
    }
    Ok(0)
}

pub(super) fn munmap(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.unmap(a.u64(0), a.u64(1)).map(|()| 0)
}

pub(super) fn mprotect(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.mm.protect(a.u64(0), a.u64(1), a.u64(2), ctx.task.has_personality(READ_IMPLIES_EXEC)).map(|()| 0)
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

/// Bytes moved at once between processes.
const CHUNK: usize = 64 * 1024;

/// The memory of another process, if the caller may look into it (ptrace(2), "Ptrace access mode checking").
fn memory_of(ctx: &Ctx, pid: i32) -> Result<Arc<MemoryManager>, Errno> {
    let tgid = super::process::process_by_number(ctx, pid)?;
    let task = {
        let tree = ctx.task.kernel.tree.lock();
        let group = tree.group(tree.tasks.get(&tgid).map_or(tgid, |t| t.tg.tgid))?;
        Arc::clone(group.threads.first().ok_or(Errno::ESRCH)?)
    };
    if !Arc::ptr_eq(&task.tg, &ctx.task.tg) {
        let (me, other) = (ctx.task.creds(), task.creds());
        let same = [other.uid, other.euid, other.suid].iter().all(|id| *id == me.uid)
            && [other.gid, other.egid, other.sgid].iter().all(|id| *id == me.gid);
        let dumpable = task.tg.dumpable.load(std::sync::atomic::Ordering::Relaxed) != 0;
        let allowed = same && dumpable && other.permitted & !me.permitted == 0;
        if !allowed && !me.has_cap(c::CAP_SYS_PTRACE) {
            return Err(Errno::EPERM);
        }
    }
    task.mm().ok_or(Errno::ESRCH)
}

/// Copies between the caller's memory and another's; what was copied before a fault counts.
fn process_vm(ctx: &Ctx, a: &Args, write: bool) -> SysResult {
    if a.u64(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let local = copy_in_iovecs(&ctx.mm, a.u64(1), a.u64(2))?;
    let remote = copy_in_iovecs(&ctx.mm, a.u64(3), a.u64(4))?;
    if local.is_empty() || remote.is_empty() {
        return Ok(0);
    }
    let other = memory_of(ctx, a.i32(0))?;
    let (from_mm, to_mm) = if write { (&*ctx.mm, &*other) } else { (&*other, &*ctx.mm) };
    let (from, to) = if write { (local, remote) } else { (remote, local) };
    let mut source = UserSource::from_list(from_mm, from);
    let mut sink = UserSink::from_list(to_mm, to);
    let mut buf = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let want = source.remaining().min(sink.remaining()).min(buf.len());
        if want == 0 {
            return Ok(done);
        }
        let step = source.take(&mut buf[..want]).and_then(|n| sink.put(&buf[..n]).map(|put| (n, put)));
        match step {
            Ok((n, put)) => {
                done += put as u64;
                if n < want || put < n {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(e) => return Err(e),
        }
    }
}

pub(super) fn process_vm_readv(ctx: &mut Ctx, a: &Args) -> SysResult {
    process_vm(ctx, a, false)
}

pub(super) fn process_vm_writev(ctx: &mut Ctx, a: &Args) -> SysResult {
    process_vm(ctx, a, true)
}
