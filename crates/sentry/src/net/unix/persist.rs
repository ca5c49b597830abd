//! The saved form of [`UnixSocket`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::UnixSocket;
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::FileOps;

pub use super::endpoint::EndpointState;
pub use super::inbox::CreditState;

/// A [`UnixSocket`].
#[derive(Debug, Serialize, Deserialize)]
pub struct UnixSocketState {
    endpoint: Id<EndpointState>,
}

impl UnixSocketState {
    pub(super) fn save(socket: &UnixSocket, saver: &mut Saver) -> Self {
        Self { endpoint: saver.id(&socket.0) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        Ok(Arc::new(UnixSocket::new(restorer.get(self.endpoint)?)))
    }
}
