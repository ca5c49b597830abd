//! The saved form of inodes without a name.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_platform::sync::Mutex;

use super::{AnonInode, Reopen, anon_fs};
use crate::fs::pipe::{self, PipeState};
use crate::fs::stdio::InheritedState;
use crate::persist::{Id, RestoreError, Restorer};
use crate::vfs::{Attrs, Inode};

/// An inode without a name.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnonInodeState {
    pub(super) attrs: Attrs,
    #[serde(default)]
    pub(super) opener: Option<ReopenState>,
}

/// What opens it anew, by its kind.
#[derive(Debug, Serialize, Deserialize)]
pub enum ReopenState {
    /// An anonymous pipe.
    Pipe(Id<PipeState>),
    /// A descriptor of the host.
    Inherited(InheritedState),
}

impl ReopenState {
    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Box<dyn Reopen>, RestoreError> {
        match self {
            Self::Pipe(pipe) => Ok(pipe::opener(restorer.get(pipe)?)),
            Self::Inherited(state) => state.restore(restorer),
        }
    }
}

impl AnonInodeState {
    pub(in crate::vfs) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = anon_fs();
        fs.inos.note(self.attrs.ino);
        let attrs = Attrs { dev: fs.sb.dev, ..self.attrs };
        let opener = self.opener.map(|opener| opener.restore(restorer)).transpose()?;
        Ok(Arc::new(AnonInode { attrs: Mutex::new(attrs), opener }))
    }
}
