//! Where the bytes of memory go and come from, and what of the host a restored kernel is given.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::Errno;

use crate::creds::Credentials;

/// What pages belong to, by its place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PageObject {
    /// An address space: its own pages, by address.
    Space(u32),
    /// An inode whose contents are in memory, by offset.
    File(u32),
}

impl PageObject {
    /// One number for both, as images have it.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Space(index) => index as u64,
            Self::File(index) => 1 << 32 | index as u64,
        }
    }
}

impl fmt::Display for PageObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(index) => write!(f, "address space {index}"),
            Self::File(index) => write!(f, "inode {index}"),
        }
    }
}

/// Pages of an object that lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Address or offset of the first, a multiple of the page size.
    pub address: u64,
    /// Bytes, a multiple of the page size, not zero.
    pub length: u64,
    /// Offset of the first among all pages that were saved.
    pub data: u64,
}

impl PageRun {
    /// First address or offset behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address.saturating_add(self.length)
    }
}

/// Takes the pages of saved objects. Those that are zero need not be given, and each only once.
pub trait PageSink {
    /// Where the next pages go: one at least. It may hold old bytes.
    ///
    /// # Errors
    /// Why earlier ones cannot be kept.
    fn space(&mut self) -> io::Result<&mut [u8]>;

    /// Takes the first `length` bytes of [`space`](Self::space), whole pages, as those of `object` from `address` on. The
    /// space begins behind them then, so that it can be filled at once with what becomes several runs.
    ///
    /// # Errors
    /// Why they cannot be kept.
    fn fill(&mut self, object: PageObject, address: u64, length: usize) -> io::Result<()>;

    /// The [`PageRun::data`] that the next pages will have.
    fn position(&self) -> u64;

    /// Pages that were given before are also those of another object, or of another address.
    ///
    /// # Errors
    /// Why that cannot be noted.
    fn again(&mut self, object: PageObject, run: PageRun) -> io::Result<()>;

    /// Copies pages of `object` from `address` on.
    ///
    /// # Errors
    /// As [`space`](Self::space) and [`fill`](Self::fill).
    fn write(&mut self, object: PageObject, mut address: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let (now, rest) = bytes.split_at(space.len().min(bytes.len()));
            space[..now.len()].copy_from_slice(now);
            self.fill(object, address, now.len())?;
            address += now.len() as u64;
            bytes = rest;
        }
        Ok(())
    }
}

/// Gives them back.
pub trait PageSource {
    /// What there is of an object, by address and not overlapping. Pages that are missing are what they would be in a new
    /// one: zeros, or those of the file that is mapped there.
    fn runs(&self, object: PageObject) -> Vec<PageRun>;

    /// A file in which pages lie as they are, and where in it those from `data` on are: they are mapped from there, as long
    /// as the sandbox lives, and read only when they are used. `None` where they have to be read.
    fn file(&self, data: u64) -> Option<(Arc<File>, u64)>;

    /// Reads pages from `data` on.
    ///
    /// # Errors
    /// What the storage says; `UnexpectedEof` if there are not as many.
    fn read(&mut self, data: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// What belongs to the host and is bound anew: no descriptor of it is in an image.
pub trait HostResources {
    /// The directory or file of the host that was mounted under a label (`HostFs::mount`).
    ///
    /// # Errors
    /// ENOENT if there is none, and what the host says.
    fn tree(&mut self, label: &str) -> Result<OwnedFd, Errno>;

    /// A proc file system of the own PID namespace, by which a single file that was mounted is opened again.
    ///
    /// # Errors
    /// ENOENT if there is none, and what the host says.
    fn proc(&mut self) -> Result<OwnedFd, Errno> {
        Err(Errno::ENOENT)
    }

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
