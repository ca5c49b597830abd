//! The saved form of [`Watch`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};

use super::{COOKIES, Watch, Watcher};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::persist::SuperBlockState;

/// A [`Watch`], which its watcher holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct WatchState {
    wd: i32,
    sb: Id<SuperBlockState>,
    ino: u64,
    mask: u32,
}

impl WatchState {
    /// None of a file system that is gone.
    pub(crate) fn save(watch: &Watch, saver: &mut Saver) -> Option<Self> {
        let sb = saver.id(&watch.sb.upgrade()?);
        Some(Self { wd: watch.wd, sb, ino: watch.ino, mask: watch.mask.load(Ordering::Relaxed) })
    }

    /// The watch, which is not in the table of its file system yet.
    pub(crate) fn restore(
        self,
        to: Weak<dyn Watcher>,
        restorer: &mut Restorer<'_>,
    ) -> Result<Arc<Watch>, RestoreError> {
        let sb = Arc::downgrade(&restorer.get(self.sb)?);
        Ok(Arc::new(Watch { wd: self.wd, ino: self.ino, sb, mask: AtomicU32::new(self.mask), to }))
    }

    pub(crate) fn mask(&self) -> u32 {
        self.mask
    }
}

/// An event with this cookie has not been read: others get higher ones.
pub(crate) fn note_cookie(cookie: u32) {
    COOKIES.note(cookie.into());
}
