//! New tasks (clone(2), clone3(2), fork(2), vfork(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGCHLD, SIGRTMAX, SS_DISABLE, StackT};

use super::group::ThreadGroup;
use super::run;
use super::thread::{Task, TaskParts, VforkDone};
use super::tree::Group;
use super::work;
use crate::fs::pidfd::{self, PidFd};
use crate::mm::UserMemory;
use crate::signal::Actions;
use crate::syscalls::Ctx;

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What to make; clone3(2)'s arguments.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "named as in clone3(2)")]
pub struct CloneArgs {
    pub flags: u64,
    pub pidfd: u64,
    pub child_tid: u64,
    pub parent_tid: u64,
    pub exit_signal: i32,
    /// Initial stack pointer, 0 for the parent's.
    pub stack: u64,
    pub tls: u64,
    pub set_tid: Vec<i32>,
}

impl CloneArgs {
    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }

    /// The rules on combinations (clone(2), ERRORS).
    fn check(&self, task: &Task) -> Result<(), Errno> {
        let both = |a: u32, b: u32| self.has(a) && self.has(b);
        let without = |a: u32, b: u32| self.has(a) && !self.has(b);
        let bad = both(c::CLONE_FS, c::CLONE_NEWNS)
            || both(c::CLONE_FS, c::CLONE_NEWUSER)
            || without(c::CLONE_THREAD, c::CLONE_SIGHAND)
            || without(c::CLONE_SIGHAND, c::CLONE_VM)
            || (self.has(c::CLONE_THREAD) && self.has(c::CLONE_NEWUSER | c::CLONE_NEWPID))
            || (self.has(c::CLONE_SYSVSEM) && self.has(c::CLONE_NEWIPC))
            || (self.flags & CLONE_CLEAR_SIGHAND != 0 && self.has(c::CLONE_SIGHAND))
            || (self.has(c::CLONE_THREAD) && !Arc::ptr_eq(&task.ns.read().pid_for_children, &task.tg.pidns))
            || !(0..=SIGRTMAX).contains(&self.exit_signal);
        if bad {
            return Err(Errno::EINVAL);
        }
        if self.flags & CLONE_INTO_CGROUP != 0 {
            // As a kernel built without cgroups.
            return Err(Errno::EINVAL);
        }
        if self.has(c::CLONE_PARENT) && (task.kernel.init_tgid() == task.tg.tgid || task.tg.is_unkillable()) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// Makes a task as `args` say; returns its number as the caller sees it. The caller's registers must be known.
///
/// # Errors
/// As clone(2).
pub fn clone(ctx: &mut Ctx, args: &CloneArgs) -> Result<u64, Errno> {
    let task = Arc::clone(&ctx.task);
    args.check(&task)?;
    let kernel = Arc::clone(&task.kernel);
    if task.has_too_many_processes(1) && !task.may_exceed_nproc() {
        return Err(Errno::EAGAIN);
    }
    task.exceeded_nproc.store(false, Ordering::Relaxed);
    // What the child goes on from, taken before anything is made.
    let mut start = ctx.thread().context().clone();
    start.fp = Some(ctx.thread().fp_state()?);
    start.regs.rax = 0;
    if args.stack != 0 {
        start.regs.rsp = args.stack;
    }
    if args.has(c::CLONE_SETTLS) {
        if args.tls >= ctx.mm.layout().usable.end {
            return Err(Errno::EPERM);
        }
        start.fs_base = args.tls;
    }
    kernel.count_task()?;
    match build(ctx, &task, args).inspect_err(|error| tracing::debug!(%error, "no new task")) {
        Ok((child, vfork)) => {
            let tid = child.tid();
            let local = task.tg.pidns.local(tid);
            let child_tid = if args.has(c::CLONE_CHILD_SETTID) { args.child_tid } else { 0 };
            if let Err(e) =
                publish(ctx, &task, &child, args, local).and_then(|()| run::spawn(&child, start, child_tid))
            {
                abandon(&child);
                return Err(e);
            }
            drop(child);
            if let Some(done) = vfork {
                task.wait_for_vfork(done);
            }
            Ok(local as u64)
        }
        Err(e) => {
            kernel.uncount_task();
            Err(e)
        }
    }
}

fn build(
    ctx: &Ctx,
    task: &Arc<Task>,
    args: &CloneArgs,
) -> Result<(Arc<Task>, Option<Arc<VforkDone>>), Errno> {
    let kernel = &task.kernel;
    let thread = args.has(c::CLONE_THREAD);
    let fs = if args.has(c::CLONE_FS) { task.fs() } else { task.fs().copy() };
    let ns = task.ns.read().with_new(args.flags, task, &fs)?;
    let pidns = Arc::clone(&ns.pid_for_children);
    let mm = if args.has(c::CLONE_VM) { Arc::clone(&ctx.mm) } else { Arc::new(ctx.mm.fork()?) };
    let files = if args.has(c::CLONE_FILES) { Arc::clone(&ctx.files) } else { Arc::new(ctx.files.copy()) };
    if !args.set_tid.is_empty() && !task.creds().has_cap(c::CAP_SYS_ADMIN) && !task.creds().has_cap(40) {
        return Err(Errno::EPERM);
    }
    let tid = loop {
        let tid = pidns.allocate(&args.set_tid)?;
        // A number that still names a group or session must not be given out again.
        if thread || !kernel.tree.lock().is_in_use(tid) {
            break tid;
        }
        pidns.release(tid);
        if !args.set_tid.is_empty() {
            return Err(Errno::EEXIST);
        }
    };
    let tg = if thread {
        Arc::clone(&task.tg)
    } else {
        let actions = if args.has(c::CLONE_SIGHAND) {
            task.tg.actions()
        } else {
            let copy = Actions::copy(&task.tg.actions());
            if args.flags & CLONE_CLEAR_SIGHAND != 0 {
                copy.clear_handlers();
            }
            Arc::new(copy)
        };
        let limits = task.tg.limits.read().clone();
        let tg = ThreadGroup::new(kernel, tid, Arc::clone(&pidns), actions, limits);
        if pidns.is_init(tid) {
            tg.make_unkillable();
        }
        tg.dumpable.store(task.tg.dumpable.load(Ordering::Relaxed), Ordering::Relaxed);
        tg.thp_disabled.store(task.tg.thp_disabled.load(Ordering::Relaxed), Ordering::Relaxed);
        tg.mce_kill.store(task.tg.mce_kill.load(Ordering::Relaxed), Ordering::Relaxed);
        tg.oom_score_adj.store(task.tg.oom_score_adj.load(Ordering::Relaxed), Ordering::Relaxed);
        tg
    };
    let mask = task.signals.lock().mask;
    let child = Task::new(
        Arc::clone(kernel),
        TaskParts { tid, tg, creds: task.creds(), mm, fs, files, ns, name: task.name.read().clone(), mask },
    );
    if !args.has(c::CLONE_VM) || args.has(c::CLONE_VFORK) {
        child.signals.lock().altstack = task.signals.lock().altstack;
    } else {
        child.signals.lock().altstack = StackT { flags: SS_DISABLE, ..StackT::default() };
    }
    if args.has(c::CLONE_CHILD_CLEARTID) {
        child.clear_child_tid.store(args.child_tid, Ordering::Relaxed);
    }
    child.inherit_scheduling(task);
    child.personality.store(task.personality.load(Ordering::Relaxed), Ordering::Relaxed);
    if args.has(c::CLONE_VM) && !thread {
        ctx.mm.share();
    }
    let vfork = args.has(c::CLONE_VFORK).then(Arc::<VforkDone>::default);
    child.vfork_done.lock().clone_from(&vfork);
    Ok((child, vfork))
}

/// Puts the child into the tree and tells both sides its number.
fn publish(
    ctx: &Ctx,
    task: &Arc<Task>,
    child: &Arc<Task>,
    args: &CloneArgs,
    local: i32,
) -> Result<(), Errno> {
    let tid = child.tid();
    {
        let mut tree = task.kernel.tree.lock();
        // Nobody would end it any more.
        if task.work() & work::EXIT != 0 {
            return Err(Errno::ERESTARTNOINTR);
        }
        if child.tg.pidns.is_closed() {
            return Err(Errno::ENOMEM);
        }
        if args.has(c::CLONE_THREAD) {
            let group = tree.group_mut(task.tg.tgid)?;
            group.threads.push(Arc::clone(child));
            child.join_group_stop();
        } else {
            let parent = tree.group(task.tg.tgid)?;
            let (pgid, sid, tty) = (parent.pgid, parent.sid, parent.tty.clone());
            let (parent, parent_tid, exit_signal) = if args.has(c::CLONE_PARENT) {
                (parent.parent, parent.parent_tid, parent.exit_signal)
            } else {
                (task.tg.tgid, task.tid(), args.exit_signal)
            };
            tree.groups.insert(
                tid,
                Group {
                    tg: Arc::clone(&child.tg),
                    threads: vec![Arc::clone(child)],
                    parent,
                    parent_tid,
                    children: Default::default(),
                    pgid,
                    sid,
                    tty,
                    exit_signal,
                    zombie: None,
                    stop_report: None,
                    continue_report: false,
                    auto_reap: false,
                },
            );
            if let Ok(parent) = tree.group_mut(parent) {
                parent.children.insert(tid);
            }
        }
        tree.tasks.insert(tid, Arc::clone(child));
        task.kernel.hold_if_paused(child);
    }
    if !args.has(c::CLONE_THREAD) {
        child.tg.cpu_limit.update();
    } else if child.tg.cpu_watch.is_active() {
        child.mark(work::CPU_WATCH);
    }
    if args.has(c::CLONE_PARENT_SETTID) {
        ctx.mm.copy_out(args.parent_tid, &local)?;
    }
    if args.flags & u64::from(c::CLONE_PIDFD) != 0 {
        let pidfd = if args.has(c::CLONE_THREAD) {
            PidFd::of_thread(child)
        } else {
            PidFd::of_process(&task.kernel, &child.tg)
        };
        let fd = pidfd::install(task, pidfd, 0)?;
        ctx.mm.copy_out(args.pidfd, &fd)?;
    }
    Ok(())
}

/// Takes back a child that could not be started.
fn abandon(child: &Arc<Task>) {
    let mut tree = child.kernel.tree.lock();
    tree.tasks.remove(&child.tid());
    let tgid = child.tg.tgid;
    if child.is_leader() {
        tree.reap(tgid);
    } else if let Ok(group) = tree.group_mut(tgid) {
        group.threads.retain(|t| !Arc::ptr_eq(t, child));
        child.tg.pidns.release(child.tid());
    }
    drop(tree);
    if let Some(mm) = child.set_mm(None)
        && child.is_leader()
    {
        mm.release();
    }
    child.kernel.uncount_task();
}

/// fork(2)
///
/// # Errors
/// As fork(2).
pub fn fork(ctx: &mut Ctx) -> Result<u64, Errno> {
    clone(ctx, &CloneArgs { exit_signal: SIGCHLD, ..CloneArgs::default() })
}

/// vfork(2)
///
/// # Errors
/// As vfork(2).
pub fn vfork(ctx: &mut Ctx) -> Result<u64, Errno> {
    let flags = u64::from(c::CLONE_VM | c::CLONE_VFORK);
    clone(ctx, &CloneArgs { flags, exit_signal: SIGCHLD, ..CloneArgs::default() })
}
