//! Reading and writing guest memory from outside (process_vm_readv(2)).
#![expect(unsafe_code, reason = "rustix has no process_vm_readv")]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use stockade_abi::Errno;

use super::error::{errno, last_errno};
use super::layout as l;

/// process_vm_readv(2) or process_vm_writev(2).
type Copy = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    u64,
    *const libc::iovec,
    u64,
    libc::c_ulong,
) -> isize;

/// Ranges per call (UIO_MAXIOV).
const MAX_IOV: usize = 1024;

fn remote_iov(ranges: &[(u64, usize)]) -> Vec<libc::iovec> {
    ranges
        .iter()
        .map(|&(addr, len)| libc::iovec { iov_base: addr as *mut libc::c_void, iov_len: len })
        .collect()
}

/// Only the guest's part of an address space is read or written on behalf of the kernel.
fn check(ranges: &[(u64, usize)]) -> Result<(), Errno> {
    let inside =
        |&(addr, len): &(u64, usize)| addr.checked_add(len as u64).is_some_and(|end| end <= l::STUB_BEGIN);
    if ranges.iter().all(inside) { Ok(()) } else { Err(Errno::EFAULT) }
}

fn outcome(r: isize, wanted: usize) -> Result<usize, Errno> {
    if r > 0 || (r == 0 && wanted == 0) {
        return Ok(r as usize);
    }
    if r == 0 { Err(Errno::EFAULT) } else { Err(last_errno()) }
}

/// Scatters guest ranges into local buffers.
pub(crate) fn read_vectored(
    pid: i32,
    remote: &[(u64, usize)],
    local: &mut [IoSliceMut<'_>],
) -> Result<usize, Errno> {
    check(remote)?;
    let total = remote.iter().map(|r| r.1).sum::<usize>().min(local.iter().map(|l| l.len()).sum());
    vectored(libc::process_vm_readv, pid, local.as_ptr().cast(), local.len(), remote, total)
}

/// Reads guest ranges without pinning them (`/proc/PID/mem`).
pub(crate) fn peek(
    proc: &OwnedFd,
    pid: i32,
    remote: &[(u64, usize)],
    local: &mut [u8],
) -> Result<usize, Errno> {
    check(remote)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let memory = openat(proc, format!("{pid}/mem"), flags, Mode::empty()).map_err(errno)?;
    let mut done = 0;
    for &(addr, len) in remote {
        let end = local.len().min(done + len);
        let mut at = addr;
        while done < end {
            match rustix::io::pread(&memory, &mut local[done..end], at) {
                Ok(0) => return Ok(done),
                Ok(n) => (done, at) = (done + n, at + n as u64),
                Err(_) if done > 0 => return Ok(done),
                Err(rustix::io::Errno::IO) => return Err(Errno::EFAULT),
                Err(e) => return Err(errno(e)),
            }
        }
    }
    Ok(done)
}

/// Gathers local buffers into guest ranges.
pub(crate) fn write_vectored(
    pid: i32,
    remote: &[(u64, usize)],
    local: &[IoSlice<'_>],
) -> Result<usize, Errno> {
    check(remote)?;
    let total = remote.iter().map(|r| r.1).sum::<usize>().min(local.iter().map(|l| l.len()).sum());
    vectored(libc::process_vm_writev, pid, local.as_ptr().cast(), local.len(), remote, total)
}

fn vectored(
    copy: Copy,
    pid: i32,
    local: *const libc::iovec,
    local_len: usize,
    remote: &[(u64, usize)],
    total: usize,
) -> Result<usize, Errno> {
    if total == 0 {
        return Ok(0);
    }
    if local_len > MAX_IOV || remote.len() > MAX_IOV {
        return Err(Errno::EINVAL);
    }
    let remote = remote_iov(remote);
    // SAFETY: IoSlice and IoSliceMut are iovecs by their documentation, borrowed by our callers for the time of the call;
    // remote addresses are the host's to check.
    let r = unsafe { copy(pid, local, local_len as u64, remote.as_ptr(), remote.len() as u64, 0) };
    outcome(r, total)
}

fn single(copy: Copy, pid: i32, addr: u64, local: *const u8, len: usize) -> Result<usize, Errno> {
    if len == 0 {
        return Ok(0);
    }
    let local = libc::iovec { iov_base: local.cast_mut().cast(), iov_len: len };
    let remote = libc::iovec { iov_base: addr as *mut libc::c_void, iov_len: len };
    // SAFETY: `local` is valid for `len` bytes, writable if `copy` reads, as each caller in this module sees to.
    let r = unsafe { copy(pid, &raw const local, 1, &raw const remote, 1, 0) };
    outcome(r, len)
}

/// Reads anywhere in the stub.
pub(crate) fn read_any(pid: i32, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
    single(libc::process_vm_readv, pid, addr, local.as_mut_ptr(), local.len())
}

/// Writes anywhere in the stub that is writable.
pub(crate) fn write_any(pid: i32, addr: u64, local: &[u8]) -> Result<usize, Errno> {
    single(libc::process_vm_writev, pid, addr, local.as_ptr(), local.len())
}

/// How much of a range is the guest's.
fn clamp(addr: u64, len: usize) -> usize {
    len.min(usize::try_from(l::STUB_BEGIN.saturating_sub(addr)).unwrap_or(usize::MAX))
}

/// EFAULT for a range of which nothing is the guest's.
fn guest_part(addr: u64, len: usize) -> Result<usize, Errno> {
    match clamp(addr, len) {
        0 if len > 0 => Err(Errno::EFAULT),
        n => Ok(n),
    }
}

/// Reads guest memory.
pub(crate) fn read(pid: i32, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
    let len = guest_part(addr, local.len())?;
    read_any(pid, addr, &mut local[..len])
}

/// Writes guest memory.
pub(crate) fn write(pid: i32, addr: u64, local: &[u8]) -> Result<usize, Errno> {
    let len = guest_part(addr, local.len())?;
    write_any(pid, addr, &local[..len])
}

/// Reads guest memory into shared memory.
pub(crate) fn read_to_shared(pid: i32, addr: u64, local: crate::SharedSlice<'_>) -> Result<usize, Errno> {
    single(libc::process_vm_readv, pid, addr, local.as_ptr(), guest_part(addr, local.len())?)
}

/// Writes guest memory from shared memory.
pub(crate) fn write_from_shared(pid: i32, addr: u64, local: crate::SharedSlice<'_>) -> Result<usize, Errno> {
    single(libc::process_vm_writev, pid, addr, local.as_ptr(), guest_part(addr, local.len())?)
}

/// Reads an aligned word. The host copies aligned 8 bytes in one piece, but 4 bytes sometimes byte by byte.
pub(crate) fn load_u32(pid: i32, addr: u64) -> Result<u32, Errno> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let mut both = 0u64;
    let base = addr & !7;
    check(&[(base, 8)])?;
    let n = single(libc::process_vm_readv, pid, base, (&raw mut both).cast(), 8)?;
    if n < 8 {
        return Err(Errno::EFAULT);
    }
    Ok(if addr.is_multiple_of(8) { both as u32 } else { (both >> 32) as u32 })
}
