//! The Linux ABI: numbers, flags, structures and errors. No logic.

pub mod errno;

pub use errno::Errno;
