//! Address spaces of guests and access to their memory.

pub mod access;
mod advise;
mod barrier;
mod brk;
mod exec_gain;
mod fault;
mod fork;
mod lazy;
pub mod manager;
pub mod mappable;
pub mod persist;
mod place;
mod protect;
mod remap;
mod restore;
mod save;
pub mod usermem;
pub mod vma;

pub(crate) use save::Twins;

pub use access::{UserSink, UserSource};
pub use manager::{ImageLayout, MapRequest, MemoryLimits, MemoryManager};
pub use mappable::{Mappable, ObjectId};
pub use usermem::UserMemory;
pub use vma::{FileBacking, VmFlags, Vma};
