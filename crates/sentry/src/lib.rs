//! The application kernel: tasks, signals, memory, files, time and the system calls over them.
//!
//! Arrows inside the crate: `syscalls` (thin handlers) → the subsystems (`task`, `signal`, `mm`, `vfs`, `fs`, `net`,
//! `time`) → `wait`, `io`, `creds` → the platform's traits. Subsystems do not know the handlers.

pub mod creds;
pub mod io;
pub mod mm;
pub mod signal;
pub mod vfs;
pub mod wait;
