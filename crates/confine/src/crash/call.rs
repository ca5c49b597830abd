//! The system call that a thread of the sentry is serving.

use std::cell::Cell;

thread_local! {
    /// Constant and without a destructor, so that a signal handler may read it at any time.
    static CALL: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Says which call the calling thread is about to serve, or that it serves none. Costs a store or two.
#[inline]
pub fn set_call(name: Option<&'static str>) {
    CALL.set(name);
}

/// What the calling thread serves.
pub(super) fn current() -> &'static str {
    CALL.get().unwrap_or("no call")
}
