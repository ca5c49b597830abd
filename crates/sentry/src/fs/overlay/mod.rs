//! An overlay: changes go to an upper file system, the lower one stays as it is.
//!
//! What is only below is used from there until it is first changed; then it is copied up. A removed name of the lower one is a
//! whiteout above (a character device 0:0), a directory that replaces one is opaque, both as Linux's overlayfs has them,
//! so that a directory of changes can be looked at with it.

mod copy_up;
mod dir;
mod file;
mod inode;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stockade_abi::Errno;

pub use inode::OverlayInode;

use crate::vfs::{Dentry, Inode, SuperBlock};

/// Marks a directory that hides the one below.
const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// The inode number that a copied-up file keeps.
const ORIGIN: &[u8] = b"trusted.overlay.origin";

/// What all inodes of an overlay share.
pub struct OverlayFs {
    dev: u64,

    /// Names for files on their way up.
    next_temporary: AtomicU64,
}

impl OverlayFs {
    fn temporary_name(&self) -> Vec<u8> {
        format!(".stockade-up-{}", self.next_temporary.fetch_add(1, Ordering::Relaxed)).into_bytes()
    }
}

/// The tree that two roots make together.
///
/// # Errors
/// What the roots' attributes fail with.
pub fn mount(upper: &Arc<Dentry>, lower: &Arc<Dentry>) -> Result<Arc<Dentry>, Errno> {
    let sb = SuperBlock::new("overlay", "overlay", true, lower.sb.revalidates);
    let fs = Arc::new(OverlayFs { dev: sb.dev, next_temporary: AtomicU64::new(0) });
    let root: Arc<dyn Inode> =
        OverlayInode::make(&fs, None, Some(Arc::clone(&upper.inode)), Some(Arc::clone(&lower.inode)))?;
    Ok(Dentry::root(sb, root))
}

#[cfg(test)]
mod tests;
