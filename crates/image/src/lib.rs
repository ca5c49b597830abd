//! The image: the file that a saved sandbox is. [`Writer`] writes one, strictly forward, so that a pipe will do; [`Image`]
//! reads one, believes nothing in it that it has not checked, and gives the descriptor from which memory is mapped. The
//! format is specified in docs/image-format.md.
//!
//! What is in the kernel state is nothing to this crate; neither are the numbers of memory objects and the addresses in
//! them.

pub mod cpu;
mod digest;
mod error;
mod file;
pub mod format;
pub mod fuzz;
mod header;
mod key;
mod read;
mod run;
mod summary;
mod tree;
mod write;

pub use error::Error;
pub use file::NewFile;
pub use header::{Compression, Header};
pub use key::Key;
pub use read::{Authenticity, Chunks, Image};
pub use run::Run;
pub use summary::{Process, Summary};
pub use write::{Options, Writer, Written};
