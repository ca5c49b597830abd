//! Arguments and results of the methods, spelled as gVisor's clients spell them. What is absent is the zero value.

pub mod container;
pub mod event;
pub mod files;
pub mod logging;
pub mod proc;
pub mod process;
pub mod profile;
pub mod state;
pub mod top;
pub mod usage;
