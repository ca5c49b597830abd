//! A sandbox from its plan to its exit status: everything around the sentry.

mod successor;

use crate::config::{Cpus, Limits, OverlayConfig, SandboxConfig, StraceConfig};
use crate::failure::{Failure, reason};
use crate::front::{Audience, Ending, OnTerminal, OwnTerminal, Signals, Terminal, Turn, lost, watch};
use crate::logging::{Journal, Sink};
use crate::plan::{Plan, Source};
use crate::state::{Known, Record, Registered, StateDir};
use crate::terminal::{Outer, wait_for_foreground};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stockade_confine::probe::Missing;
use stockade_confine::{
    Access, Cgroup, Error, Events, Limit, Options, SentryHandle, SentryHost, Tree, launch,
};
use stockade_control::server::Zone;

/// What a sentry starts with.
#[derive(Debug)]
pub struct Boot<'a> {
    /// What the sandbox is to be.
    pub config: &'a SandboxConfig,
    /// What there is of the host. Its trees: the root, the overlay directory if there is one, the volumes in their order.
    pub host: SentryHost,
    /// What the host's `/proc/cpuinfo` says of its first processor: names and values.
    pub cpu: Vec<(String, String)>,
    /// Whether the host bounds memory; the sentry has to if not.
    pub memory_is_bounded: bool,
    /// Where lines go; [`crate::logging::install`] is for the sentry to call.
    pub log: Arc<Sink>,
    /// The control socket, which listens.
    pub control: &'a OwnedFd,
    /// The terminal that the program's standard streams are, if they are not this process's.
    pub terminal: Option<&'a OwnedFd>,
    /// Where the host is: what the sentry tells of times is told so.
    pub zone: Zone,
}

/// Runs a sandbox whose sentry is `sentry`, and waits for its end: the exit status of the command. The sentry talks to the
/// front by [`crate::front::FrontLine`]; it is killed once it has told of the end. The calling process must have one thread.
///
/// # Errors
/// What kept the sandbox from starting, with its next step.
pub fn run(
    plan: &Plan,
    state_dir: Option<&Path>,
    sentry: impl FnOnce(Boot<'_>) -> u8,
) -> Result<u8, Failure> {
    if plan.sandbox.process.terminal {
        wait_for_foreground();
    }
    let signals = Signals::block().map_err(|e| on_host(plan, &e))?;
    let state = StateDir::open(state_dir)?;
    let mut registered = state.register(Record::new(&plan.sandbox))?;
    let terminal = Terminal::save();
    let notice = |text: &str| {
        match (plan.quiet, plan.sandbox.process.terminal) {
            (true, _) => {}
            (false, false) => say(text),
            // The terminal is raw.
            (false, true) => say(&format!("{text}\r")),
        }
    };
    let outer = plan.sandbox.process.terminal.then(Outer::open).transpose();
    let outer = outer.map_err(|e| on_host(plan, &e))?.map(|outer| (outer.slave, outer.master));
    let (terminal_inside, carried) = outer.unzip();
    let place = Place {
        plan,
        state: &state,
        signals: &signals,
        registered: &mut registered,
        terminal: terminal_inside,
        carried,
    };
    let end = place.live(sentry, &mut Alone, notice)?;
    drop(terminal);
    if let Some(failure) = end.message {
        say(&failure.to_string());
    }
    if !plan.quiet {
        end.limits_hit.iter().for_each(|text| say(text));
    }
    Ok(end.status)
}

/// A sandbox that has a name, and is about to be.
pub(crate) struct Place<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) state: &'a StateDir,
    pub(crate) signals: &'a Signals,
    pub(crate) registered: &'a mut Registered,
    /// The sentry's side of what carries a terminal of the sandbox's own.
    pub(crate) terminal: Option<OwnedFd>,
    /// The other, if it is the caller's terminal that carries it.
    pub(crate) carried: Option<OwnedFd>,
}

/// What goes on in this process around the moment when a sentry is forked, which takes this process's standard streams.
pub(crate) trait Surroundings {
    /// A sentry has inherited what it needs.
    ///
    /// # Errors
    /// When what the sandbox needs here cannot be had.
    fn launched(&mut self) -> io::Result<()>;

    /// Another one is to be forked, with these standard streams; this process has one thread when it returns.
    ///
    /// # Errors
    /// When that cannot be.
    fn again(&mut self, streams: &[OwnedFd; 3]) -> io::Result<()>;
}

/// There is nothing around it, and no second one.
struct Alone;

