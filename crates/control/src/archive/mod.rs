//! Trees of files as tar streams (pax(1)), from and to any kind of tree: the host's and a sandbox's.
//!
//! Nothing in a stream is believed: names stay below the directory that is unpacked into, links are made but never
//! followed, sizes of headers are bounded, and holes stay holes. [`pack`] and [`unpack`] work on directories by handle, so that
//! whoever changes the tree meanwhile leads them nowhere.

mod entry;
mod pack;
mod read;
mod sparse;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod write;

pub use entry::{Kind, Meta};
pub use pack::pack;
pub use read::{Entry, read};
pub use tree::{Found, Source, Target};
pub use unpack::{Rights, unpack};

use std::io;

/// The longest path, and the longest target of a link (PATH_MAX).
const PATH_MAX: usize = 4096;

/// Directories in each other.
const MAX_DEPTH: usize = 1024;

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// An error with the name it is about.
fn about(path: &[u8], e: &io::Error) -> io::Error {
    let text = e.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    io::Error::new(e.kind(), format!("{}: {reason}", String::from_utf8_lossy(path)))
}

/// Reads any stream to its end, for fuzzers.
#[doc(hidden)]
pub fn any(stream: &[u8]) {
    let _ = read(stream, |entry| {
        io::copy(&mut io::Read::take(entry.data, 1 << 20), &mut io::sink())?;
        Ok(())
    });
}
