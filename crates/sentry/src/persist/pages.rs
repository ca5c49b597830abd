//! Where the bytes of memory go and come from, and what of the host a restored kernel is given.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use stockade_abi::Errno;

use crate::creds::Credentials;

/// Takes the memory of saved address spaces. `space` is an index in the table of memory managers.
pub trait PageSink {
    /// Takes whole pages: `bytes` are those of `range`.
    ///
    /// # Errors
    /// Why they cannot be kept.
    fn write_run(&mut self, space: u32, range: Range<u64>, bytes: &[u8]) -> io::Result<()>;
}

/// Gives it back.
pub trait PageSource {
    /// What there is of an address space, in order and not overlapping. Pages that are missing are zeros.
    fn runs(&self, space: u32) -> Vec<Range<u64>>;

    /// Reads a part of one run.
    ///
    /// # Errors
    /// What the storage says.
    fn read(&mut self, space: u32, at: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// What belongs to the host and is bound anew: no descriptor of it is in an image.
pub trait HostResources {
    /// The directory or file of the host that was mounted under a label (`HostFs::mount`).
    ///
    /// # Errors
    /// ENOENT if there is none, and what the host says.
    fn tree(&mut self, label: &str) -> Result<OwnedFd, Errno>;

    /// Whether somebody like this may be in the sandbox.
    ///
    /// # Errors
    /// Why not, in words.
    fn admit(&mut self, _creds: &Credentials) -> Result<(), String> {
        Ok(())
    }

    /// What takes the place of an inherited descriptor, by the number that the first process had it under.
    fn stream(&mut self, number: i32) -> Option<OwnedFd>;
}
