//! Executing programs in a running sandbox.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::{CAP_FULL, Rlimit};
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::stdio;
use stockade_sentry::task::search::{Relative, find_program};
use stockade_sentry::task::{Limits, NewProcess, Task, ThreadGroup};
use stockade_sentry::tty::{Terminal, Tty};
use stockade_sentry::vfs::{File, FsContext, LookupFlags, ops};

use super::{Error, Files, Sandbox};
use crate::types::proc::{ExecArgs, NamespaceOf, TaskCapabilities};

/// The file mode creation mask of an executed program.
const UMASK: u32 = 0o022;

/// A program that was executed.
pub struct Started {
    /// The process.
    pub thread_group: Arc<ThreadGroup>,
    /// Its number in the root PID namespace.
    pub pid: i32,
    /// Its controlling terminal, if it was given one.
    pub tty: Option<Arc<Tty>>,
}

/// Executes a program and does not wait for its end.
///
/// # Errors
/// What keeps it from being executed, with the name of the file.
pub fn exec_async(sandbox: &Arc<Sandbox>, args: &ExecArgs, files: Files) -> Result<Started, Error> {
    sandbox.container(&args.container_id)?;
    let kernel = &sandbox.kernel;
    let mounts = match args.mount_namespace {
        Some(of) => Arc::clone(&leader_of(sandbox, of)?.ns.read().mount),
        None => sandbox.mounts(),
    };
    let pidns = match args.pid_namespace {
        Some(of) => Arc::clone(&leader_of(sandbox, of)?.tg.pidns),
        None => Arc::clone(&kernel.root_pidns),
    };
    let creds = credentials(args);
    let limits = limits(args)?;
    let root = mounts.root();
    let wd = if args.working_directory.is_empty() { "/" } else { &args.working_directory };
    let request = ops::Request { root: root.clone(), start: root.clone(), creds: &creds, umask: 0 };
    let walk = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
    let on_wd = |e| Error::on(&format!("working directory {wd}"), e);
    let cwd = request.walk(walk).resolve(wd.as_bytes()).map_err(on_wd)?;
    request.access(&cwd, stockade_sentry::vfs::Access::EXEC).map_err(on_wd)?;
    let fs = FsContext::new(root, cwd, UMASK);

    let Payload { numbered, program } = number_files(args, files)?;
    let argv = if args.argv.is_empty() { vec![args.filename.clone()] } else { args.argv.clone() };
    let name = if args.filename.is_empty() { argv[0].as_str() } else { &args.filename };
    let (path, file) = match program {
        Some(fd) => (argv[0].clone().into_bytes(), Some(program_file(fd)?)),
        None => {
            let path = args.envv.iter().find_map(|v| v.strip_prefix("PATH=")).unwrap_or("");
            let found = find_program(&creds, &fs, name.as_bytes(), path.as_bytes(), Relative::Skipped);
            (found.map_err(|e| Error::on(name, e))?, None)
        }
    };
    let (files, terminal) =
        stdio::import(kernel, &request, numbered).map_err(|e| Error::on("descriptors", e))?;
    if args.stdio_is_pty && terminal.is_none() {
        return Err(Error::new("StdioIsPty: descriptors 0, 1 and 2 are no terminal"));
    }
    let terminal = terminal.filter(|_| args.stdio_is_pty);
    let tty = terminal.as_ref().map(|terminal| Arc::clone(terminal.tty()));
    let bytes = |list: &[String]| list.iter().map(|s| s.clone().into_bytes()).collect();
    let thread_group = kernel
        .create_process(NewProcess {
            mounts,
            pidns,
            fs,
            files,
            terminal: terminal.map(|terminal| terminal as Arc<dyn Terminal>),
            limits,
            path,
            file,
            argv: bytes(&argv),
            envp: bytes(&args.envv),
            nice: 0,
            blocked: 0,
            ignored: 0,
            creds,
        })
        .map_err(|e| Error::on(name, e))?;
    Ok(Started { pid: thread_group.tgid, thread_group, tty })
}

fn leader_of(sandbox: &Sandbox, of: NamespaceOf) -> Result<Arc<Task>, Error> {
    let tree = sandbox.kernel.tree.lock();
    let leader = tree.group(of.pid).ok().and_then(|group| group.threads.first().cloned());
    leader.ok_or_else(|| Error::on(&format!("process {}", of.pid), Errno::ESRCH))
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

/// The names of limits, by their numbers.
const LIMITS: [(&str, u32); 16] = [
    ("AS", c::RLIMIT_AS),
    ("CORE", c::RLIMIT_CORE),
    ("CPU", c::RLIMIT_CPU),
    ("DATA", c::RLIMIT_DATA),
    ("FSIZE", c::RLIMIT_FSIZE),
    ("LOCKS", c::RLIMIT_LOCKS),
    ("MEMLOCK", c::RLIMIT_MEMLOCK),
    ("MSGQUEUE", c::RLIMIT_MSGQUEUE),
    ("NICE", c::RLIMIT_NICE),
    ("NOFILE", c::RLIMIT_NOFILE),
    ("NPROC", c::RLIMIT_NPROC),
    ("RSS", c::RLIMIT_RSS),
    ("RTPRIO", c::RLIMIT_RTPRIO),
    ("RTTIME", c::RLIMIT_RTTIME),
    ("SIGPENDING", c::RLIMIT_SIGPENDING),
    ("STACK", c::RLIMIT_STACK),
];

fn limits(args: &ExecArgs) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    for (name, limit) in &args.limits {
        let short = name.strip_prefix("RLIMIT_").unwrap_or(name);
        let (_, number) = LIMITS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(short))
            .ok_or_else(|| Error::new(format!("{name} is no resource limit")))?;
        limits
            .set(*number, Rlimit { cur: limit.cur, max: limit.max }, true)
            .map_err(|e| Error::on(&format!("limit {name}"), e))?;
    }
    Ok(limits)
}

/// What the descriptors of a call are.
struct Payload {
    /// The process's, by their numbers.
    numbered: Vec<(i32, OwnedFd)>,
    /// The program, if it is one.
    program: Option<OwnedFd>,
}

/// Gives descriptors their numbers; one more than numbers is the program.
fn number_files(args: &ExecArgs, Files(files): Files) -> Result<Payload, Error> {
    let mut files = files.into_iter();
    let Some(numbers) = &args.guest_fds else {
        return Ok(Payload { numbered: (0..).zip(files).collect(), program: None });
    };
    if files.len() < numbers.len() || files.len() > numbers.len() + 1 {
        return Err(Error::new(format!("{} descriptors for {} GuestFDs", files.len(), numbers.len())));
    }
    let numbered: Vec<_> = numbers.iter().copied().zip(files.by_ref()).collect();
    for (i, (number, _)) in numbered.iter().enumerate() {
        if *number < 0 || *number >= MAX_NUMBER || numbered[..i].iter().any(|(other, _)| other == number) {
            return Err(Error::new(format!("GuestFDs: {number} is given twice, or no descriptor")));
        }
    }
    let program = files.next();
    if program.is_some() && !args.filename.is_empty() {
        return Err(Error::new("a program is given by a descriptor and by filename: leave one out"));
    }
    Ok(Payload { numbered, program })
}

/// Descriptors that a table can hold (`fs.nr_open`).
const MAX_NUMBER: i32 = 1 << 20;

/// A program of the host's, as a file to execute.
fn program_file(fd: OwnedFd) -> Result<Arc<File>, Error> {
    stdio::open(fd, c::O_RDONLY).map_err(|e| Error::on("the program's descriptor", e))
}
