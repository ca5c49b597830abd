//! The saved form of [`Rights`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{InFlight, Rights};
use crate::net::unix::address::MAX_RIGHTS;
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::persist::FileState;

/// [`Rights`]
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::net::unix) struct RightsState {
    files: Vec<Id<FileState>>,
    user: u32,
}

impl RightsState {
    pub(in crate::net::unix) fn save(rights: &Rights, saver: &mut Saver) -> Self {
        Self { files: rights.files.iter().map(|file| saver.id(file)).collect(), user: rights.user }
    }

    /// Sends them off again. To be called later than the making of sockets, which may be among them.
    pub(in crate::net::unix) fn restore(
        self,
        table: &Arc<InFlight>,
        restorer: &mut Restorer<'_>,
    ) -> Result<Rights, RestoreError> {
        if self.files.len() > MAX_RIGHTS {
            return Err(RestoreError::new("more descriptors than a message can have"));
        }
        let files: Result<Vec<_>, _> = self.files.into_iter().map(|file| restorer.get(file)).collect();
        Rights::send(table, files?, self.user, u64::MAX)
            .map_err(|e| RestoreError::refused("descriptors on their way", e))
    }
}
