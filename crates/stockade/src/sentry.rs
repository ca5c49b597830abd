//! The sentry: what the forked process does between the confinement of the host and the first guest instruction.

mod hooks;
mod mounts;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::Rlimit;
use stockade_abi::signal::{SigInfo, si};
use stockade_confine::streams::is_closed;
use stockade_confine::{Link, SentryHost};
use stockade_control::server::{Sandbox, SandboxParts, Server};
use stockade_control::types::proc::ProcessDefaults;
use stockade_platform::notify::{Notify, Options};
use stockade_sentry::creds::Credentials;
use stockade_sentry::diagnosis;
use stockade_sentry::fs::stdio::{self, Bridge, Imported};
use stockade_sentry::strace::{Filter, UnknownCall};
use stockade_sentry::task::search::{Relative, find_program};
use stockade_sentry::task::{Kernel, KernelConfig, Limits, NewProcess, memory_watch};
use stockade_sentry::tty::{Terminal, Tty};
use stockade_sentry::vfs::{FsContext, HOST_FDS, LookupFlags, MountNamespace, OPEN_FILES, ops};

use crate::config::{ProcessConfig, SandboxConfig, StraceConfig};
use crate::front::{Event, FrontLine, Outcome, Request};
use crate::logging;
use crate::parse::format_size;
use crate::run::{Boot, memory_hit};

/// How long the end of a sandbox waits for answers to calls that it ended.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long a sandbox has lived when its sentry lets go of the memory that only the start needed.
const SETTLED: Duration = Duration::from_millis(250);

/// Runs a sandbox in the sentry's process; returns its exit status, which the front does not look at once it was told
/// how the program ended.
#[must_use]
pub fn boot(boot: Boot<'_>) -> u8 {
    let Boot { config, mut host, cpu, memory_is_bounded, log, control, terminal, zone } = boot;
    let platform = match start_platform(&host) {
        Ok(platform) => platform,
        Err(e) => return give_up(&host.link, &format!("the platform could not be started: {e}")),
    };
    let zygote = platform.host_pid();
    if let Err(e) = host.prefer_for_oom(zygote) {
        tracing::debug!(error = %e, "stubs are not preferred when memory runs out");
    }
    if let Err(e) = host.lock_down() {
        return give_up(&host.link, &format!("the sentry could not be confined: {e}"));
    }
    let level = logging::install(&log, config.log.level);
    diagnosis::install(hooks::hooks());
    let kernel = match Kernel::new(Arc::new(platform), kernel_config(config, cpu, host.stub_ids.is_none())) {
        Ok(kernel) => kernel,
        Err(e) => return give_up(&host.link, &format!("the kernel could not be made: {e}")),
    };
    if !memory_is_bounded && let Err(e) = memory_watch::start(&kernel, config.limits.memory) {
        return give_up(&host.link, &format!("memory cannot be watched: {e}"));
    }
    match filter(&config.strace) {
        Ok(filter) => kernel.tracing.set_log(filter),
        Err(e) => return give_up(&host.link, &format!("--strace: {e}")),
    }
    let sink = Arc::clone(&log);
    kernel.tracing.set_output(Box::new(move |topic, pid, line| sink.task_line(topic, pid, line)));
    let link = Arc::new(host.link);
    let trees = std::mem::take(&mut host.trees);
    let mounts = match mounts::build(&kernel, config, trees, &host.proc) {
        Ok(mounts) => mounts,
        Err(text) => return give_up(&link, &text),
    };
    let sandbox = Sandbox::new(SandboxParts {
        id: config.id.clone(),
        kernel: Arc::clone(&kernel),
        mounts: Arc::clone(&mounts),
        owner: host.caller.uid,
        zone,
        log: Box::new(level),
        defaults: defaults(&config.process),
        proc: host.proc,
        program: host.program,
        was_restored: false,
        description: config.description(),
    });
    let server = match control.try_clone().and_then(|socket| Server::start(socket, Arc::clone(&sandbox))) {
        Ok(server) => server,
        Err(e) => return give_up(&link, &format!("the control server could not be started: {e}")),
    };
    let started = if config.process.argv.is_empty() {
        kernel.start_empty().map(|()| First::default())
    } else {
        start(&kernel, config, mounts, &link, terminal)
    };
    let outcome = match started {
        Ok(First { tty, bridge }) => {
            tell(&link, &Event::Started);
            obey(&kernel, &link, tty);
            let status = kernel.wait_for(SETTLED).unwrap_or_else(|| {
                stockade_confine::let_go_of_code();
                kernel.wait()
            });
            if let Some(bridge) = bridge {
                // As a program that writes waits for who reads.
                bridge.flush(None);
            }
            if sandbox.was_saved() { Outcome::Saved } else { outcome_of(status) }
        }
        Err(e) => Outcome::NotStarted(e.raw()),
    };
    for text in limits_hit(&kernel, config) {
        tell(&link, &Event::Notice(text));
    }
    server.finish(LAST_ANSWERS);
    // All that is left of guests ends with it, as it does with us; but what that takes, others need not wait for.
    if let Some(zygote) = Pid::from_raw(zygote) {
        // It may have been killed from outside.
        let _ = kill_process(zygote, Signal::KILL);
    }
    if let Some(why) = kernel.failure() {
        return give_up(&link, why);
    }
    tell(&link, &Event::Ended(outcome));
    0
}

