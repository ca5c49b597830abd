//! The saved forms of signals.

pub use super::action::ActionsState;
pub use super::pending::{InfoState, PendingState};
