//! urpc: one JSON object asks, one answers, one call at a time per connection. Descriptors travel as SCM_RIGHTS
//! (unix(7)) with the bytes of the object they belong to.
//!
//! Neither side trusts the other: objects are bounded in size and depth, and so is the number of descriptors.

mod budget;
mod connection;
mod message;
mod scanner;
pub mod zero;

pub use budget::Budget;
pub use connection::{Connection, Message};
pub use message::{Answer, Call};
pub use scanner::{MAX_DEPTH, Scanner};

use std::io;

/// Bytes that one object may have: the arguments and variables of a program (execve(2) takes 6 MiB at most), in JSON.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Descriptors that one call may carry.
pub const MAX_FILES: usize = 128;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// What the host says.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side went away in the middle of an object.
    #[error("the connection ended within a message")]
    Truncated,
    /// What arrived is no JSON object.
    #[error("a message is a JSON object")]
    NoObject,
    /// Objects and arrays lie deeper in each other than [`MAX_DEPTH`].
    #[error("a message is nested too deep: more than {MAX_DEPTH} levels")]
    TooDeep,
    /// An object is longer than [`MAX_MESSAGE`].
    #[error("a message is too long: more than {MAX_MESSAGE} bytes")]
    TooLong,
    /// All connections together hold more than the server has room for.
    #[error("the server has no room for a message of this size now")]
    NoRoom,
    /// More descriptors than [`MAX_FILES`]; in gVisor's words.
    #[error("too many files")]
    TooManyFiles,
}