fn start_platform(host: &SentryHost) -> Result<Notify, String> {
    let proc = rustix::io::fcntl_dupfd_cloexec(&host.proc, 3).map_err(|e| e.to_string())?;
    let options = Options { proc, stub_ids: host.stub_ids, root: None, share_network: true };
    Notify::new(options).map_err(|e| e.to_string())
}

fn give_up(link: &Link, text: &str) -> u8 {
    tell(link, &Event::Failed(text.to_owned()));
    125
}

/// Which of the limits that the sentry counts itself were met, in words.
fn limits_hit(kernel: &Kernel, config: &SandboxConfig) -> Vec<String> {
    let mut said = Vec::new();
    match kernel.tasks_refused() {
        0 => {}
        1 => said.push(format!("--pids {}: reached; a task was not started", config.limits.tasks)),
        n => said.push(format!("--pids {}: reached; {n} tasks were not started", config.limits.tasks)),
    }
    match kernel.memory_kills.load(Ordering::Relaxed) {
        0 => {}
        killed => said.push(memory_hit(&config.limits, killed as u64)),
    }
    if kernel.memory_files.was_exhausted() {
        let limit = format_size(config.limits.disk);
        said.push(format!("--disk {limit}: reached; something was not written"));
    }
    if OPEN_FILES.was_exhausted() {
        said.push(format!("--descriptors {}: reached; a file was not opened", config.limits.descriptors));
    }
    if HOST_FDS.was_exhausted() {
        said.push(
            "the host's limit of descriptors: reached; a file was not opened or mapped; raise it (ulimit -n)"
                .into(),
        );
    }
    said
}

/// A front that is gone is no longer to be told: the host ends the sentry then.
fn tell(link: &Link, event: &Event) {
    drop(link.tell(event));
}

fn outcome_of(status: i32) -> Outcome {
    match status & 0x7f {
        0 => Outcome::Exited((status >> 8) as u8),
        signal => Outcome::Signaled(signal as u8),
    }
}

fn filter(config: &StraceConfig) -> Result<Filter, UnknownCall> {
    match config {
        StraceConfig::Off => Ok(Filter::None),
        StraceConfig::All => Ok(Filter::All),
        StraceConfig::Calls(names) => Filter::only(names),
    }
}

fn kernel_config(config: &SandboxConfig, cpu: Vec<(String, String)>, hides_ids: bool) -> KernelConfig {
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    KernelConfig {
        hostname: config.hostname.clone().into_bytes(),
        max_tasks: config.limits.tasks as usize,
        memory: config.limits.memory,
        disk: config.limits.disk,
        descriptors: config.limits.descriptors as usize,
        host_descriptors: host_descriptors(config),
        hides_ids,
        cpus,
        cpu,
    }
}

/// How many descriptors of the host guests' files can take: those that are left beside what the sentry may need for tasks
/// and directories, and a quarter of all where that is little.
fn host_descriptors(config: &SandboxConfig) -> usize {
    const PER_TASK: u64 = 3;
    const OWN: u64 = 3000;
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let own = u64::from(config.limits.tasks) * PER_TASK + OWN;
    usize::try_from(all.saturating_sub(own).max(all / 4)).unwrap_or(usize::MAX)
}

/// The terminal of the first process, if it has one.
#[derive(Default)]
struct First {
    tty: Option<Arc<Tty>>,
    /// What is between that and one of the host, if it is the sandbox's own.
    bridge: Option<Arc<Bridge>>,
}

fn start(
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
fn standard_streams(terminal: Option<&OwnedFd>) -> Vec<(i32, OwnedFd)> {
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

/// Does what the front asks, on a thread of its own. When the front is gone the host ends the sentry.
fn obey(kernel: &Arc<Kernel>, link: &Arc<Link>, terminal: Option<Arc<Tty>>) {
    let (kernel, link) = (Arc::clone(kernel), Arc::clone(link));
    let serve = move || {
        while let Ok(Some(request)) = link.asked() {
            let init = kernel.init_tgid();
            let signo = match request {
                Request::Signal(signal) => i32::from(signal.signal),
                Request::Kill => stockade_abi::signal::SIGKILL,
            };
            if kernel.end_empty(signo) {
                continue;
            }
            let _changing = kernel.changing();
            let tree = kernel.tree.lock();
            // A process that has ended already needs no signal.
            let _ = match request {
                Request::Signal(signal) => {
                    let info = SigInfo::new(i32::from(signal.signal), si::SI_USER);
                    if let Some(terminal) = terminal.as_ref().and_then(|tty| kernel.ttys.get(tty.number)) {
                        terminal.window_changed();
                    }
                    let foreground = terminal.as_ref().map_or(0, |tty| tty.control().foreground);
                    if signal.from_terminal {
                        tree.send_pgrp(if foreground > 0 { foreground } else { init }, &info)
                    } else {
                        tree.send_group(init, &info)
                    }
                }
                Request::Kill => {
                    tree.send_group(init, &SigInfo::new(stockade_abi::signal::SIGKILL, si::SI_KERNEL))
                }
            };
            drop(tree);
            kernel.report_continued();
        }
    };
    if let Err(e) = thread::Builder::new().name("front".into()).stack_size(128 * 1024).spawn(serve) {
        tracing::warn!(error = %e, "signals of the front will not reach the program");
    }
}
