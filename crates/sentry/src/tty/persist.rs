//! The saved forms of [`Tty`] and of all kinds of [`Terminal`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_platform::sync::Mutex;

use super::{Control, Gone, MAX, Node, Terminal, Tty, Ttys};
use crate::fs::stdio::HostTerminalState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::task::pidns::PID_MAX;

pub use super::pty::{PtyMasterState, PtySlaveState, PtyState};

/// A [`Tty`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TtyState {
    number: u32,
    node: Node,
    control: Control,
}

impl Component for TtyState {
    type Object = Arc<Tty>;

    fn save(tty: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { number: tty.number, node: tty.node(), control: tty.control() })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let Control { session, foreground } = self.control;
        let is_number = |n| (0..PID_MAX).contains(&n);
        if self.number >= MAX || !is_number(session) || !is_number(foreground) {
            return Err(RestoreError::new("its number, its session or its foreground cannot be"));
        }
        if self.node.mode & !0o7777 != 0 || session == 0 && foreground != 0 {
            return Err(RestoreError::new(
                "it has a mode that no file has, or a foreground without a session",
            ));
        }
        let (node, control) = (Mutex::new(self.node), Mutex::new(self.control));
        Ok(Arc::new(Tty { number: self.number, node, control }))
    }
}

/// A terminal, by its kind ([`Terminal::save`]).
#[derive(Debug, Serialize, Deserialize)]
pub enum TerminalState {
    /// A pseudoterminal.
    Pty(PtyState),
    /// A terminal of the host.
    Host(HostTerminalState),
    /// One that is hung up for good.
    Gone(Id<TtyState>),
}

impl Component for TerminalState {
    type Object = Arc<dyn Terminal>;

    fn save(terminal: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        terminal.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Pty(state) => state.restore(restorer),
            Self::Host(state) => state.restore(restorer),
            Self::Gone(tty) => Ok(Arc::new(Gone(restorer.get(tty)?))),
        }
    }
}

impl Ttys {
    /// Whether a terminal is found by its number.
    pub(crate) fn has<T: Terminal>(&self, terminal: &T) -> bool {
        let found = self.get(terminal.tty().number);
        found.is_some_and(|found| std::ptr::addr_eq(Arc::as_ptr(&found), terminal))
    }

    /// Adds a restored one under the number that it has.
    pub(crate) fn put(&self, terminal: &Arc<dyn Terminal>) -> Result<(), RestoreError> {
        let before = self.0.lock().insert(terminal.tty().number, Arc::downgrade(terminal));
        match before {
            None => Ok(()),
            Some(_) => Err(RestoreError::new("two terminals have one number")),
        }
    }
}
