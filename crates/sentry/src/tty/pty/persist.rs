//! The saved forms of [`Pty`] and of its two sides.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use stockade_platform::sync::Mutex;

use super::master::Master;
use super::slave::Slave;
use super::{Pty, Side, State};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::tty::Terminal;
use crate::tty::discipline::DisciplineState;
use crate::tty::persist::{TerminalState, TtyState};
use crate::tty::termios::Winsize;
use crate::vfs::FileOps;
use crate::wait::WaitQueue;

/// A [`Pty`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PtyState {
    tty: Id<TtyState>,
    line: DisciplineState,
    size: Winsize,
    locked: bool,
    exclusive: bool,
    packet: Option<u8>,
    master: Side,
    /// The slave has been open; how often it is now, files say.
    was_open: bool,
    /// It is found by its number.
    listed: bool,
}

impl PtyState {
    pub(super) fn save(pty: &Pty, saver: &mut Saver) -> Self {
        let listed = saver.kernel().ttys.has(pty);
        let state = pty.state.lock();
        Self {
            tty: saver.id(&pty.tty),
            line: DisciplineState::save(&state.line),
            size: state.size,
            locked: state.locked,
            exclusive: state.exclusive,
            packet: state.packet,
            master: state.master,
            was_open: state.slaves.is_some(),
            listed,
        }
    }

    pub(in crate::tty) fn restore(
        self,
        restorer: &mut Restorer<'_>,
    ) -> Result<Arc<dyn Terminal>, RestoreError> {
        let pty = Arc::new(Pty {
            tty: restorer.get(self.tty)?,
            kernel: Arc::downgrade(restorer.kernel()),
            state: Mutex::new(State {
                line: self.line.restore()?,
                size: self.size,
                locked: self.locked,
                exclusive: self.exclusive,
                packet: self.packet,
                master: self.master,
                slaves: self.was_open.then_some(0),
            }),
            master_queue: Arc::new(WaitQueue::new()),
            slave_queue: Arc::new(WaitQueue::new()),
            window: OnceLock::new(),
        });
        let terminal: Arc<dyn Terminal> = pty.clone();
        if self.listed {
            restorer.kernel().ttys.put(&terminal)?;
        }
        if matches!(self.master, Side::Outside(_)) {
            restorer.last(move |_| {
                // Nobody has it there any more.
                if pty.window.get().is_none() {
                    pty.hang_up();
                }
                Ok(())
            });
        }
        Ok(terminal)
    }
}

/// A side that is open.
fn id(pty: &Arc<Pty>, saver: &mut Saver) -> Id<TerminalState> {
    let terminal: Arc<dyn Terminal> = pty.clone();
    saver.id(&terminal)
}

fn pty(id: Id<TerminalState>, restorer: &mut Restorer<'_>) -> Result<Arc<Pty>, RestoreError> {
    let pty = restorer.get(id)?.downcast();
    pty.ok_or_else(|| RestoreError::new("a side of what is no pseudoterminal"))
}

/// The master, open.
#[derive(Debug, Serialize, Deserialize)]
pub struct PtyMasterState {
    pty: Id<TerminalState>,
}

impl PtyMasterState {
    pub(super) fn save(pty: &Arc<Pty>, saver: &mut Saver) -> Self {
        Self { pty: id(pty, saver) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        Ok(Arc::new(Master(pty(self.pty, restorer)?)))
    }
}

/// The slave, open.
#[derive(Debug, Serialize, Deserialize)]
pub struct PtySlaveState {
    pty: Id<TerminalState>,
    waits: bool,
}

impl PtySlaveState {
    pub(super) fn save(slave: &Slave, saver: &mut Saver) -> Self {
        Self { pty: id(&slave.pty, saver), waits: slave.waits.load(Ordering::Relaxed) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let pty = pty(self.pty, restorer)?;
        pty.state.lock().slave_opened();
        Ok(Arc::new(Slave { pty, waits: AtomicBool::new(self.waits) }))
    }
}
