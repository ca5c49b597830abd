//! The Linux ABI: numbers, flags, structures and errors. No logic.
//!
//! Plain constants are the kernel's own, by way of `linux-raw-sys`: [`general`], [`ioctl`], [`prctl`], [`net`],
//! [`auxvec`]. Structures that cross the guest boundary are written here, so that they can be read from and written to
//! bytes safely.

pub mod errno;
pub mod file;
pub mod misc;
pub mod nr;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod time;
pub mod ucontext;

pub use errno::Errno;
pub use linux_raw_sys::{auxvec, general, ioctl, net, prctl};
