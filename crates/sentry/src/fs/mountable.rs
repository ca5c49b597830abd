//! The file systems that mount(2) can make.

use std::sync::Arc;

use stockade_abi::Errno;

use super::proc;
use super::tmpfs::{Options, TmpFs};
use crate::task::Task;
use crate::vfs::Dentry;

/// A new instance of a type, for the caller of mount(2).
///
/// # Errors
/// ENODEV for a type that is not there, EINVAL for options that it does not know.
pub fn make(task: &Task, fs_type: &[u8], data: &[u8]) -> Result<Arc<Dentry>, Errno> {
    let budget = &task.kernel.memory_files;
    match fs_type {
        b"tmpfs" => TmpFs::mount_with(budget, &Options::parse(data, budget.figures().0)?),
        // Like tmpfs, but without a size, and whatever it is told.
        b"ramfs" => TmpFs::mount_with(budget, &Options { size: Some(0), mode: 0o755, ..Options::default() }),
        b"proc" => Ok(proc::mount(&task.kernel, &task.tg.pidns)),
        _ => Err(Errno::ENODEV),
    }
}
