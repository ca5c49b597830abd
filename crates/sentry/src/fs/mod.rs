//! The file systems, and what descriptors can stand for.

pub mod dev;
pub mod devpts;
mod entries;
pub mod epoll;
pub mod eventfd;
pub mod host;
pub mod inotify;
pub mod listing;
pub mod mountable;
pub mod nsfs;
pub mod overlay;
pub mod pidfd;
pub mod pipe;
pub mod proc;
pub mod signalfd;
pub mod stdio;
pub mod sys;
pub mod timerfd;
pub mod tmpfs;

use std::sync::Arc;

use stockade_abi::Errno;

use crate::mm::Mappable;
use crate::syscalls::Ctx;
use crate::vfs::{File, Inode, NewNode, NodeKind, Path, SetAttrs};

/// What remains to be done after a file was opened by name: opening a FIFO waits for its other side, and a terminal may
/// become the caller's controlling terminal.
///
/// # Errors
/// ERESTARTSYS
pub fn after_open(ctx: &Ctx, file: Arc<File>, flags: u32) -> Result<Arc<File>, Errno> {
    if let Some(end) = file.ops().downcast_ref::<pipe::End>() {
        pipe::wait_for_peer(&ctx.task, end, file.flags())?;
    }
    if let Some(tty) = file.ops().terminal() {
        tty.opened_by(&ctx.task, flags);
    }
    Ok(file)
}

/// What readlink(2) says of a magic link.
///
/// # Errors
/// What the link itself fails with.
pub fn magic_link_text(
    ctx: &Ctx,
    _inode: &Arc<dyn Inode>,
    target: Result<Path, Errno>,
) -> Result<Vec<u8>, Errno> {
    Ok(target?.display(&ctx.task.fs().root()).0)
}

/// Memory for MAP_SHARED|MAP_ANONYMOUS: a file of its own that nobody can open.
///
/// # Errors
/// ENOMEM, ENFILE.
pub fn shared_anonymous(ctx: &Ctx, len: u64) -> Result<Arc<dyn Mappable>, Errno> {
    let inode =
        ctx.task.kernel.shm.make(&NewNode { kind: NodeKind::Regular, mode: 0o777, uid: 0, gid: 0 })?;
    inode.set_attrs(&SetAttrs { size: Some(len), ..SetAttrs::default() })?;
    Ok(inode.as_mappable(b"/dev/zero (deleted)".to_vec()))
}