impl Surroundings for Alone {
    fn launched(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn again(&mut self, _: &[OwnedFd; 3]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How a sandbox ended.
pub(crate) struct End {
    /// The exit status of a command that waited for it.
    pub(crate) status: u8,
    /// What there is to say beyond that.
    pub(crate) message: Option<Failure>,
    /// Which limits were met, in words.
    pub(crate) limits_hit: Vec<String>,
}

/// What all sentries of a sandbox are forked with.
struct Ground<'a> {
    config: &'a SandboxConfig,
    log: Arc<Sink>,
    cgroup: &'a Cgroup,
    cpu: Vec<(String, String)>,
    zone: Zone,
}

impl Ground<'_> {
    fn launch(
        &self,
        control: &OwnedFd,
        terminal: Option<&OwnedFd>,
        image: Option<&Source>,
        sentry: impl FnOnce(Boot<'_>) -> u8,
    ) -> Result<SentryHandle, Failure> {
        let Self { config, log, cgroup, cpu, zone } = self;
        let keep = log.keep().into_iter().chain([control.as_raw_fd()]);
        let keep = keep.chain(terminal.map(AsRawFd::as_raw_fd));
        let keep = keep.chain(image.iter().flat_map(|image| image.inherited)).collect();
        let clocks = image.map(|image| image.clocks);
        let options = Options { trees: trees(config), keep, cgroup: Some(cgroup), clocks };
        let memory_is_bounded = !cgroup.unavailable().iter().any(|missing| missing.limit == Limit::Memory);
        let boot = |host| {
            let (log, zone, cpu) = (Arc::clone(log), zone.clone(), cpu.clone());
            Boot { config, host, cpu, memory_is_bounded, log, control, terminal, zone }
        };
        launch(&options, |host| sentry(boot(host))).map_err(|e| not_launched(&config.id, &e))
    }
}

impl Place<'_> {
    /// The sandbox's life.
    pub(crate) fn live(
        self,
        sentry: impl FnOnce(Boot<'_>) -> u8,
        surroundings: &mut impl Surroundings,
        mut audience: impl Audience,
    ) -> Result<End, Failure> {
        let Place { plan, state, signals, registered, terminal: slave, carried } = self;
        let config = &plan.sandbox;
        let on_host = |e: io::Error| on_host(plan, &e);
        let log = Sink::open(&config.log)?
            .with_strace_to_stderr(config.strace != StraceConfig::Off)
            .with_journal(Journal::create(registered.path())?);
        let control = registered.control_socket().map_err(on_host)?;
        let cgroup = Cgroup::create(&config.id, &host_limits(&config.limits));
        // A host without it has guests without it.
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let (cpu, zone) = (first_cpu(&cpus), Zone::of_host());
        let ground = Ground { config, log: Arc::new(log), cgroup: &cgroup, cpu, zone };
        let unbound = cgroup.unavailable().iter().find(|missing| missing.limit == Limit::Cpu);
        if let (Some(cpus), Some(missing)) = (config.limits.cpus, unbound) {
            audience.notice(&cpus_unbound(cpus, &missing.reason));
        }
        let mut handle = ground.launch(&control, slave.as_ref(), plan.image.as_ref(), sentry)?;
        // Who connects when the sentry is gone shall see it.
        drop(control);
        surroundings.launched().map_err(on_host)?;
        // It ends with the sentry's.
        drop(slave);
        let terminal = carried.map(OwnTerminal::start).transpose().map_err(on_host)?;
        registered.running(handle.pid().unsigned_abs(), cgroup.paths()).map_err(on_host)?;
        let mut audience = Remembering { audience, state, image: plan.image.as_ref() };
        // A deadline beyond the end of the clock is none.
        let end = plan.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let ending = loop {
            let mut sandbox = OnTerminal { sandbox: &mut handle, terminal: terminal.as_ref() };
            let rest = end.map(|end| end.saturating_duration_since(Instant::now()));
            match watch(&mut sandbox, signals, rest, &mut audience).map_err(on_host)? {
                Turn::Ended(ending) => break ending,
                Turn::Successor(files) => {
                    match ground.successor(files, plan, state, surroundings, &mut audience) {
                        Ok(next) => {
                            let pid = next.pid().unsigned_abs();
                            registered.running(pid, cgroup.paths()).map_err(on_host)?;
                            successor::replace(&mut handle, next);
                        }
                        Err(reason) => successor::refuse(&handle, &reason),
                    }
                }
            }
        };
        let message = ending.message(plan, || lost(&config.id, &mut handle, state));
        drop(handle);
        terminal.into_iter().for_each(OwnTerminal::finish);
        let limits_hit = limits_hit(&config.limits, &cgroup.events());
        Ok(End { status: Ending::status(&ending), message, limits_hit })
    }
}

/// Remembers that the image was found to be right while the sandbox ran.
struct Remembering<'a, A> {
    audience: A,
    state: &'a StateDir,
    image: Option<&'a Source>,
}

impl<A: Audience> Audience for Remembering<'_, A> {
    fn started(&mut self) -> io::Result<()> {
        self.audience.started()
    }

