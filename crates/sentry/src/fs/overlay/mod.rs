//! An overlay: changes go to an upper file system, the lower one stays as it is.
//!
//! What is only below is used from there until it is first changed; then it is copied up. A removed name of the lower one is a
//! whiteout above, a directory that replaces one is opaque ([`Whiteouts`] says how).

mod copy_up;
mod dir;
mod file;
mod inode;
mod persist;
mod whiteout;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

pub use inode::OverlayInode;
pub use persist::{OverlayFileState, OverlayFsState, OverlayInodeState, OverlayMappedState};
pub use whiteout::Whiteouts;

use crate::vfs::{Dentry, Inode, SuperBlock};

/// The inode number that a copied-up file keeps.
const ORIGIN: &[u8] = b"trusted.overlay.origin";

/// Inode numbers of the upper file system are moved out of the lower one's way.
const UPPER_INO: u64 = 1 << 48;

/// The bits of an inode number from here on tell the devices below apart: the first 15 with numbers that programs can keep
/// in floating point, as some do.
const OTHER_DEVICE_SHIFT: u32 = 49;

/// What all inodes of an overlay share.
pub struct OverlayFs {
    dev: u64,
    /// The device that the lower root lies on.
    lower_dev: u64,
    /// Others that were met below it.
    other_devs: Mutex<Vec<u64>>,
    whiteouts: Whiteouts,
    /// Names for files on their way up.
    next_temporary: AtomicU64,
}

impl OverlayFs {
    /// The inode number here of what has one below. Others of the host's file systems may be mounted there: theirs are moved
    /// out of the way, as two files with one number would be taken for the same.
    fn lower_ino(&self, dev: u64, ino: u64) -> u64 {
        if dev == self.lower_dev {
            return ino;
        }
        let mut others = self.other_devs.lock();
        let at = others.iter().position(|&d| d == dev).unwrap_or_else(|| {
            others.push(dev);
            others.len() - 1
        });
        ino ^ ((at as u64 + 1) << OTHER_DEVICE_SHIFT)
    }

    fn temporary_name(&self) -> Vec<u8> {
        self.whiteouts.temporary_name(self.next_temporary.fetch_add(1, Ordering::Relaxed))
    }
}

/// The tree that two roots make together; `whiteouts` are the marks that the upper one can hold.
///
/// # Errors
/// What the roots' attributes fail with.
pub fn mount(upper: &Arc<Dentry>, lower: &Arc<Dentry>, whiteouts: Whiteouts) -> Result<Arc<Dentry>, Errno> {
    let sb = SuperBlock::new("overlay", "overlay", true, lower.sb.revalidates);
    let lower_dev = lower.inode.attrs()?.dev;
    let fs = Arc::new(OverlayFs {
        dev: sb.dev,
        lower_dev,
        other_devs: Mutex::default(),
        whiteouts,
        next_temporary: AtomicU64::new(0),
    });
    let root: Arc<dyn Inode> =
        OverlayInode::make(&fs, None, Some(Arc::clone(&upper.inode)), Some(Arc::clone(&lower.inode)))?;
    Ok(Dentry::root(sb, root))
}

#[cfg(test)]
mod tests;
