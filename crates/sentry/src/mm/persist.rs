//! The saved form of what is mapped: one variant for each kind.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::general as c;

use super::Mappable;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::persist::InodeState;

pub use super::manager::MemoryManagerState;

/// What an area's bytes come from, by its kind ([`Mappable::save`]).
#[derive(Debug, Serialize, Deserialize)]
pub enum MappableState {
    /// A page of the guest's vDSO, the parameters or the image.
    Vdso {
        /// Whether it is the image.
        image: bool,
    },
    /// A file, opened with an access mode of open(2).
    #[expect(missing_docs, reason = "said above")]
    File { inode: Id<InodeState>, access: u32 },
}

impl Component for MappableState {
    type Object = Arc<dyn Mappable>;

    fn save(object: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        object.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Vdso { image } => Ok(restorer.kernel().vdso.page(image)),
            Self::File { inode, access } => {
                let inode = restorer.get(inode)?;
                let ops = inode.open(access & c::O_ACCMODE);
                ops.and_then(|ops| ops.mappable()).map_err(|e| RestoreError::refused("a mapped file", e))
            }
        }
    }
}
