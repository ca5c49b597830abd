//! Whose call a sentry thread serves, for what depends on who looks (`/proc/self`).

use std::cell::RefCell;
use std::sync::Arc;

use super::Task;
use crate::diagnosis;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Task>>> = const { RefCell::new(None) };
}

/// The task that this thread serves; none on threads of the sentry's own.
#[must_use]
pub fn current() -> Option<Arc<Task>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// This thread serves a task from now on, or none any more.
pub(super) fn set_current(task: Option<Arc<Task>>) {
    diagnosis::serve(task.as_deref());
    CURRENT.with(|current| *current.borrow_mut() = task);
}
