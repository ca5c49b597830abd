//! The saved forms of [`Mount`] and [`Path`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{IDS, Mount, MountFlags, Path};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::anon;
use crate::vfs::dentry::DentryState;

/// A [`Path`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PathState {
    mount: Id<MountState>,
    dentry: Id<DentryState>,
}

impl PathState {
    /// Saves what it leads through.
    pub fn save(path: &Path, saver: &mut Saver) -> Self {
        Self { mount: saver.id(&path.mount), dentry: saver.id(&path.dentry) }
    }

    /// The path again.
    ///
    /// # Errors
    /// If what it leads through cannot be made, or does not belong together.
    pub fn restore(self, restorer: &mut Restorer<'_>) -> Result<Path, RestoreError> {
        let path = Path { mount: restorer.get(self.mount)?, dentry: restorer.get(self.dentry)? };
        if !Arc::ptr_eq(&path.mount.root().sb, &path.dentry.sb) {
            return Err(RestoreError::new("a path has a name that is not of its mount"));
        }
        Ok(path)
    }
}

/// A [`Mount`].
#[derive(Debug, Serialize, Deserialize)]
pub enum MountState {
    /// The one of files without a name.
    Anon,
    /// Any other.
    Tree {
        /// `mnt_id`
        id: u64,
        /// Its topmost name.
        root: Id<DentryState>,
        /// [`MountFlags`]
        flags: u32,
        /// MNT_EXPIRE
        expired: bool,
        /// What is mounted on it, in order, and on which names.
        children: Vec<(Id<MountState>, Id<DentryState>)>,
    },
}

impl Component for MountState {
    type Object = Arc<Mount>;

    fn save(mount: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        if Arc::ptr_eq(mount, &anon::nowhere().mount) {
            return Ok(Self::Anon);
        }
        let children = mount.children();
        let children = children.iter().filter_map(|child| Some((child, child.mount_point()?.dentry)));
        Ok(Self::Tree {
            id: mount.id,
            root: saver.id(&mount.root),
            flags: mount.flags().bits(),
            expired: mount.expired.load(Ordering::Relaxed),
            children: children.map(|(child, at)| (saver.id(child), saver.id(&at))).collect(),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let Self::Tree { id, root, flags, expired, children } = self else {
            return Ok(anon::nowhere().mount);
        };
        IDS.note(id);
        let flags = MountFlags::from_bits(flags).ok_or_else(|| RestoreError::new("unknown flags"))?;
        let mount = Mount::with_id(id, restorer.get(root)?, flags, expired);
        let made = Arc::clone(&mount);
        restorer.later(move |restorer| {
            for (child, at) in children {
                let at = Path { mount: Arc::clone(&made), dentry: restorer.get(at)? };
                let child = restorer.get(child)?;
                if !Arc::ptr_eq(&made.root.sb, &at.dentry.sb) {
                    return Err(RestoreError::new("something is mounted on a name that is not of its mount"));
                }
                if child.mount_point().is_some() || is_above(&child, &made) {
                    return Err(RestoreError::new("a mount is attached twice, or beneath itself"));
                }
                child.attach(&at);
            }
            Ok(())
        });
        Ok(mount)
    }
}

/// Whether a mount is another, or something that this is attached to.
fn is_above(upper: &Arc<Mount>, lower: &Arc<Mount>) -> bool {
    let mut at = Some(Arc::clone(lower));
    while let Some(mount) = at {
        if Arc::ptr_eq(&mount, upper) {
            return true;
        }
        at = mount.mount_point().map(|point| point.mount);
    }
    false
}
