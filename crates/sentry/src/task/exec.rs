//! Executing programs (execve(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::{ADDR_NO_RANDOMIZE, OVERFLOW_ID, PER_CLEAR_ON_SETID, READ_IMPLIES_EXEC};
use stockade_abi::signal::{SIGCHLD, StackT};
use stockade_platform::Context;

use super::kernel::Kernel;
use super::thread::Task;
use super::work;
use crate::creds::{Credentials, Executed, FileCaps};
use crate::loader;
use crate::mm::MemoryManager;
use crate::syscalls::{Ctx, Flow, SysResult};
use crate::vfs::{Access, File, FileType, FsContext, LookupFlags, MountFlags, ops};
use crate::wait::Readiness;

/// What to execute.
pub struct ExecRequest<'a> {
    /// Who asks.
    pub creds: &'a Arc<Credentials>,
    /// Where paths begin.
    pub fs: &'a FsContext,
    /// The path, as it was given.
    pub path: &'a [u8],
    /// Arguments.
    pub argv: Vec<Vec<u8>>,
    /// Environment.
    pub envp: Vec<Vec<u8>>,
    /// RLIMIT_STACK
    pub stack_limit: u64,
    /// The program, if it is given by a descriptor (execveat(2)).
    pub file: Option<Arc<File>>,
    /// Whether the descriptor that leads to it is closed on exec.
    pub closes_file: bool,
    /// AT_SYMLINK_NOFOLLOW
    pub no_follow: bool,
    /// personality(2)
    pub personality: u32,
    /// Memory of the program that must not become executable ([`MemoryManager::refuse_exec_gain`]).
    pub exec_gain: u32,
    /// Whether another process has the same root and working directory (CLONE_FS).
    pub shares_fs: bool,
    /// Whether it has the capabilities of `creds`, unless the file gives others: who starts a process from outside says
    /// what it has.
    pub keeps_caps: bool,
}

/// A program in memory, ready to run.
pub struct Image {
    /// Its memory.
    pub mm: Arc<MemoryManager>,
    /// Where it begins.
    pub start: Context,
    /// Who it is: set-id bits are accounted for.
    pub creds: Arc<Credentials>,
    /// Whether it has rights that the one who executes it has not (AT_SECURE).
    pub secure: bool,
    /// Whether the one who executes it may read it.
    pub readable: bool,
    /// personality(2)
    pub personality: u32,
    /// `comm`
    pub name: Vec<u8>,
}

/// Opens a file to execute it.
///
/// # Errors
/// EACCES, ENOENT, ELOOP …, as execve(2).
pub fn open_executable(
    creds: &Credentials,
    fs: &FsContext,
    path: &[u8],
    no_follow: bool,
) -> Result<Arc<File>, Errno> {
    let request = ops::Request { root: fs.root(), start: fs.cwd(), creds, umask: 0 };
    let flags = if no_follow { LookupFlags::empty() } else { LookupFlags::FOLLOW };
    let place = request.walk(flags).resolve(path)?;
    check_executable(&request, &place)?;
    let ops = Arc::clone(&place.dentry.inode).open(c::O_RDONLY)?;
    File::executable(place, ops)
}

