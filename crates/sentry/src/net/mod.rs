//! Sockets (socket(7)).
//!
//! [`Socket`] is what the system calls talk to; each address family implements it. There is one so far: [`unix`].

pub mod options;
pub mod socket;
pub mod unix;

pub use options::Options;
pub use socket::{Credential, Kind, Outgoing, Received, Socket, socket_of};
