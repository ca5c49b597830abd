//! The saved form of what is mapped: one variant for each kind.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Mappable;
use crate::fs::host::HostFileState;
use crate::fs::overlay::OverlayMappedState;
use crate::fs::stdio::MappedStreamState;
use crate::fs::tmpfs::TmpMappedState;
use crate::persist::{Component, RestoreError, Restorer, Saver, Unsavable};

pub use super::manager::MemoryManagerState;

/// What an area's bytes come from, by its kind ([`Mappable::save`]).
#[derive(Debug, Serialize, Deserialize)]
pub enum MappableState {
    /// A page of the guest's vDSO, the parameters or the image.
    Vdso {
        /// Whether it is the image.
        image: bool,
    },
    /// A file of the host.
    Host(HostFileState),
    /// An inherited file of the host.
    HostStream(MappedStreamState),
    /// A file of an overlay.
    Overlay(OverlayMappedState),
    /// A file in memory.
    Tmp(TmpMappedState),
}

impl Component for MappableState {
    type Object = Arc<dyn Mappable>;

    fn save(object: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        object.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Vdso { image } => Ok(restorer.kernel().vdso.page(image)),
            Self::Host(state) => {
                let mapped = state.restore(restorer)?.mappable();
                mapped.map_err(|e| RestoreError::refused("a mapped file", e))
            }
            Self::HostStream(state) => state.restore(restorer),
            Self::Overlay(state) => state.restore(restorer),
            Self::Tmp(state) => state.restore(restorer),
        }
    }
}