fn check_executable(request: &ops::Request<'_>, place: &crate::vfs::Path) -> Result<(), Errno> {
    match place.dentry.inode.file_type() {
        FileType::Regular => {}
        FileType::Symlink => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    request.access(place, Access::EXEC)
}

/// Loads a program into fresh memory.
///
/// # Errors
/// As execve(2).
pub fn load(kernel: &Kernel, request: &ExecRequest<'_>) -> Result<Image, Errno> {
    let file = match &request.file {
        Some(file) => {
            let who = ops::Request {
                root: request.fs.root(),
                start: request.fs.cwd(),
                creds: request.creds,
                umask: 0,
            };
            check_executable(&who, &file.path)?;
            let ops = Arc::clone(&file.path.dentry.inode).open(c::O_RDONLY)?;
            File::executable(file.path.clone(), ops)?
        }
        None => open_executable(request.creds, request.fs, request.path, request.no_follow)?,
    };
    let open = |path: &[u8]| open_executable(request.creds, request.fs, path, false);
    let given = Arc::clone(&file);
    let program = loader::resolve_program(file, request.path, &request.argv, &open)?;
    // The interpreter of a script could not open it: its descriptor is closed by then.
    if request.closes_file && !Arc::ptr_eq(&program.file, &given) {
        return Err(Errno::ENOENT);
    }
    let attrs = program.file.attrs()?;
    let nosuid = program.file.path.mount.flags().contains(MountFlags::NOSUID);
    let caps = program.file.path.dentry.inode.get_xattr(b"security.capability");
    let caps = caps.ok().and_then(|xattr| FileCaps::parse(&xattr));
    // As in a user namespace, and that is where the sentry looks from: set-id bits of somebody who has no id there mean nobody.
    let nosuid = nosuid || kernel.config.hides_ids && (attrs.uid == OVERFLOW_ID || attrs.gid == OVERFLOW_ID);
    let executed = Executed { attrs, caps, nosuid, shares_fs: request.shares_fs };
    let (mut creds, secure) = request.creds.after_exec(&executed)?;
    if request.keeps_caps && creds.euid == request.creds.euid && executed.caps.is_none() {
        creds.copy_caps(request.creds);
    }
    let personality = request.personality & !if secure { PER_CLEAR_ON_SETID } else { READ_IMPLIES_EXEC };
    let space = kernel.platform.new_address_space()?;
    let mm = MemoryManager::new(space, kernel.platform.layout());
    mm.refuse_exec_gain(request.exec_gain.into())?;
    let start = loader::load(
        &mm,
        &loader::LoadRequest {
            program: &program,
            envp: &request.envp,
            creds: &creds,
            secure,
            stack_limit: request.stack_limit,
            randomize: personality & ADDR_NO_RANDOMIZE == 0,
            vdso: &kernel.vdso,
            open: &open,
        },
    )?;
    mm.set_executable(Arc::clone(&program.file));
    let base = request.path.rsplit(|&b| b == b'/').next().unwrap_or(request.path);
    let who =
        ops::Request { root: request.fs.root(), start: request.fs.cwd(), creds: request.creds, umask: 0 };
    Ok(Image {
        mm: Arc::new(mm),
        start,
        creds: Arc::new(creds),
        secure,
        readable: who.access(&program.file.path, Access::READ).is_ok(),
        personality,
        name: base[..base.len().min(15)].to_vec(),
    })
}

/// How execveat(2) names a program, beside the path.
#[derive(Default)]
pub struct ByDescriptor {
    /// The program, if a descriptor leads to it.
    pub file: Option<Arc<File>>,
    /// Whether that is closed on exec.
    pub closes_file: bool,
    /// AT_SYMLINK_NOFOLLOW
    pub no_follow: bool,
}

/// execve(2), execveat(2).
///
/// # Errors
/// As execve(2). On success the call does not return to the old program.
pub fn exec(
    ctx: &mut Ctx,
    path: &[u8],
    argv: Vec<Vec<u8>>,
    envp: Vec<Vec<u8>>,
    program: ByDescriptor,
) -> SysResult {
    let task = Arc::clone(&ctx.task);
    let creds = task.creds();
    if task.exceeded_nproc.load(Ordering::Relaxed) && task.has_too_many_processes(0) {
        return Err(Errno::EAGAIN);
    }
    task.exceeded_nproc.store(false, Ordering::Relaxed);
    let image = load(
        &task.kernel,
        &ExecRequest {
            creds: &creds,
            fs: &task.fs(),
            path,
            argv,
            envp,
            stack_limit: task.tg.limit(c::RLIMIT_STACK),
            file: program.file,
            closes_file: program.closes_file,
            no_follow: program.no_follow,
            personality: task.personality.load(Ordering::Relaxed),
            exec_gain: ctx.mm.inherited_exec_gain(),
            shares_fs: shares_fs(&task),
            keeps_caps: false,
        },
    )?;
    become_only_thread(&task)?;
    commit(ctx, &task, &image);
    ctx.flow = Flow::Exec(Box::new(image));
    Ok(0)
}

/// Whether another process shares root and working directory with a task (CLONE_FS without CLONE_THREAD).
fn shares_fs(task: &Task) -> bool {
    let fs = task.fs();
    let tree = task.kernel.tree.lock();
    tree.tasks.values().any(|t| !Arc::ptr_eq(&t.tg, &task.tg) && Arc::ptr_eq(&t.fs.read(), &fs))
}

/// Whether another process shares the descriptors of a task (CLONE_FILES without CLONE_THREAD). Who only looks at them for
/// a moment does not count: with a new table, the locks of the process would be lost.
fn shares_files(ctx: &Ctx) -> bool {
    // One is the task's own, one the context's.
    if Arc::strong_count(&ctx.files) <= 2 {
        return false;
    }
    let tree = ctx.task.kernel.tree.lock();
    tree.tasks.values().any(|t| !Arc::ptr_eq(t, &ctx.task) && Arc::ptr_eq(&t.files.read(), &ctx.files))
}

/// Ends all other threads of the process; the caller then is its leader.
fn become_only_thread(task: &Arc<Task>) -> Result<(), Errno> {
    loop {
        let mut tree = task.kernel.tree.lock();
        // The process ends, or another thread was first to execute something.
        if task.work() & work::EXIT != 0 {
            return Err(Errno::ERESTARTNOINTR);
        }
        let group = tree.group(task.tg.tgid)?;
        if group.threads.len() == 1 {
            let old = task.tid();
            if old != task.tg.tgid {
                tree.tasks.remove(&old);
                task.tg.pidns.release(old);
                task.set_tid(task.tg.tgid);
                tree.rename_parent(old, task.tg.tgid);
                tree.tasks.insert(task.tg.tgid, Arc::clone(task));
                // Who has a descriptor of its old number sees it end.
                task.tg.exit_events.notify(Readiness::READABLE | Readiness::HUP);
            }
            return Ok(());
        }
        let registration = task.tg.exit_events.register(Readiness::PRI, task.waiter.clone());
        for other in &group.threads {
            if !Arc::ptr_eq(other, task) {
                other.add_work(work::EXIT);
            }
        }
        drop(tree);
        let alone = || {
            let tree = task.kernel.tree.lock();
            match tree.group(task.tg.tgid) {
                Ok(group) if group.threads.len() > 1 => Err(Errno::EAGAIN),
                _ => Ok(()),
            }
        };
        // Only the end of the process interrupts this.
        let waited = crate::wait::block_on(&task.waiter, None, || task.work() & work::EXIT != 0, alone);
        drop(registration);
        waited.map_err(|_| Errno::ERESTARTNOINTR)?;
    }
}

/// What execve(2) changes beside the program.
fn commit(ctx: &mut Ctx, task: &Arc<Task>, image: &Image) {
    let tg = &task.tg;
    let old_creds = task.creds();
    if shares_files(ctx) {
        let copy = Arc::new(ctx.files.copy());
        *task.files.write() = Arc::clone(&copy);
        ctx.files = copy;
    }
    for file in ctx.files.take_cloexec() {
        crate::vfs::lock::release_posix(&file, &ctx.files);
        file.ops().flush(&file);
    }
    task.kernel.unix.in_flight.closed();
    let actions = tg.actions().after_exec();
    *tg.actions.write() = Arc::new(actions);
    {
        let mut own = task.signals.lock();
        own.altstack = StackT { flags: own.altstack.flags, ..StackT::default() };
    }
    crate::futex::exit_robust_list(task, &ctx.mm);
    task.kernel.futexes.exit_pi(task);
    task.robust_list.store(0, Ordering::Relaxed);
    let clear = task.clear_child_tid.swap(0, Ordering::AcqRel);
    if clear != 0 {
        use crate::mm::UserMemory;
        // The old memory may be shared (vfork(2)); faults are the guest's own business.
        let _ = ctx.mm.write(clear, &0u32.to_ne_bytes());
        let _ = task.kernel.futexes.wake(&ctx.mm, clear, 1, u32::MAX, false);
    }
    // The ids before the change count, as prctl(2) has it.
    let private = old_creds.becomes_private(&image.creds);
    let dumpable =
        image.readable && !private && old_creds.euid == old_creds.uid && old_creds.egid == old_creds.gid;
    tg.dumpable.store(u32::from(dumpable), Ordering::Relaxed);
    if image.secure || private {
        task.pdeathsig.store(0, Ordering::Relaxed);
    }
    task.personality.store(image.personality, Ordering::Relaxed);
    *task.creds.write() = Arc::clone(&image.creds);
    task.set_name(image.name.clone());
    tg.has_execed.store(true, Ordering::Relaxed);
    tg.timers.clear_posix(&task.kernel);
    {
        let mut signals = tg.signals.lock();
        signals.pending.discard_timers();
        task.signals.lock().pending.discard_timers();
    }
    *task.restart.lock() = None;
    *task.last_fault.lock() = Default::default();
    let mut tree = task.kernel.tree.lock();
    if let Ok(group) = tree.group_mut(tg.tgid) {
        group.exit_signal = SIGCHLD;
    }
}
