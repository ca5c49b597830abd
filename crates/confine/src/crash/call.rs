//! The system call that a thread of the sentry is serving.

use std::cell::Cell;

thread_local! {
    /// Constant, without a destructor and one word, so that a signal handler may read it at any time.
    static CALL: Cell<Option<&'static &'static str>> = const { Cell::new(None) };
}

/// Says which call the calling thread is about to serve, or that it serves none. Costs a store or two.
#[inline]
pub fn set_call(name: Option<&'static &'static str>) {
    CALL.set(name);
}

/// What the calling thread serves.
pub(crate) fn current_call() -> Option<&'static &'static str> {
    CALL.get()
}

/// The same in words.
pub(super) fn current() -> &'static str {
    CALL.get().copied().unwrap_or("no call")
}
