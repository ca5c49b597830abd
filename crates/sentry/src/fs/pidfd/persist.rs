//! The saved form of [`PidFd`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PidFd;
use crate::persist::{Id, RestoreError, Restorer};
use crate::task::persist::ThreadGroupState;
use crate::vfs::FileOps;

/// A [`PidFd`]. Its process may have been waited for.
#[derive(Debug, Serialize, Deserialize)]
pub struct PidFdState {
    pub(super) tg: Id<ThreadGroupState>,
}

impl PidFdState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let tg = restorer.get(self.tg)?;
        Ok(Arc::new(PidFd { tg, kernel: Arc::clone(restorer.kernel()) }))
    }
}
