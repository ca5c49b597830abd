//! Which standard streams the caller had closed. Rust's runtime opens /dev/null in their place before `main`, so that no other
//! file gets their numbers; a program inside shall find them closed.

#![expect(unsafe_code, reason = "a function that runs before the runtime")]

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{OFlags, fcntl_getfl, fstat, makedev};

/// A bit for each of the first three descriptors that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the dynamic loader, or the C library's start, calls what this section holds, with arguments that the function does
// not take; it makes system calls and touches an atomic, which need nothing to be set up before.
#[unsafe(link_section = ".init_array")]
#[used]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for fd in 0..3 {
        // SAFETY: asks for flags; no pointers.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

/// Whether a standard stream was closed when this program began, and is still what stands in for it.
#[must_use]
pub fn is_closed(stream: BorrowedFd<'_>) -> bool {
    use std::os::fd::AsRawFd as _;
    let was_closed = u32::try_from(stream.as_raw_fd())
        .is_ok_and(|fd| fd < 3 && CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0);
    was_closed
        && fcntl_getfl(stream).is_ok_and(|flags| flags.contains(OFlags::RDWR))
        && fstat(stream).is_ok_and(|stat| stat.st_rdev == makedev(1, 3))
}
