//! The saved form of [`MountNamespace`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{IDS, MountNamespace};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::mount::MountState;

/// A [`MountNamespace`].
#[derive(Debug, Serialize, Deserialize)]
pub struct MountNamespaceState {
    id: u64,
    root: Id<MountState>,
}

impl Component for MountNamespaceState {
    type Object = Arc<MountNamespace>;

    fn save(namespace: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { id: namespace.id, root: saver.id(&*namespace.root.read()) })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        IDS.note(self.id);
        Ok(MountNamespace::with_id(self.id, restorer.get(self.root)?))
    }
}
