//! The saved form of inodes without a name.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{AnonInode, anon_fs};
use crate::persist::{RestoreError, Restorer};
use crate::vfs::{Attrs, Inode};

/// An inode without a name. It cannot be opened anew after a restore.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnonInodeState {
    pub(super) attrs: Attrs,
}

impl AnonInodeState {
    pub(in crate::vfs) fn restore(
        self,
        _restorer: &mut Restorer<'_>,
    ) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = anon_fs();
        fs.inos.note(self.attrs.ino);
        let attrs = Attrs { dev: fs.sb.dev, ..self.attrs };
        Ok(Arc::new(AnonInode { attrs: Mutex::new(attrs), opener: None }))
    }
}
