//! The descriptors of a call.

use std::os::fd::OwnedFd;

use super::Error;

/// The descriptors that came with a call. Those that nobody takes are closed with it.
#[derive(Debug, Default)]
pub struct Files(pub Vec<OwnedFd>);

impl Files {
    /// The one that there has to be.
    ///
    /// # Errors
    /// In gVisor's words, if there is none, or more.
    pub fn exactly_one(self) -> Result<OwnedFd, Error> {
        let [file] =
            <[OwnedFd; 1]>::try_from(self.0).map_err(|_| Error::new("exactly one file must be provided"))?;
        Ok(file)
    }
}
