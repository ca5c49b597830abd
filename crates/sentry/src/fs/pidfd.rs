//! Descriptors of processes (pidfd_open(2)).

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

pub use self::persist::PidFdState;

use crate::persist::{Saver, Unsavable};
use crate::task::{Task, ThreadGroup};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Fd, FileOps, anon};
use crate::wait::{Readiness, WaitQueue};

/// What a pidfd is.
pub struct PidFd {
    /// The process.
    pub tg: Arc<ThreadGroup>,
    kernel: Arc<crate::task::Kernel>,
}

impl FileOps for PidFd {
    fn poll(&self) -> Readiness {
        let tree = self.kernel.tree.lock();
        match tree.group(self.tg.tgid) {
            Ok(group) if Arc::ptr_eq(&group.tg, &self.tg) && group.zombie.is_none() => Readiness::empty(),
            Ok(group) if Arc::ptr_eq(&group.tg, &self.tg) => Readiness::READABLE,
            _ => Readiness::READABLE | Readiness::HUP,
        }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.tg.exit_events)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PidFd(PidFdState { tg: saver.id(&self.tg) }))
    }
}

/// Gives a task a descriptor of a process; always closed on exec. `flags` may hold O_NONBLOCK.
///
/// # Errors
/// EMFILE
pub fn install(task: &Task, tg: &Arc<ThreadGroup>, flags: u32) -> Result<Fd, Errno> {
    let ops = Arc::new(PidFd { tg: Arc::clone(tg), kernel: Arc::clone(&task.kernel) });
    let file = anon::file("[pidfd]", ops, c::O_RDWR | flags);
    task.files().add(file, true, task.fd_limit())
}
