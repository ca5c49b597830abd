//! The Linux ABI: numbers, flags, structures and errors. No logic.

pub mod errno;
pub mod nr;

pub use errno::Errno;
