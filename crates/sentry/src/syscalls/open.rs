//! Opening files (open(2), openat2(2)).

use stockade_abi::Errno;
use stockade_abi::file::OpenHow;
use stockade_abi::general as c;
use zerocopy::IntoBytes;

use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::vfs::LookupFlags;

/// Flags that open(2) knows; it ignores others, openat2(2) does not.
const KNOWN: u32 = c::O_ACCMODE
    | c::O_CREAT
    | c::O_EXCL
    | c::O_NOCTTY
    | c::O_TRUNC
    | c::O_APPEND
    | c::O_NONBLOCK
    | c::O_SYNC
    | c::O_DSYNC
    | c::FASYNC
    | c::O_DIRECT
    | c::O_LARGEFILE
    | c::O_DIRECTORY
    | c::O_NOFOLLOW
    | c::O_NOATIME
    | c::O_CLOEXEC
    | c::O_PATH
    | c::O_TMPFILE;

/// Opens and installs. `flags` are checked for form.
fn do_open(ctx: &mut Ctx, dirfd: i32, path: &[u8], flags: u32, mode: u32, how: LookupFlags) -> SysResult {
    let creds = ctx.task.creds();
    // There an absolute path begins at the descriptor, too.
    let start = if how.contains(LookupFlags::IN_ROOT) { b"" } else { path };
    let request = ctx.request(&creds, dirfd, start)?;
    let file = request.open(path, flags, mode, how)?;
    let file = crate::fs::after_open(ctx, file, flags)?;
    Ok(ctx.files.add(file, flags & c::O_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

/// What open(2) makes of flags: unknown ones go, O_PATH leaves only few.
fn relaxed(flags: u32) -> Result<u32, Errno> {
    let mut flags = flags & KNOWN;
    if flags & c::O_PATH != 0 {
        flags &= c::O_PATH | c::O_DIRECTORY | c::O_NOFOLLOW | c::O_CLOEXEC;
    }
    strict(flags)?;
    Ok(flags)
}

fn strict(flags: u32) -> Result<(), Errno> {
    let tmpfile_bit = c::O_TMPFILE & !c::O_DIRECTORY;
    if flags & tmpfile_bit != 0
        && (flags & c::O_TMPFILE != c::O_TMPFILE || flags & c::O_ACCMODE == c::O_RDONLY)
    {
        return Err(Errno::EINVAL);
    }
    if flags & c::O_CREAT != 0 && flags & c::O_DIRECTORY != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

pub(super) fn open(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    do_open(ctx, c::AT_FDCWD, &path, relaxed(a.u32(1))?, a.u32(2), LookupFlags::empty())
}

pub(super) fn openat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(1))?;
    do_open(ctx, a.i32(0), &path, relaxed(a.u32(2))?, a.u32(3), LookupFlags::empty())
}

pub(super) fn creat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    let flags = c::O_CREAT | c::O_WRONLY | c::O_TRUNC;
    do_open(ctx, c::AT_FDCWD, &path, flags, a.u32(1), LookupFlags::empty())
}

pub(super) fn openat2(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = a.u64(3);
    if size < size_of::<OpenHow>() as u64 {
        return Err(Errno::EINVAL);
    }
    let how: OpenHow = copy_in_extensible(ctx, a.u64(2), size)?;
    let flags = u32::try_from(how.flags).ok().filter(|f| f & !KNOWN == 0).ok_or(Errno::EINVAL)?;
    strict(flags)?;
    if flags & c::O_PATH != 0 && flags & !(c::O_PATH | c::O_DIRECTORY | c::O_NOFOLLOW | c::O_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let creates = flags & c::O_CREAT != 0 || flags & c::O_TMPFILE == c::O_TMPFILE;
    if how.mode & !0o7777 != 0 || (how.mode != 0 && !creates) {
        return Err(Errno::EINVAL);
    }
    let table = [
        (c::RESOLVE_NO_XDEV, LookupFlags::NO_XDEV),
        (c::RESOLVE_NO_MAGICLINKS, LookupFlags::NO_MAGICLINKS),
        (c::RESOLVE_NO_SYMLINKS, LookupFlags::NO_SYMLINKS | LookupFlags::NO_MAGICLINKS),
        (c::RESOLVE_BENEATH, LookupFlags::BENEATH),
        (c::RESOLVE_IN_ROOT, LookupFlags::IN_ROOT),
    ];
    let mut left = how.resolve;
    let mut lookup = LookupFlags::empty();
    for (bit, flag) in table {
        if left & u64::from(bit) != 0 {
            lookup |= flag;
            left &= !u64::from(bit);
        }
    }
    // Whether a walk can do without the disk is never known here: "try again without".
    let cached = left == u64::from(c::RESOLVE_CACHED);
    if (left != 0 && !cached) || lookup.contains(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
        return Err(Errno::EINVAL);
    }
    if cached {
        return Err(Errno::EAGAIN);
    }
    let path = ctx.path(a.u64(1))?;
    do_open(ctx, a.i32(0), &path, flags, how.mode as u32, lookup)
}

/// Copies in a structure that may be longer or shorter than ours: what is missing is zero, what is more must be.
///
/// # Errors
/// E2BIG if it is not, or for a size above a page; EFAULT.
pub(super) fn copy_in_extensible<T>(ctx: &Ctx, addr: u64, size: u64) -> Result<T, Errno>
where
    T: zerocopy::FromBytes + IntoBytes + zerocopy::FromZeros,
{
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let mut bytes = vec![0; size as usize];
    ctx.mm.read_exact(addr, &mut bytes)?;
    let mut value = T::new_zeroed();
    let ours = value.as_mut_bytes();
    let n = ours.len().min(bytes.len());
    if bytes[n..].iter().any(|&b| b != 0) {
        return Err(Errno::E2BIG);
    }
    ours[..n].copy_from_slice(&bytes[..n]);
    Ok(value)
}
