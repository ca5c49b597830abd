//! Terminals (tty(4), pts(4)): who they control, and their numbers.
//!
//! What a terminal does with bytes is its own: those that standard streams brought along have a line discipline on the
//! host ([`crate::fs::stdio`]), pseudoterminals the one here ([`discipline`]). What all have in common is here: sessions, foreground process groups, and the signals
//! of job control ([`control`]).

pub mod control;
pub mod discipline;
pub mod persist;
pub mod pty;
pub mod termios;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::time::Timespec;
use stockade_platform::sync::Mutex;

use self::persist::TerminalState;
use crate::persist::{Saver, Unsavable};
use crate::time::clock::now_coarse;
use crate::vfs::attrs::{TimeSet, make_dev};
use crate::vfs::{FileOps, SetAttrs};

/// Major number of the slaves of pseudoterminals.
pub const PTS_MAJOR: u32 = 136;
/// Terminals at once (`/proc/sys/kernel/pty/max`).
pub const MAX: u32 = 4096;

/// Whose it is, as numbered in the root namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The session it controls, 0 for none.
    pub session: i32,
    /// The foreground process group, 0 for none.
    pub foreground: i32,
}

/// The file in `/dev/pts`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in stat(2)")]
pub struct Node {
    /// Permissions.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub atime: Timespec,
    pub mtime: Timespec,
    pub ctime: Timespec,
}

/// What all terminals have.
#[derive(Debug)]
pub struct Tty {
    /// The name in `/dev/pts`.
    pub number: u32,
    node: Mutex<Node>,
    /// Taken after the tree of processes.
    control: Mutex<Control>,
}

impl Tty {
    /// Owned by whoever opened it, and by the group that may write to terminals (`mode=620,gid=5` of devpts).
    fn new(number: u32, uid: u32) -> Arc<Self> {
        const GROUP: u32 = 5;
        let now = now_coarse();
        let node = Node { mode: 0o620, uid, gid: GROUP, atime: now, mtime: now, ctime: now };
        Arc::new(Self { number, node: Mutex::new(node), control: Mutex::default() })
    }

    /// Its absolute name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("/dev/pts/{}", self.number)
    }

    /// Its file.
    #[must_use]
    pub fn node(&self) -> Node {
        *self.node.lock()
    }

    /// Changes its file.
    pub fn set_node(&self, set: &SetAttrs) {
        let now = now_coarse();
        let at = |t: TimeSet| match t {
            TimeSet::Now => now,
            TimeSet::At(t) => t,
        };
        let mut node = self.node.lock();
        *node = Node {
            mode: set.mode.unwrap_or(node.mode),
            uid: set.uid.unwrap_or(node.uid),
            gid: set.gid.unwrap_or(node.gid),
            atime: set.atime.map_or(node.atime, at),
            mtime: set.mtime.map_or(node.mtime, at),
            ctime: now,
        };
    }

    /// `st_rdev`
    #[must_use]
    pub fn rdev(&self) -> u64 {
        make_dev(PTS_MAJOR, self.number)
    }

    /// Whose it is.
    #[must_use]
    pub fn control(&self) -> Control {
        *self.control.lock()
    }
}

/// A terminal that can be opened by name.
pub trait Terminal: Any + Send + Sync {
    /// What it has in common with others.
    fn tty(&self) -> &Arc<Tty>;

    /// Opens it, for open(2)'s flags.
    ///
    /// # Errors
    /// EIO while it is locked or once it was hung up, EACCES, EBUSY.
    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno>;

    /// Somebody outside says that its window has another size.
    fn window_changed(&self) {}

    /// Its saved form, one of the variants of [`TerminalState`].
    ///
    /// # Errors
    /// What of it cannot be saved.
    fn save(&self, saver: &mut Saver) -> Result<TerminalState, Unsavable>;
}

impl dyn Terminal {
    /// The implementation, if it is a `T`.
    #[must_use]
    pub fn downcast<T: Terminal>(self: Arc<Self>) -> Option<Arc<T>> {
        (self as Arc<dyn Any + Send + Sync>).downcast().ok()
    }
}

/// A terminal that was hung up for good: what there is of it is its number.
pub(crate) struct Gone(pub(crate) Arc<Tty>);

impl Terminal for Gone {
    fn tty(&self) -> &Arc<Tty> {
        &self.0
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Err(Errno::EIO)
    }

    fn save(&self, saver: &mut Saver) -> Result<TerminalState, Unsavable> {
        Ok(TerminalState::Gone(saver.id(&self.0)))
    }
}

/// The terminals of a sandbox, by their numbers. They live as long as somebody has them open, or was started on them.
#[derive(Default)]
pub struct Ttys(Mutex<BTreeMap<u32, Weak<dyn Terminal>>>);

impl Ttys {
    /// Adds the terminal that `make` makes of the lowest free number.
    ///
    /// # Errors
    /// ENOSPC if there are too many.
    pub fn add<T: Terminal + 'static>(
        &self,
        uid: u32,
        make: impl FnOnce(Arc<Tty>) -> T,
    ) -> Result<Arc<T>, Errno> {
        let mut table = self.0.lock();
        table.retain(|_, terminal| terminal.strong_count() > 0);
        let number = (0..MAX).find(|n| !table.contains_key(n)).ok_or(Errno::ENOSPC)?;
        let terminal = Arc::new(make(Tty::new(number, uid)));
        let weak: Weak<dyn Terminal> = Arc::<T>::downgrade(&terminal);
        table.insert(number, weak);
        Ok(terminal)
    }

    /// Its number is free for another.
    pub fn remove(&self, number: u32) {
        self.0.lock().remove(&number);
    }

    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<dyn Terminal>> {
        self.0.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// The terminal with a number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<Arc<dyn Terminal>> {
        self.0.lock().get(&number).and_then(Weak::upgrade)
    }
}
