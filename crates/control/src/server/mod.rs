//! The sentry's side: connections, and the table of methods.
//!
//! To add a method: write its function in the file of its family, and its line in [`methods`]. A function runs on the
//! thread of its connection and may wait.

mod beginning;
mod connections;
mod container;
mod copy;
mod emitter;
mod error;
mod exec;
mod executed;
mod files;
mod logging;
mod methods;
mod peer;
mod proc;
mod processes;
mod profile;
mod sandbox;
mod signals;
mod state;
mod top;
mod usage;
mod users;
mod vfs_tree;
mod zone;

pub use beginning::Successor;
pub use connections::Server;
pub use error::Error;
pub use exec::{Started, exec_async};
pub use files::Files;
pub use logging::LogLevel;
pub use processes::processes;
pub use sandbox::{Sandbox, SandboxParts};
pub use state::saved_defaults;
pub use zone::Zone;
