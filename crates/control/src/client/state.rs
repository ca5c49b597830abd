//! `State`.

use std::os::fd::AsFd;

use super::{Client, Error};
use crate::types::state::{SaveOpts, SaveResult};

impl Client {
    /// `State.Save`: writes the sandbox to a file that is empty, or to a pipe. Without `resume` the sandbox has ended when
    /// it returns, or is about to. Gives what was closed because of `force`.
    ///
    /// # Errors
    /// Why it was not saved, and goes on; see also [`Error`].
    pub fn save(&mut self, opts: &SaveOpts, file: impl AsFd) -> Result<SaveResult, Error> {
        self.call("State.Save", opts, &[file.as_fd()])
    }
}
