//! Address spaces of guests and access to their memory.

pub mod usermem;

pub use usermem::UserMemory;
