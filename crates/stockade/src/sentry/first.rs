//! The first process of a new sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::Rlimit;
use stockade_confine::Link;
use stockade_confine::streams::is_closed;
use stockade_control::types::proc::ProcessDefaults;
use stockade_platform::notify::Notify;
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::stdio::{self, Bridge, Imported};
use stockade_sentry::strace::{Filter, UnknownCall};
use stockade_sentry::task::search::{Relative, find_program};
use stockade_sentry::task::{Kernel, KernelConfig, Limits, NewProcess};
use stockade_sentry::tty::{Terminal, Tty};
use stockade_sentry::vfs::{FsContext, LookupFlags, MountNamespace, ops};

use super::{Begins, Made, mounts, tell};
use crate::config::{ProcessConfig, SandboxConfig, StraceConfig};
use crate::front::Event;

/// A kernel with its mounts, and nobody in it yet; else why there is none.
pub(super) fn make(
    platform: Arc<Notify>,
    kernel_config: KernelConfig,
    config: &SandboxConfig,
    trees: Vec<OwnedFd>,
    proc: &OwnedFd,
) -> Result<Made, String> {
    let kernel =
        Kernel::new(platform, kernel_config).map_err(|e| format!("the kernel could not be made: {e}"))?;
    kernel.tracing.set_log(filter(&config.strace).map_err(|e| format!("--strace: {e}"))?);
    let mounts = mounts::build(&kernel, config, trees, proc)?;
    let begins = if config.process.argv.is_empty() { Begins::Empty } else { Begins::New };
    Ok(Made { kernel, mounts, defaults: defaults(&config.process), begins })
}

fn filter(config: &StraceConfig) -> Result<Filter, UnknownCall> {
    match config {
        StraceConfig::Off => Ok(Filter::None),
        StraceConfig::All => Ok(Filter::All),
        StraceConfig::Calls(names) => Filter::only(names),
    }
}

/// The terminal of the first process, if it has one.
#[derive(Default)]
pub(super) struct First {
    pub(super) tty: Option<Arc<Tty>>,
    /// What is between that and one of the host, if it is the sandbox's own.
    pub(super) bridge: Option<Arc<Bridge>>,
}

/// Starts it.
pub(super) fn start(
    kernel: &Arc<Kernel>,
    config: &SandboxConfig,
    mounts: Arc<MountNamespace>,
    link: &Link,
    terminal: Option<&OwnedFd>,
) -> Result<First, Errno> {
    let process = &config.process;
    let creds = Credentials::initial(process.uid, process.gid, &process.groups);
    let root = mounts.root();
    let request = ops::Request { root: root.clone(), start: root.clone(), creds: &creds, umask: 0 };
    let walk = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
    let cwd = match request.walk(walk).resolve(process.cwd.as_os_str().as_bytes()) {
        Ok(place) => place,
        Err(e) => {
            let text = format!("working directory {}: {e} inside; using /", process.cwd.display());
            tell(link, &Event::Notice(text));
            root.clone()
        }
    };
    let fs = FsContext::new(root.clone(), cwd.clone(), process.umask);
    let argv: Vec<Vec<u8>> = process.argv.iter().map(|a| a.as_bytes().to_vec()).collect();
    let name = argv.first().ok_or(Errno::EINVAL)?;
    let path = process.env.iter().find_map(|v| v.as_bytes().strip_prefix(b"PATH="));
    let path = path.unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    let path = find_program(&creds, &fs, name, path, Relative::ToCwd)?;
    let Imported { files, terminal, bridge } =
        stdio::import(kernel, &request, standard_streams(terminal), process.terminal)?;
    let terminal = match &bridge {
        Some(bridge) => Some(bridge.terminal()),
        None => terminal.map(|terminal| terminal as Arc<dyn Terminal>),
    };
    let tty = terminal.as_ref().map(|terminal| Arc::clone(terminal.tty()));
    let leader = kernel.start(NewProcess {
        creds: creds.clone(),
        keeps_caps: false,
        mounts,
        pidns: Arc::clone(&kernel.root_pidns),
        fs,
        files,
        terminal,
        limits: limits(process),
        path,
        file: None,
        argv,
        envp: process.env.iter().map(|v| v.as_bytes().to_vec()).collect(),
        nice: process.nice,
        blocked: process.blocked_signals,
        ignored: process.ignored_signals,
    })?;
    if let Some(bridge) = &bridge {
        bridge.start(&leader)?;
    }
    Ok(First { tty, bridge })
}

/// What programs that are executed later begin with.
fn defaults(process: &ProcessConfig) -> ProcessDefaults {
    ProcessDefaults {
        envv: process.env.iter().map(|v| v.to_string_lossy().into_owned()).collect(),
        working_directory: process.cwd.to_string_lossy().into_owned(),
        kuid: process.uid,
        kgid: process.gid,
        extra_kgids: process.groups.clone(),
    }
}

/// Standard input, output and error as they were inherited, or a terminal for all three. One that is closed stays so.
pub(super) fn standard_streams(terminal: Option<&OwnedFd>) -> Vec<(i32, OwnedFd)> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = match terminal {
        Some(terminal) => [terminal.as_fd(); 3],
        None => [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    };
    (0..)
        .zip(streams)
        .filter(|(_, stream)| !is_closed(*stream))
        .filter_map(|(number, stream)| Some((number, stream.try_clone_to_owned().ok()?)))
        .collect()
}

fn limits(process: &ProcessConfig) -> Limits {
    let mut limits = Limits::default();
    for limit in &process.rlimits {
        // What the sandbox itself bounds is not the caller's to set: its processes and descriptors are the sandbox's own.
        if limit.resource == c::RLIMIT_NPROC {
            continue;
        }
        let new = Rlimit { cur: limit.soft, max: limit.hard };
        // A limit that is out of range keeps its default.
        let _ = limits.set(limit.resource, new, true);
    }
    limits
}
