//! Descriptors of processes and threads (pidfd_open(2)).

mod persist;

use std::sync::{Arc, OnceLock, Weak};

use stockade_abi::Errno;
use stockade_abi::general as c;

pub use self::persist::PidFdState;

use crate::persist::{Saver, Unsavable};
use crate::task::{Group, Kernel, Task, ThreadGroup, Tree};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Fd, FileOps, anon};
use crate::wait::{Readiness, WaitQueue};

/// PIDFD_THREAD
pub const THREAD: u32 = c::O_EXCL;

/// What a pidfd is.
pub struct PidFd {
    /// The process, or that of the thread.
    pub tg: Arc<ThreadGroup>,
    whom: Whom,
    kernel: Arc<Kernel>,
}

/// What of a process is meant.
enum Whom {
    /// All of it.
    Process,
    /// Its first thread, or that which executes another program and takes its place (PIDFD_THREAD).
    Leader,
    /// Another thread, as long as it has this number in the root PID namespace. Set once; none for one that is no more.
    Thread(i32, OnceLock<Weak<Task>>),
}

impl PidFd {
    /// A process's.
    #[must_use]
    pub fn of_process(kernel: &Arc<Kernel>, tg: &Arc<ThreadGroup>) -> Self {
        Self { tg: Arc::clone(tg), whom: Whom::Process, kernel: Arc::clone(kernel) }
    }

    /// The one of a process's first thread.
    #[must_use]
    pub fn of_leader(kernel: &Arc<Kernel>, tg: &Arc<ThreadGroup>) -> Self {
        Self { whom: Whom::Leader, ..Self::of_process(kernel, tg) }
    }

    /// A thread's.
    #[must_use]
    pub fn of_thread(task: &Arc<Task>) -> Self {
        if task.is_leader() {
            return Self::of_leader(&task.kernel, &task.tg);
        }
        let whom = Whom::Thread(task.tid(), OnceLock::from(Arc::downgrade(task)));
        Self { whom, ..Self::of_process(&task.kernel, &task.tg) }
    }

    /// Whether a thread is meant.
    #[must_use]
    pub fn is_of_thread(&self) -> bool {
        !matches!(self.whom, Whom::Process)
    }

    /// The number of the process or thread in the root PID namespace.
    #[must_use]
    pub fn number(&self) -> i32 {
        match self.whom {
            Whom::Thread(tid, _) => tid,
            Whom::Process | Whom::Leader => self.tg.tgid,
        }
    }

    /// The process, as long as it is there, be it as a zombie.
    fn group<'a>(&self, tree: &'a Tree) -> Option<&'a Group> {
        tree.group(self.tg.tgid).ok().filter(|group| Arc::ptr_eq(&group.tg, &self.tg))
    }

    /// Whether that is still there, be it as a zombie.
    #[must_use]
    pub fn is_there(&self, tree: &Tree) -> bool {
        match self.whom {
            Whom::Thread(..) => self.task(tree).is_some(),
            Whom::Process | Whom::Leader => self.group(tree).is_some(),
        }
    }

    /// The thread, or one of the process.
    #[must_use]
    pub fn task(&self, tree: &Tree) -> Option<Arc<Task>> {
        match &self.whom {
            Whom::Thread(tid, task) => {
                let found = tree.task(*tid).ok()?;
                std::ptr::eq(task.get()?.as_ptr(), Arc::as_ptr(found)).then(|| Arc::clone(found))
            }
            Whom::Process | Whom::Leader => self.group(tree)?.threads.first().cloned(),
        }
    }
}

impl FileOps for PidFd {
    fn poll(&self) -> Readiness {
        let tree = self.kernel.tree.lock();
        if !self.is_there(&tree) {
            return Readiness::READABLE | Readiness::HUP;
        }
        let has_ended = self.group(&tree).is_some_and(|group| group.zombie.is_some());
        if has_ended { Readiness::READABLE } else { Readiness::empty() }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.tg.exit_events)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PidFd(PidFdState::save(self, saver)))
    }
}

/// Gives a task a descriptor of a process or thread; always closed on exec. `flags` may hold O_NONBLOCK.
///
/// # Errors
/// EMFILE
pub fn install(task: &Task, pidfd: PidFd, flags: u32) -> Result<Fd, Errno> {
    let is_of_thread = pidfd.is_of_thread();
    let file = anon::file("[pidfd]", Arc::new(pidfd), c::O_RDWR | flags);
    if is_of_thread {
        file.add_flags(THREAD);
    }
    task.files().add(file, true, task.fd_limit())
}
