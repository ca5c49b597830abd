//! Host calls that rustix has not.
#![expect(unsafe_code, reason = "system calls by number")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::general::mount_attr;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// close_range(2).
pub(crate) fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: no memory is touched. Descriptors that somebody owns are kept by the caller, who runs in a fresh child.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// mount_setattr(2) on the tree at `fd`, with all mounts in it.
pub(crate) fn mount_setattr(fd: BorrowedFd<'_>, attr: &mount_attr) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, and the structure is as large as the call is told.
    let r = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<mount_attr>(),
        )
    };
    check(r).map(drop)
}

/// unshare(2) of the time namespace, for the processes that this one forks.
pub(crate) fn unshare_time() -> io::Result<()> {
    // SAFETY: it takes a number, and changes nothing of this process.
    check(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWTIME) }).map(drop)
}

/// prctl(2) with numbers only.
pub(crate) fn prctl(option: i32, arg: libc::c_ulong) -> io::Result<i32> {
    // SAFETY: callers pass options whose arguments are no pointers.
    let r = unsafe { libc::prctl(option, arg, 0 as libc::c_ulong, 0 as libc::c_ulong, 0 as libc::c_ulong) };
    check(r.into()).map(|r| r as i32)
}
