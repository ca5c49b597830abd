//! The saved form of [`FsContext`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::FsContext;
use crate::persist::{Component, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::mount::PathState;

/// An [`FsContext`].
#[derive(Debug, Serialize, Deserialize)]
pub struct FsContextState {
    root: PathState,
    cwd: PathState,
    umask: u32,
}

impl Component for FsContextState {
    type Object = Arc<FsContext>;

    fn save(context: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self {
            root: PathState::save(&context.root(), saver),
            cwd: PathState::save(&context.cwd(), saver),
            umask: context.umask(),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let (root, cwd) = (self.root.restore(restorer)?, self.cwd.restore(restorer)?);
        Ok(FsContext::new(root, cwd, self.umask))
    }
}
