//! The saved form of [`SignalFd`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::signal::SigSet;

use super::SignalFd;
use crate::persist::Restorer;
use crate::vfs::FileOps;

/// A [`SignalFd`].
#[derive(Debug, Serialize, Deserialize)]
pub struct SignalFdState {
    pub(super) set: SigSet,
}

impl SignalFdState {
    pub(crate) fn restore(self, restorer: &Restorer<'_>) -> Arc<dyn FileOps> {
        SignalFd::new(self.set.minus(SigSet::UNBLOCKABLE), &restorer.kernel().signal_events)
    }
}