    fn notice(&mut self, text: &str) {
        self.audience.notice(text);
    }

    fn stopped(&mut self) -> io::Result<()> {
        self.audience.stopped()
    }

    fn checked(&mut self) {
        if let Some(Source { file, id: Some(id), .. }) = self.image {
            // Else it is checked again the next time.
            drop(self.state.remember_image(file, id, Known::Checked));
        }
    }
}

pub(crate) fn on_host(plan: &Plan, e: &io::Error) -> Failure {
    Failure::new(format!("sandbox {}: {}", plan.sandbox.id, reason(e)), "")
}

/// The description of the first processor.
fn first_cpu(cpuinfo: &str) -> Vec<(String, String)> {
    let lines = cpuinfo.lines().take_while(|line| !line.is_empty());
    let split = lines.filter_map(|line| line.split_once(':'));
    let fields = split.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    fields.filter(|(name, _)| name != "processor").collect()
}

/// A line of Stockade's among the program's own. A standard error that is gone is no reason to fail.
pub(crate) fn say(text: &str) {
    // In one write(2), for lines of several writers not to mix.
    drop(io::stderr().write_all(format!("stockade: {text}\n").as_bytes()));
}

fn trees(config: &SandboxConfig) -> Vec<Tree> {
    let root = Tree { path: config.root.path.clone(), access: Access::ReadOnly };
    let overlay = match &config.root.overlay {
        OverlayConfig::Dir(path) => Some(Tree { path: path.clone(), access: Access::ReadWrite }),
        OverlayConfig::Memory | OverlayConfig::None => None,
    };
    let volumes = config.volumes.iter().map(|volume| Tree {
        path: volume.source.clone(),
        access: if volume.read_only { Access::ReadOnly } else { Access::ReadWrite },
    });
    [root].into_iter().chain(overlay).chain(volumes).collect()
}

/// For the host to enforce. It counts three tasks for each of a guest's at most: its thread, the sentry's thread that
/// serves it, and the helper of its process.
fn host_limits(limits: &Limits) -> stockade_confine::Limits {
    const OWN_TASKS: u64 = 32;
    stockade_confine::Limits {
        memory: Some(limits.memory),
        pids: Some(u64::from(limits.tasks) * 3 + OWN_TASKS),
        cpus: limits.cpus.map(|cpus| f64::from(cpus.thousandths) / 1000.0),
    }
}

/// The bound on memory was in the way, in words.
pub(crate) fn memory_hit(limits: &Limits, killed: u64) -> String {
    let limit = crate::parse::format_size(limits.memory);
    let who = if killed == 1 {
        "a process was killed".to_owned()
    } else {
        format!("{killed} processes were killed")
    };
    format!("--memory {limit}: reached; {who}")
}

/// The bound on CPU time does not hold, in words.
fn cpus_unbound(cpus: Cpus, reason: &str) -> String {
    let cpus = f64::from(cpus.thousandths) / 1000.0;
    format!(
        "--cpus {cpus}: does not bind: no control group can be had for it ({reason}); `stockade doctor` says what to do"
    )
}

/// What the host's limits did, in words.
fn limits_hit(limits: &Limits, events: &Events) -> Vec<String> {
    let mut said = Vec::new();
    if events.oom_kills > 0 {
        said.push(memory_hit(limits, events.oom_kills));
    }
    if events.forks_refused > 0 {
        said.push(format!(
            "--pids {}: reached; {} tasks were not started",
            limits.tasks, events.forks_refused
        ));
    }
    said
}

/// The host lacks something.
pub(crate) fn not_able(missing: &Missing) -> Failure {
    Failure::new(missing.to_string(), "`stockade doctor` looks at the whole host")
}

fn not_launched(id: &str, error: &Error) -> Failure {
    match error {
        Error::Missing(missing) => not_able(missing),
        error => Failure::new(
            format!("sandbox {id} could not be started: {error}"),
            "`stockade doctor` may tell why",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_described_by_the_first() {
        let text = "processor\t: 0\nvendor_id\t: X\nflags\t\t: a b: c\npower management:\n\nprocessor\t: 1\n";
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = [field("vendor_id", "X"), field("flags", "a b: c"), field("power management", "")];
        assert_eq!(first_cpu(text), wanted);
    }

    #[test]
    fn limits_that_were_hit_are_named() {
        let limits = Limits { memory: 512 << 20, tasks: 10, descriptors: 16, disk: 1, cpus: None };
        assert!(limits_hit(&limits, &Events::default()).is_empty());
        let events = Events { oom_kills: 2, forks_refused: 1, ..Events::default() };
        let said = limits_hit(&limits, &events);
        assert!(said[0].contains("--memory 512 MiB") && said[1].contains("--pids 10"), "{said:?}");
        assert_eq!(host_limits(&limits).pids, Some(62));
    }
}
