//! The proc file system (proc(5)): what programs read of the kernel and of each other.
//!
//! Nothing is kept: an inode is made at each look-up, and says what is true when it is read. A guest sees the processes of
//! the PID namespace that the instance was mounted in, and nothing of the host.

mod fds;
mod inode;
mod locks;
mod maps;
mod mounts;
mod ns;
mod persist;
mod process;
mod root;
mod stat;
mod status;
mod sys;
mod system;
mod text;

pub use persist::{ProcFileState, ProcFsState, ProcInodeState};
pub use system::cpu_list;

use std::sync::Arc;

use stockade_abi::Errno;

use crate::task::{Kernel, PidNamespace, Task, Tree};
use crate::vfs::{Dentry, SuperBlock};
use inode::{Node, ProcInode};

/// One instance.
pub struct ProcFs {
    kernel: Arc<Kernel>,
    pidns: Arc<PidNamespace>,
    dev: u64,
}

/// Mounts an instance that shows the processes of a PID namespace.
#[must_use]
pub fn mount(kernel: &Arc<Kernel>, pidns: &Arc<PidNamespace>) -> Arc<Dentry> {
    let sb = SuperBlock::new("proc", "proc", false, false);
    let fs = Arc::new(ProcFs { kernel: Arc::clone(kernel), pidns: Arc::clone(pidns), dev: sb.dev });
    Dentry::root(sb, root_inode(&fs))
}

fn root_inode(fs: &Arc<ProcFs>) -> Arc<ProcInode> {
    ProcInode::new(fs, 1, 0o555, Node::Dir(Box::new(root::Root)))
}

/// A process or thread that a directory is about. What is left of it is looked up at each use.
#[derive(Clone)]
pub(crate) struct Subject {
    fs: Arc<ProcFs>,
    /// Number in the root PID namespace: a thread's, or its process's.
    id: i32,
    /// Whether the directory is a thread's.
    is_thread: bool,
}

impl Subject {
    /// With the tree, and the thread that stands for the whole; no thread for a zombie.
    ///
    /// # Errors
    /// ESRCH if it is gone.
    fn with<T>(&self, look: impl FnOnce(&Tree, i32, Option<&Arc<Task>>) -> T) -> Result<T, Errno> {
        let tree = self.fs.kernel.tree.lock();
        if self.is_thread {
            let task = tree.task(self.id)?;
            return Ok(look(&tree, task.tg.tgid, Some(task)));
        }
        let group = tree.group(self.id)?;
        let leader = group.threads.iter().find(|t| t.is_leader()).or(group.threads.first());
        Ok(look(&tree, self.id, leader))
    }

    /// The thread.
    ///
    /// # Errors
    /// ESRCH if it is gone, or a zombie.
    fn task(&self) -> Result<Arc<Task>, Errno> {
        self.with(|_, _, task| task.cloned())?.ok_or(Errno::ESRCH)
    }

    /// Its number as this instance shows it.
    fn shown(&self, root: i32) -> i32 {
        self.fs.pidns.local(root)
    }

    /// Whether the caller may look into it (ptrace(2), "Ptrace access mode checking").
    ///
    /// # Errors
    /// EACCES; ESRCH if it is gone.
    fn check_access(&self) -> Result<(), Errno> {
        let target = self.task()?;
        let Some(caller) = crate::task::current() else { return Ok(()) };
        if caller.may_look_into(&target) { Ok(()) } else { Err(Errno::EACCES) }
    }
}
