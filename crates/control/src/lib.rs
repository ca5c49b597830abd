//! The control server of a sandbox: how its owner looks into it and steers it while it runs.
//!
//! The protocol is gVisor's urpc ([`wire`]): JSON objects and descriptors over a unix stream socket. [`types`] are the
//! arguments and results, for both sides; [`client`] is for programs that embed Stockade, and for its own commands;
//! [`server`] is the sentry's side, a table of methods over the kernel.

pub mod archive;
pub mod client;
pub mod events;
#[doc(hidden)]
pub mod fuzz;
pub mod ps;
#[cfg(feature = "server")]
pub mod server;
pub mod types;
pub mod wire;
