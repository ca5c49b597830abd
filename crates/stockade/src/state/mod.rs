//! The state directory: which sandboxes there are. Each has a directory of its name with `state.json` and `lock` in it. The lock
//! (flock(2)) is held by the sandbox's owner for as long as it lives, so that a directory left behind by one that was
//! killed is told from a running one whatever happened to its process id.

mod directory;
mod images;
mod record;
mod sandbox;

pub use directory::StateDir;
pub use images::{ImageId, Known};
pub use record::{Record, Status};
pub use sandbox::Registered;

#[cfg(test)]
mod tests;
