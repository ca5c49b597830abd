//! Sockets (socket(7)).
//!
//! [`Socket`] is what the system calls talk to; each address family implements it. [`unix`] is the sandbox's own; sockets of
//! the host that were passed in are in `fs/stdio`, with other descriptors of the host.

pub mod options;
pub mod socket;
pub mod unix;

pub use options::Options;
pub use socket::{Credential, Kind, Outgoing, Received, Socket, socket_of};
