//! Executing programs in a running sandbox.

mod limits;
mod payload;

use std::sync::Arc;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::CAP_FULL;
use stockade_abi::signal::{SIGKILL, SigInfo, si};
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::stdio::{self, Bridge};
use stockade_sentry::task::search::{Relative, find_program};
use stockade_sentry::task::{NewProcess, Task, ThreadGroup};
use stockade_sentry::tty::Tty;
use stockade_sentry::vfs::{Access, File, FsContext, LookupFlags, ops};

use self::payload::Payload;
use super::{Error, Files, Sandbox};
use crate::types::proc::{ExecArgs, NamespaceOf, TaskCapabilities};

/// The file mode creation mask of an executed program.
const UMASK: u32 = 0o022;

/// How long the end of a program waits for whoever reads its terminal on the host.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A program that was executed.
#[derive(Clone)]
pub struct Started {
    /// The process.
    pub thread_group: Arc<ThreadGroup>,
    /// Its number in the root PID namespace.
    pub pid: i32,
    /// Its controlling terminal, if it was given one.
    pub tty: Option<Arc<Tty>>,
    bridge: Option<Arc<Bridge>>,
}

impl Started {
    /// One of a sandbox that was restored: nobody has the host's side of its terminal any more.
    pub(super) fn again(thread_group: Arc<ThreadGroup>) -> Self {
        Self { pid: thread_group.tgid, thread_group, tty: None, bridge: None }
    }

    /// Waits for its end, and until what it wrote to its terminal has left the sandbox; gives what it ended with (wait(2)'s
    /// encoding).
    #[must_use]
    pub fn wait(&self) -> u32 {
        let status = self.thread_group.wait_exited().cast_unsigned();
        if let Some(bridge) = &self.bridge {
            bridge.flush(Some(LAST_OUTPUT));
        }
        status
    }
}

/// Executes a program and does not wait for its end. It goes on when whoever asked for it goes away.
///
/// # Errors
/// What keeps it from being executed, with the name of the file.
pub fn exec_async(sandbox: &Arc<Sandbox>, args: &ExecArgs, files: Files) -> Result<Started, Error> {
    sandbox.container(&args.container_id)?;
    let kernel = &sandbox.kernel;
    if kernel.is_paused() {
        return Err(Error::new(
            "the sandbox is paused, and a program would stand as all others do; resume it first",
        ));
    }
    sandbox.beginning.used()?;
    let _changing = kernel.changing();
    let mounts = match args.mount_namespace {
        Some(of) => Arc::clone(&leader_of(sandbox, of)?.ns.read().mount),
        None => sandbox.mounts(),
    };
    let pidns = match args.pid_namespace {
        Some(of) => Arc::clone(&leader_of(sandbox, of)?.tg.pidns),
        None => Arc::clone(&kernel.root_pidns),
    };
    let creds = credentials(args);
    let limits = limits::limits(args)?;
    let root = mounts.root();
    let request = ops::Request { root: root.clone(), start: root.clone(), creds: &creds, umask: 0 };
    let fs = context(&request, &args.working_directory)?;
    let Payload { numbered, program } = Payload::new(args, files, limits.soft(c::RLIMIT_NOFILE))?;
    let argv = if args.argv.is_empty() { vec![args.filename.clone()] } else { args.argv.clone() };
    let name = if args.filename.is_empty() { argv[0].clone() } else { args.filename.clone() };
    let path = path_of(&creds, &fs, &name, args, program.as_ref())?;
    let imported = stdio::import_for_exec(kernel, &request, numbered, args.stdio_is_pty)
        .map_err(|e| Error::on("descriptors", e))?;
    let bridge = imported.bridge;
    if args.stdio_is_pty && bridge.is_none() {
        return Err(Error::new("StdioIsPty: descriptors 0, 1 and 2 are no terminal"));
    }
    let bytes = |list: &[String]| list.iter().map(|s| s.clone().into_bytes()).collect();
    let thread_group = kernel
        .create_process(NewProcess {
            mounts,
            pidns,
            fs,
            files: imported.files,
            terminal: bridge.as_ref().map(|bridge| bridge.terminal()),
            limits,
            path,
            file: program,
            argv: bytes(&argv),
            envp: bytes(&args.envv),
            nice: 0,
            blocked: 0,
            ignored: 0,
            keeps_caps: args.capabilities.is_some(),
            creds,
        })
        .map_err(|e| Error::on(&name, e))?;
    if let Some(bridge) = &bridge
        && let Err(e) = bridge.start(&thread_group)
    {
        // On a terminal that nobody serves it would hang.
        let _ = kernel.tree.lock().send_group(thread_group.tgid, &SigInfo::new(SIGKILL, si::SI_KERNEL));
        return Err(Error::on("a thread for the terminal", e));
    }
    let tty = bridge.as_ref().map(|bridge| Arc::clone(bridge.tty()));
    Ok(Started { pid: thread_group.tgid, thread_group, tty, bridge })
}

fn leader_of(sandbox: &Sandbox, of: NamespaceOf) -> Result<Arc<Task>, Error> {
    let tree = sandbox.kernel.tree.lock();
    let leader = tree.group(of.pid).ok().and_then(|group| group.threads.first().cloned());
    leader.ok_or_else(|| Error::on(&format!("process {}", of.pid), Errno::ESRCH))
}

/// Root and working directory.
fn context(request: &ops::Request<'_>, wd: &str) -> Result<Arc<FsContext>, Error> {
    let wd = if wd.is_empty() { "/" } else { wd };
    let on_wd = |e| Error::on(&format!("working directory {wd}"), e);
    let walk = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
    let cwd = request.walk(walk).resolve(wd.as_bytes()).map_err(on_wd)?;
    request.access(&cwd, Access::EXEC).map_err(on_wd)?;
    Ok(FsContext::new(request.root.clone(), cwd, UMASK))
}

/// Where the program is; of one that is a descriptor, what it is called.
fn path_of(
    creds: &Credentials,
    fs: &FsContext,
    name: &str,
    args: &ExecArgs,
    program: Option<&Arc<File>>,
) -> Result<Vec<u8>, Error> {
    if program.is_some() {
        return Ok(name.as_bytes().to_vec());
    }
    if name.is_empty() {
        return Err(Error {
            errno: Some(Errno::ENOENT),
            ..Error::new("neither filename nor argv names a program")
        });
    }
    let path = args.envv.iter().find_map(|v| v.strip_prefix("PATH="));
    let found = find_program(creds, fs, name.as_bytes(), path.unwrap_or("").as_bytes(), Relative::Skipped);
    found.map_err(|e| match (e, path) {
        (Errno::ENOENT, Some(path)) if !name.contains('/') => {
            Error { errno: Some(e), ..Error::new(format!("{name}: not found along PATH, which is {path}")) }
        }
        (Errno::ENOENT, None) if !name.contains('/') => {
            Error { errno: Some(e), ..Error::new(format!("{name}: not found, as envv has no PATH")) }
        }
        _ => Error::on(name, e),
    })
}

fn credentials(args: &ExecArgs) -> Credentials {
    let mut creds = Credentials::initial(args.kuid, args.kgid, &args.extra_kgids);
    if let Some(TaskCapabilities { permitted, inheritable, effective, bounding, ambient }) = args.capabilities
    {
        creds.permitted = permitted & CAP_FULL;
        creds.inheritable = inheritable & CAP_FULL;
        creds.effective = effective & creds.permitted;
        creds.bounding = bounding & CAP_FULL;
        creds.ambient = ambient & creds.permitted & creds.inheritable;
    }
    creds.no_new_privs = args.no_new_privileges;
    creds
}
