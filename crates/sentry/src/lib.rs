//! The application kernel: tasks, signals, memory, files, time and the system calls over them.
//!
//! Arrows inside the crate: `syscalls` (thin handlers) → the subsystems (`task`, `signal`, `mm`, `vfs`, `fs`, `net`,
//! `time`, `tty`) → `wait`, `io`, `creds` → the platform's traits. Subsystems do not know the handlers.

pub mod creds;
pub mod diagnosis;
pub mod fs;
pub mod futex;
#[doc(hidden)]
pub mod fuzz;
pub mod io;
pub mod loader;
pub mod mm;
pub mod net;
mod observe;
pub mod persist;
pub mod signal;
pub mod strace;
pub mod syscalls;
pub mod task;
pub mod time;
pub mod trace;
pub mod tty;
mod unravel;
pub mod vfs;
pub mod wait;
