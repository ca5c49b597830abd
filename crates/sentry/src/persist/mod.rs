//! Saving a kernel to plain data, and making a kernel of it again.
//!
//! What is saved is [`KernelState`]: a table for each kind of object, and an [`Id`] wherever one object refers to another.
//! The form of each kind and what turns it into that and back lie beside its code, in a file `persist.rs`
//! ([`Component`]). A [`Saver`] gives objects their places and saves each once; a [`Restorer`] makes them again. What is
//! read back is hostile: ids, counts and values are checked, and every error says which entry of which table it is about.

mod component;
pub(crate) mod contents;
pub mod counter;
mod error;
mod id;
mod kernel;
mod pages;
mod restorer;
mod saver;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use component::{Component, Identity, Listed};
pub use counter::Counter;
pub use error::{RestoreError, SaveError, Unsavable};
pub use id::Id;
pub use kernel::{Clocks, KernelInfo, Restored};
pub use pages::{HostResources, PageObject, PageRun, PageSink, PageSource};
pub use restorer::Restorer;
pub use saver::Saver;
pub use state::KernelState;
