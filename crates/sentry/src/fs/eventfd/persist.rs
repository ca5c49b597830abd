//! The saved form of [`EventFd`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EventFd, IDS};
use crate::persist::RestoreError;
use crate::vfs::FileOps;

/// An [`EventFd`].
#[derive(Debug, Serialize, Deserialize)]
pub struct EventFdState {
    pub(super) count: u64,
    pub(super) semaphore: bool,
    pub(super) id: u32,
}

impl EventFdState {
    pub(crate) fn restore(self) -> Result<Arc<dyn FileOps>, RestoreError> {
        if self.count == u64::MAX {
            return Err(RestoreError::new("a count that no event counter reaches"));
        }
        IDS.note(self.id.into());
        Ok(EventFd::with_id(self.id, self.count, self.semaphore))
    }
}
