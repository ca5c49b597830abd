//! What rustix lacks: calls to the host, and its errors as guests know them.
#![expect(unsafe_code, reason = "raw system calls")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::path::Arg;
use stockade_abi::Errno;

/// The error number of a rustix call.
#[must_use]
pub fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Changes the mode of what `name` in `dir` is now, itself if that is a symbolic link (fchmodat2(2)).
///
/// # Errors
/// What fchmodat2(2) says: EOPNOTSUPP for a symbolic link; EINVAL for a name with a zero byte.
pub fn chmod_no_follow(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Errno> {
    let call = |name: &std::ffi::CStr| {
        let (number, flags) = (libc::SYS_fchmodat2, libc::AT_SYMLINK_NOFOLLOW);
        // SAFETY: reads a string, which ends with a zero.
        let r = unsafe { libc::syscall(number, dir.as_raw_fd(), name.as_ptr(), mode, flags) };
        if r == 0 {
            Ok(())
        } else {
            Err(rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
                .unwrap_or(rustix::io::Errno::IO))
        }
    };
    name.into_with_c_str(call).map_err(errno)
}
