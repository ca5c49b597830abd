//! The monitor's life.

use super::report::{Report, Reporter};
use crate::failure::{Failure, OWN_ERROR};
use crate::front::{Audience, Signals};
use crate::output::{OutputLog, Pump, Pumping};
use crate::plan::{Detach, Plan};
use crate::run::{Boot, End, Place, Surroundings, on_host};
use crate::state::{Record, StateDir};
use crate::terminal::Outer;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Runs the sandbox to its end; the exit status of the monitor, at which nobody looks.
pub(super) fn run(
    plan: &Plan,
    detach: Detach,
    state: &StateDir,
    sentry: impl FnOnce(Boot<'_>) -> u8,
    reporter: Reporter,
) -> u8 {
    let mut listener = Listener { reporter: Some(reporter), said: Vec::new() };
    let failed = match live(plan, detach, state, sentry, &mut listener) {
        Ok(None) => return 0,
        Ok(Some(end)) => {
            Report::Failed { status: end.status, message: end.message.map(|failure| failure.to_string()) }
        }
        Err(failure) => Report::Failed { status: OWN_ERROR, message: Some(failure.to_string()) },
    };
    // One that has started has nobody left to tell, and one that nobody waits for is gone with its reason.
    drop(listener.reporter.map(|mut reporter| reporter.tell(&failed)));
    OWN_ERROR
}

/// The end, if it came before the start.
fn live(
    plan: &Plan,
    detach: Detach,
    state: &StateDir,
    sentry: impl FnOnce(Boot<'_>) -> u8,
    listener: &mut Listener,
) -> Result<Option<End>, Failure> {
    let on_host = |e: io::Error| on_host(plan, &e);
    let signals = Signals::block().map_err(on_host)?;
    let record = Record { detached: true, remove: detach.remove, ..Record::new(&plan.sandbox) };
    let mut registered = state.register(record)?;
    let log = OutputLog::create(registered.path()).map_err(on_host)?;
    // Like the caller's terminal, if there is one: it is looked at before standard input is another.
    let outer = plan.sandbox.process.terminal.then(Outer::open).transpose().map_err(on_host)?;
    let (terminal, shown) = outer.map(|outer| (outer.slave, outer.master)).unzip();
    let pump = Pump::place(shown).map_err(on_host)?;
    let mut output = Output::Waits(pump, log);
    let place =
        Place { plan, state, signals: &signals, registered: &mut registered, terminal, carried: None };
    let end = place.live(sentry, &mut output, &mut *listener);
    // The pipes end with the sandbox; their last bytes come first.
    if let Output::Runs(pumping) = output {
        pumping.finish();
    }
    let end = end?;
    if listener.reporter.is_some() {
        return Ok(Some(end));
    }
    let mut said = std::mem::take(&mut listener.said);
    said.extend(end.message.map(|failure| failure.to_string()));
    said.extend(end.limits_hit);
    let message = (!said.is_empty()).then(|| said.join("\n"));
    registered.end(end.status, message).map_err(on_host)?;
    Ok(None)
}

/// What writes down what the sandbox prints, on a thread that cannot be there when a sentry is forked.
enum Output {
    Waits(Pump, OutputLog),
    Runs(Pumping),
    Failed,
}

/// How long the thread may be seen by others once it has ended.
const PATIENCE: Duration = Duration::from_secs(5);

impl Surroundings for Output {
    fn launched(&mut self) -> io::Result<()> {
        if let Self::Waits(pump, log) = std::mem::replace(self, Self::Failed) {
            *self = Self::Runs(pump.start(log)?);
        }
        Ok(())
    }

    fn again(&mut self, [stdin, stdout, stderr]: &[OwnedFd; 3]) -> io::Result<()> {
        if let Self::Runs(pumping) = std::mem::replace(self, Self::Failed) {
            let (pump, log) = pumping.stop()?;
            *self = Self::Waits(pump, log);
        }
        dup2_stdin(stdin)?;
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        let end = Instant::now() + PATIENCE;
        while std::fs::read_dir("/proc/self/task")?.count() > 1 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Tells the command that waits; and afterwards keeps what there is to say.
struct Listener {
    /// Until the first program runs.
    reporter: Option<Reporter>,
    said: Vec<String>,
}

impl Audience for &mut Listener {
    fn started(&mut self) -> io::Result<()> {
        match &mut self.reporter {
            Some(reporter) => reporter.tell(&Report::Started)?,
            None => return Ok(()),
        }
        self.reporter = None;
        Ok(())
    }

    fn notice(&mut self, text: &str) {
        match &mut self.reporter {
            // That nobody waits any more is seen at the start.
            Some(reporter) => drop(reporter.tell(&Report::Notice(text.to_owned()))),
            None => self.said.push(text.to_owned()),
        }
    }

    fn stopped(&mut self) -> io::Result<()> {
        // Nobody would continue the monitor.
        Ok(())
    }
}
