//! Starting processes from outside: the first of a sandbox, and those that its owner executes in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SigSet};

use super::exec::ExecRequest;
use super::group::ThreadGroup;
use super::kernel::Kernel;
use super::limits::Limits;
use super::pidns::PidNamespace;
use super::run;
use super::thread::{NsProxy, Task, TaskParts};
use super::tree::Group;
use crate::creds::Credentials;
use crate::signal::Actions;
use crate::tty::Terminal;
use crate::vfs::{FdTable, File, FsContext, MountNamespace};

/// A process to start. It has no parent: it leads a session and a process group of its own.
pub struct NewProcess {
    /// Who it is.
    pub creds: Credentials,
    /// Whether it has exactly the capabilities of `creds`, where execve(2) would give it others by its user id.
    pub keeps_caps: bool,
    /// Its mounts.
    pub mounts: Arc<MountNamespace>,
    /// Where it gets its number.
    pub pidns: Arc<PidNamespace>,
    /// Root, working directory, umask.
    pub fs: Arc<FsContext>,
    /// Descriptors.
    pub files: FdTable,
    /// Its controlling terminal.
    pub terminal: Option<Arc<dyn Terminal>>,
    /// Limits.
    pub limits: Limits,
    /// Path of the program.
    pub path: Vec<u8>,
    /// The program itself, if it is given as an open file.
    pub file: Option<Arc<File>>,
    /// Arguments.
    pub argv: Vec<Vec<u8>>,
    /// Environment.
    pub envp: Vec<Vec<u8>>,
    /// Nice value.
    pub nice: i32,
    /// Blocked signals: bit n-1 for signal n.
    pub blocked: u64,
    /// Ignored signals, as nohup(1) arranges.
    pub ignored: u64,
}

impl Kernel {
    /// Starts the first process, whose end is the sandbox's.
    ///
    /// # Errors
    /// As [`create_process`](Self::create_process).
    pub fn start(self: &Arc<Self>, process: NewProcess) -> Result<Arc<ThreadGroup>, Errno> {
        self.create(process, true)
    }

    /// A sandbox without a first process: its number stays unused, and the sentry alone ends the sandbox.
    ///
    /// # Errors
    /// EAGAIN if there was a process already.
    pub fn start_empty(&self) -> Result<(), Errno> {
        match self.root_pidns.allocate(&[])? {
            1 => Ok(()),
            other => {
                self.root_pidns.release(other);
                Err(Errno::EAGAIN)
            }
        }
    }

    /// In a sandbox without a first process: whether a signal that would have been its, ends the sandbox.
    #[must_use]
    pub fn end_empty(&self, signo: i32) -> bool {
        let ends = [SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM].contains(&signo);
        if self.init_tgid() == 0 && ends {
            self.shut_down(signo);
            return true;
        }
        false
    }

    /// Starts another process.
    ///
    /// # Errors
    /// Why the program cannot be executed (execve(2)); EAGAIN beyond the limit of tasks; ENOMEM if the PID namespace has
    /// ended.
    pub fn create_process(self: &Arc<Self>, process: NewProcess) -> Result<Arc<ThreadGroup>, Errno> {
        self.create(process, false)
    }

    fn create(self: &Arc<Self>, process: NewProcess, is_first: bool) -> Result<Arc<ThreadGroup>, Errno> {
        self.count_task()?;
        let created = self.create_counted(process, is_first);
        if created.is_err() {
            self.uncount_task();
        }
        created
    }

    fn create_counted(
        self: &Arc<Self>,
        process: NewProcess,
        is_first: bool,
    ) -> Result<Arc<ThreadGroup>, Errno> {
        let creds = Arc::new(process.creds);
        let image = super::exec::load(
            self,
            &ExecRequest {
                creds: &creds,
                fs: &process.fs,
                path: &process.path,
                argv: process.argv,
                envp: process.envp,
                stack_limit: process.limits.soft(c::RLIMIT_STACK),
                file: process.file,
                closes_file: false,
                no_follow: false,
                personality: 0,
                exec_gain: 0,
                shares_fs: false,
                keeps_caps: process.keeps_caps,
            },
        )?;
        let pidns = process.pidns;
        let tid = pidns.allocate(&[])?;
        let actions = Arc::new(Actions::ignoring(SigSet(process.ignored)));
        let tg = ThreadGroup::new(self, tid, Arc::clone(&pidns), actions, process.limits);
        let parts = TaskParts {
            tid,
            tg: Arc::clone(&tg),
            creds: Arc::clone(&image.creds),
            mm: Arc::clone(&image.mm),
            fs: process.fs,
            files: Arc::new(process.files),
            ns: NsProxy {
                mount: process.mounts,
                uts: Arc::clone(&self.root_uts),
                pid_for_children: Arc::clone(&pidns),
            },
            name: image.name.clone(),
            mask: SigSet(process.blocked).minus(SigSet::UNBLOCKABLE),
        };
        let task = Task::new(Arc::clone(self), parts);
        task.nice.store(process.nice, Ordering::Relaxed);
        let mut tree = self.tree.lock();
        if is_first {
            self.init.store(tid, Ordering::Relaxed);
        }
        tree.groups.insert(tid, parentless(&task));
        tree.tasks.insert(tid, Arc::clone(&task));
        self.hold_if_paused(&task);
        drop(tree);
        tg.cpu_limit.update();
        if let Some(terminal) = process.terminal {
            terminal.tty().opened_by(&task, c::O_RDWR);
            let _ = tg.terminal.set(terminal);
        }
        if let Err(e) = run::spawn(&task, image.start, 0) {
            let mut tree = self.tree.lock();
            tree.groups.remove(&tid);
            tree.tasks.remove(&tid);
            pidns.release(tid);
            return Err(e);
        }
        Ok(tg)
    }
}

/// The place of a process that nobody in the sandbox waits for.
fn parentless(task: &Arc<Task>) -> Group {
    let tid = task.tid();
    Group {
        tg: Arc::clone(&task.tg),
        threads: vec![Arc::clone(task)],
        parent: 0,
        parent_tid: 0,
        children: Default::default(),
        pgid: tid,
        sid: tid,
        tty: None,
        exit_signal: 0,
        zombie: None,
        stop_report: None,
        continue_report: false,
        auto_reap: true,
    }
}
