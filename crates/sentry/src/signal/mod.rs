//! Signals: queues, actions, frames (signal(7)).
//!
//! Who may send what to whom, and which thread takes it, is in [`crate::task`], where threads are known.

pub mod action;
pub mod frame;
pub mod pending;
pub mod persist;

pub use action::{Actions, DefaultAction, Disposition};
pub use pending::{PendingQueue, Queued, TimerMark};
