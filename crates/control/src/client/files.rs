//! `Files`.

use std::os::fd::BorrowedFd;

use super::{Client, Error};
use crate::types::files::{FileKind, FilesArgs, PackArgs};

impl Client {
    /// `Files.Look`: what is at a path.
    ///
    /// # Errors
    /// ENOENT if the directory is missing, too; see also [`Error`].
    pub fn look(&mut self, args: &FilesArgs) -> Result<FileKind, Error> {
        self.call("Files.Look", args, &[])
    }

    /// `Files.Pack`: writes a tar stream to `stream`; [`finish`](Self::finish) gives how many files were left out.
    ///
    /// # Errors
    /// What reading or writing failed with, with the path; see also [`Error`].
    pub fn begin_pack(&mut self, args: &PackArgs, stream: BorrowedFd<'_>) -> Result<(), Error> {
        self.begin("Files.Pack", args, &[stream])
    }

    /// `Files.Unpack`: reads a tar stream from `stream`; [`finish`](Self::finish) gives how many entries were left out.
    ///
    /// # Errors
    /// As [`begin_pack`](Self::begin_pack).
    pub fn begin_unpack(&mut self, args: &FilesArgs, stream: BorrowedFd<'_>) -> Result<(), Error> {
        self.begin("Files.Unpack", args, &[stream])
    }
}
