//! What can be wrong with an image.

use std::io;

/// Why an image cannot be read or written. The text reads on after the name of the file and a colon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("is not an image of a sandbox")]
    NotAnImage,
    /// Pipes and directories cannot be mapped.
    #[error("is not a regular file, and only from such a one can memory be restored")]
    NotAFile,
    /// Its trailer is missing.
    #[error(
        "is incomplete: the end of the image is missing (saving was interrupted, or the file was cut off or damaged)"
    )]
    Incomplete,
    /// It has been written by a later version.
    #[error("has format {version}, and this version of Stockade reads up to {newest}; Stockade {writer} wrote it", newest = crate::format::VERSION)]
    TooNew {
        /// Its format.
        version: u32,
        /// Who wrote it.
        writer: String,
    },
    /// Something in it cannot be true, or its checksum does not fit.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A chunk of page data is not what was written.
    #[error("is damaged: chunk {chunk} of its pages (bytes {offset} to {end} of the file)")]
    Chunk {
        /// Its number, from 0.
        chunk: u64,
        /// Where it begins.
        offset: u64,
        /// Where it ends.
        end: u64,
    },
    /// It was saved with a key.
    #[error("was saved with a key, and cannot be checked without it")]
    KeyNeeded,
    /// It was saved without a key: anybody may have written it.
    #[error("was saved without a key: it is not authenticated, so that the key says nothing about it")]
    NotAuthenticated,
    /// The checksum fits, the MAC does not.
    #[error("was saved with another key, or changed by somebody who does not have this one")]
    WrongKey,
    /// Not enough for a key.
    #[error("the key has {0} bytes, and needs at least {min}", min = crate::Key::SHORTEST)]
    ShortKey(usize),
    /// Too much for a key.
    #[error("the key has more than {max} bytes", max = crate::Key::LONGEST)]
    LongKey,
    /// This host cannot go on with it.
    #[error("{0}")]
    Host(String),
    /// The writer was given something that does not fit the format.
    #[error("cannot be written: {0}")]
    Invalid(String),
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
