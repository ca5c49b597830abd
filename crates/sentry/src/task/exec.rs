//! Executing programs (execve(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGCHLD, SS_DISABLE, StackT};
use stockade_platform::Context;

use super::kernel::Kernel;
use super::thread::{Task, work};
use crate::creds::Credentials;
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
    /// AT_SYMLINK_NOFOLLOW
    pub no_follow: bool,
}

/// A program in memory, ready to run.
pub struct Image {
    /// Its memory.
    pub mm: Arc<MemoryManager>,
    /// Where it begins.
    pub start: Context,
    /// Who it is: set-id bits are accounted for.
    pub creds: Arc<Credentials>,
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
    Ok(File::open(place, ops, c::O_RDONLY))
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
            File::open(file.path.clone(), ops, c::O_RDONLY)
        }
        None => open_executable(request.creds, request.fs, request.path, request.no_follow)?,
    };
    let open = |path: &[u8]| open_executable(request.creds, request.fs, path, false);
    let program = loader::resolve_program(file, request.path, &request.argv, &open)?;
    let attrs = program.file.attrs()?;
    let nosuid = program.file.path.mount.flags().contains(MountFlags::NOSUID);
    let (creds, secure) = request.creds.after_exec(&attrs, nosuid);
    let space = kernel.platform.new_address_space()?;
    let mm = MemoryManager::new(space, kernel.platform.layout());
    let start = loader::load(
        &mm,
        &loader::LoadRequest {
            program: &program,
            envp: &request.envp,
            creds: &creds,
            secure,
            stack_limit: request.stack_limit,
            open: &open,
        },
    )?;
    mm.set_executable(Arc::clone(&program.file));
    let base = request.path.rsplit(|&b| b == b'/').next().unwrap_or(request.path);
    Ok(Image { mm: Arc::new(mm), start, creds: Arc::new(creds), name: base[..base.len().min(15)].to_vec() })
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
    file: Option<Arc<File>>,
    no_follow: bool,
) -> SysResult {
    let task = Arc::clone(&ctx.task);
    let creds = task.creds();
    let image = load(
        &task.kernel,
        &ExecRequest {
            creds: &creds,
            fs: &task.fs(),
            path,
            argv,
            envp,
            stack_limit: task.tg.limit(c::RLIMIT_STACK),
            file,
            no_follow,
        },
    )?;
    become_only_thread(&task)?;
    commit(ctx, &task, &image);
    ctx.flow = Flow::Exec(Box::new(image));
    Ok(0)
}

/// Ends all other threads of the process; the caller then is its leader.
fn become_only_thread(task: &Arc<Task>) -> Result<(), Errno> {
    loop {
        let mut tree = task.kernel.tree.lock();
        if task.tg.signals.lock().group_exit.is_some() {
            return Err(Errno::ERESTARTNOINTR);
        }
        let group = tree.group(task.tg.tgid)?;
        if group.threads.len() == 1 {
            let old = task.tid();
            if old != task.tg.tgid {
                tree.tasks.remove(&old);
                task.tg.pidns.release(old);
                task.set_tid(task.tg.tgid);
                tree.tasks.insert(task.tg.tgid, Arc::clone(task));
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
    ctx.refresh_cpu_time();
    let tg = &task.tg;
    let old_creds = task.creds();
    if Arc::strong_count(&ctx.files) > 2 {
        let copy = Arc::new(ctx.files.copy());
        *task.files.write() = Arc::clone(&copy);
        ctx.files = copy;
    }
    for file in ctx.files.take_cloexec() {
        crate::vfs::lock::release_posix(&file, &ctx.files);
        file.ops().flush(&file);
    }
    let actions = tg.actions().after_exec();
    *tg.actions.write() = Arc::new(actions);
    {
        let mut own = task.signals.lock();
        own.altstack = StackT { flags: SS_DISABLE, ..StackT::default() };
    }
    crate::futex::exit_robust_list(task, &ctx.mm);
    task.robust_list.store(0, Ordering::Relaxed);
    let clear = task.clear_child_tid.swap(0, Ordering::AcqRel);
    if clear != 0 {
        use crate::mm::UserMemory;
        // The old memory may be shared (vfork(2)); faults are the guest's own business.
        let _ = ctx.mm.write(clear, &0u32.to_ne_bytes());
        let _ = task.kernel.futexes.wake(&ctx.mm, clear, 1, u32::MAX, false);
    }
    let changed = old_creds.euid != image.creds.euid || old_creds.egid != image.creds.egid;
    tg.dumpable.store(u32::from(!changed), Ordering::Relaxed);
    if changed {
        task.pdeathsig.store(0, Ordering::Relaxed);
    }
    *task.creds.write() = Arc::clone(&image.creds);
    task.name.write().clone_from(&image.name);
    tg.has_execed.store(true, Ordering::Relaxed);
    tg.timers.clear_posix();
    *task.restart.lock() = None;
    *task.last_fault.lock() = Default::default();
    let mut tree = task.kernel.tree.lock();
    if let Ok(group) = tree.group_mut(tg.tgid)
        && group.exit_signal != 0
    {
        group.exit_signal = SIGCHLD;
    }
}
