//! The saved forms of tasks and of what holds them together.

pub use super::group::ThreadGroupState;
pub use super::pidns::PidNamespaceState;
pub use super::thread::{TaskState, UtsState, VforkState};
pub(crate) use super::tree::TreeState;
