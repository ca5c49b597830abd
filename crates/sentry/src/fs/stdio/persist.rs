//! The saved form of inherited descriptors: which they were.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::attrs_of;
use super::stream::HostStream;
use super::watch::Watched;
use crate::persist::{RestoreError, Restorer};
use crate::vfs::{Attrs, FileOps};

/// A descriptor of the host.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostStreamState {
    /// The number that it was inherited under, negative for what nothing can take the place of.
    pub(super) number: i32,
    /// What fstat(2) said of it.
    pub(super) attrs: Attrs,
}

impl HostStreamState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let refused = |e| RestoreError::refused("a standard stream", e);
        let given = if self.number < 0 { None } else { restorer.host.stream(self.number) };
        let fd = match given {
            Some(fd) => fd,
            // Nothing to read, and what is written goes nowhere.
            None => std::fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map_err(|e| refused(Errno::from(e)))?
                .into(),
        };
        let attrs = attrs_of(&fd).map_err(refused)?;
        let attrs = Attrs { dev: self.attrs.dev, ino: self.attrs.ino, ..attrs };
        Ok(Arc::new(HostStream::new(self.number, Watched::new(fd), attrs, None)))
    }
}
