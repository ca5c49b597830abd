//! `State`.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::{Client, Error, Nothing};
use crate::types::state::{RestoreOpts, SaveOpts, SaveResult};

/// A sandbox that is being saved, and stands until it is confirmed that its image is where it belongs. It goes on if this is
/// dropped before.
#[derive(Debug)]
pub struct Saving(UnixStream);

impl Client {
    /// `State.Save`: writes the sandbox to a file that is empty, or to a pipe. Without `resume` the sandbox has ended when
    /// it returns, or is about to. Gives what was closed because of `force`.
    ///
    /// # Errors
    /// Why it was not saved, and goes on; see also [`Error`].
    pub fn save(&mut self, opts: &SaveOpts, file: impl AsFd) -> Result<SaveResult, Error> {
        self.call("State.Save", opts, &[file.as_fd()])
    }

    /// `containerManager.Restore`: an empty sandbox that nobody has used goes on with an image. What it has of the host is
    /// its own. This connection is of no use afterwards.
    ///
    /// # Errors
    /// Why it does not, and waits as before; see also [`Error`].
    pub fn restore(&mut self, key: Vec<u8>, image: impl AsFd) -> Result<(), Error> {
        let opts = RestoreOpts { key, ..RestoreOpts::default() };
        self.call("containerManager.Restore", &opts, &[image.as_fd()]).map(|Nothing {}| ())
    }

    /// `State.Save` of a sandbox that ends only when that is confirmed; [`finish`](Self::finish) gives a [`SaveResult`], or
    /// says why the sandbox goes on.
    ///
    /// # Errors
    /// EMFILE; see also [`Error`].
    pub fn begin_save(&mut self, opts: &SaveOpts, file: impl AsFd) -> Result<Saving, Error> {
        let (ours, theirs) = UnixStream::pair()?;
        let opts = SaveOpts { confirm: true, resume: false, ..opts.clone() };
        self.begin("State.Save", &opts, &[file.as_fd(), theirs.as_fd()])?;
        Ok(Saving(ours))
    }
}

impl Saving {
    /// Waits until the image is written: false if it could not be.
    #[must_use]
    pub fn is_written(&mut self) -> bool {
        self.0.read_exact(&mut [0]).is_ok()
    }

    /// Has the sandbox end. It does not count if that is gone already.
    pub fn confirm(mut self) {
        drop(self.0.write_all(&[1]));
    }
}
