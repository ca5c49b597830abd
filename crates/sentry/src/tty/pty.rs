//! Pseudoterminals (pty(7)): two sides with a line discipline between them.

mod ioctl;
mod master;
mod outside;
mod persist;
mod slave;

use std::sync::{Arc, OnceLock, Weak};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

pub use self::persist::{PtyMasterState, PtySlaveState, PtyState};

use self::master::Master;
use self::slave::Slave;
use super::discipline::{Discipline, Effects};
use super::persist::TerminalState;
use super::termios::Winsize;
use super::{Terminal, Tty};
use crate::io::Source;
use crate::persist::{Saver, Unsavable};
use crate::task::{Kernel, Task, current};
use crate::vfs::FileOps;
use crate::wait::{Observer, Readiness, WaitQueue};

/// Both sides.
pub struct Pty {
    tty: Arc<Tty>,
    kernel: Weak<Kernel>,
    state: Mutex<State>,
    master_queue: Arc<WaitQueue>,
    slave_queue: Arc<WaitQueue>,
    /// Told when the window outside may have another size, if there is one.
    window: OnceLock<Arc<dyn Observer>>,
}

/// Who has the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    /// An open file.
    File,
    /// The sentry, for who was given this number outside; negative if none can take its place.
    Outside(i32),
    /// Nobody any more.
    Closed,
}

struct State {
    line: Discipline,
    size: Winsize,
    /// The slave cannot be opened yet (unlockpt(3)).
    locked: bool,
    /// Only root can open the slave again (TIOCEXCL).
    exclusive: bool,
    /// Bits for the master's next read, in packet mode.
    packet: Option<u8>,
    master: Side,
    /// Open files of the slave; none before the first.
    slaves: Option<usize>,
}

impl State {
    fn master_is_open(&self) -> bool {
        self.master != Side::Closed
    }

    fn slave_opened(&mut self) {
        self.slaves = Some(self.slaves.unwrap_or(0) + 1);
    }

    /// Whether the slave was open and is not any more.
    fn slave_has_gone(&self) -> bool {
        self.slaves == Some(0)
    }

    /// Notes something that packet mode tells.
    fn tell(&mut self, bits: u8) {
        if let Some(status) = &mut self.packet {
            // What undoes each other does not come together.
            for pair in [c::TIOCPKT_STOP | c::TIOCPKT_START, c::TIOCPKT_NOSTOP | c::TIOCPKT_DOSTOP] {
                if bits & pair as u8 != 0 {
                    *status &= !(pair as u8);
                }
            }
            *status |= bits;
        }
    }
}

/// Makes one for the opener of `/dev/ptmx`, whose file is the master.
///
/// # Errors
/// ENOSPC if there are too many.
pub fn open_master(task: &Task) -> Result<Arc<dyn FileOps>, Errno> {
    Ok(Arc::new(Master(Pty::make(&task.kernel, task.creds().fsuid.0, Side::File)?)))
}

/// Moves bytes of a write into a line, as many at once as there surely is `room` for, and `most` in all; how many.
fn feed(
    line: &mut Discipline,
    src: &mut dyn Source,
    most: usize,
    room: fn(&Discipline) -> usize,
    mut put: impl FnMut(&mut Discipline, u8),
) -> Result<usize, Errno> {
    let mut bytes = [0; 1024];
    let mut done = 0;
    while src.remaining() > 0 {
        let len = room(line).min(most - done).min(bytes.len());
        match src.take(&mut bytes[..len]) {
            Ok(0) => break,
            Ok(n) => {
                bytes[..n].iter().for_each(|&byte| put(line, byte));
                done += n;
            }
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

impl Terminal for Pty {
    fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        let mut state = self.state.lock();
        if state.locked || !state.master_is_open() {
            return Err(Errno::EIO);
        }
        if state.exclusive && !current().is_some_and(|task| task.creds().has_cap(c::CAP_SYS_ADMIN)) {
            return Err(Errno::EBUSY);
        }
        state.slave_opened();
        drop(state);
        Ok(Arc::new(Slave::new(&self)))
    }

    fn window_changed(&self) {
        if let Some(observer) = self.window.get() {
            observer.notify(Readiness::PRI);
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<TerminalState, Unsavable> {
        Ok(TerminalState::Pty(PtyState::save(self, saver)))
    }
}

impl Pty {
    fn make(kernel: &Arc<Kernel>, uid: u32, master: Side) -> Result<Arc<Self>, Errno> {
        kernel.ttys.add(uid, |tty| Self {
            tty,
            kernel: Arc::downgrade(kernel),
            state: Mutex::new(State {
                line: Discipline::default(),
                size: Winsize::default(),
                locked: true,
                exclusive: false,
                packet: None,
                master,
                slaves: None,
            }),
            master_queue: Arc::new(WaitQueue::new()),
            slave_queue: Arc::new(WaitQueue::new()),
            window: OnceLock::new(),
        })
    }

    /// Sends what is due after input, and wakes whom it concerns.
    fn follow_up(&self, effects: &Effects) {
        if !effects.signals.is_empty()
            && let Some(kernel) = self.kernel.upgrade()
        {
            let tree = kernel.tree.lock();
            effects.signals.iter().for_each(|&signo| self.tty.signal_foreground(&tree, signo));
        }
        self.wake();
    }

    /// Something has changed for one side or the other.
    fn wake(&self) {
        self.master_queue.notify(Readiness::READABLE | Readiness::WRITABLE | Readiness::PRI);
        self.slave_queue.notify(Readiness::READABLE | Readiness::WRITABLE);
    }

    fn slave_closed(&self) {
        let mut state = self.state.lock();
        state.slaves = state.slaves.map(|n| n.saturating_sub(1));
        if state.slave_has_gone() {
            state.exclusive = false;
        }
        drop(state);
        self.master_queue.notify(Readiness::all());
    }

    fn master_closed(&self) {
        if std::mem::replace(&mut self.state.lock().master, Side::Closed) == Side::Closed {
            return;
        }
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.ttys.remove(self.tty.number);
            self.tty.hang_up(&mut kernel.tree.lock());
        }
        self.slave_queue.notify(Readiness::all());
    }
}
