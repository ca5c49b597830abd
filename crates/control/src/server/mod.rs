//! The sentry's side: connections, and the table of methods.
//!
//! To add a method: write its function in the file of its family, and its line in [`methods`]. A function runs on the
//! thread of its connection and may wait.

mod connections;
mod container;
mod error;
mod files;
mod methods;
mod peer;
mod processes;
mod signals;
mod zone;

pub use connections::Server;
pub use error::Error;
pub use files::Files;
pub use processes::processes;
pub use zone::Zone;

use std::sync::Arc;

use stockade_sentry::task::Kernel;

/// What methods are about.
pub struct Sandbox {
    /// Its name.
    pub id: String,
    /// Its kernel.
    pub kernel: Arc<Kernel>,
    /// Who may connect beside root: a uid, as the sentry sees it.
    pub owner: u32,
    /// Where it is: times are told so.
    pub zone: Zone,
}

impl Sandbox {
    /// Whether it is the one container of the sandbox that is meant: by its name, or by none.
    pub(crate) fn container(&self, id: &str) -> Result<(), Error> {
        if id.is_empty() || id == self.id {
            Ok(())
        } else {
            Err(Error::new(format!("no container {id:?} in sandbox {:?}", self.id)))
        }
    }
}
