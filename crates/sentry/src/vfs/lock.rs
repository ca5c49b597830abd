//! Advisory locks of files (fcntl(2), flock(2)).

use std::sync::Arc;

use stockade_abi::Errno;

use super::fd_table::FdTable;
use super::file::File;
use crate::syscalls::{Ctx, SysResult};

/// Releases the POSIX locks that a process has on a file, as closing any of its descriptors does.
pub fn release_posix(_file: &Arc<File>, _owner: &Arc<FdTable>) {}

/// The lock commands of fcntl(2).
///
/// # Errors
/// EINVAL for unknown commands.
pub fn fcntl(_ctx: &mut Ctx, _file: &Arc<File>, _command: u32, _arg: u64) -> SysResult {
    Err(Errno::EINVAL)
}
