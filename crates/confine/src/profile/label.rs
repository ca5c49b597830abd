//! For whom a thread of the sentry works.

use std::cell::Cell;

/// A guest thread, by numbers of the root PID namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// Its process; 0 for none.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// Its name (`comm`), filled up with zero bytes.
    pub command: [u8; 16],
}

thread_local! {
    /// Constant and without a destructor, so that a signal handler may read it at any time. One that interrupts a change
    /// may see half of it.
    static LABEL: Cell<Label> = const { Cell::new(Label { pid: 0, tid: 0, command: [0; 16] }) };
}

/// Says for whom the calling thread works from now on.
pub fn set_label(label: Label) {
    LABEL.set(label);
}

/// For whom the calling thread works.
pub(super) fn current() -> Label {
    LABEL.get()
}
