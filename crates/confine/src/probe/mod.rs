//! What Stockade needs of the host, and whether it is there: found out by using it, not by version numbers, wherever that
//! is possible.

mod cgroup;
mod child;
mod cpu;
mod filter;
mod kernel;
mod landlock;
mod limits;
mod listener;
mod memory;
mod namespaces;
mod needed;
mod notify;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of a feature is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All of it.
    Present,
    /// Stockade works, with a limit that `detail` names.
    Degraded,
    /// Stockade cannot work.
    Missing,
}

/// A feature of the host and its state.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What it is called.
    pub name: &'static str,
    /// What Stockade needs it for: "guest system calls are received through it".
    pub why: &'static str,
    /// Whether it is there.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do about it. Empty if there is nothing to do.
    pub fix: String,
}

impl Probe {
    fn present(name: &'static str, why: &'static str, detail: impl Into<String>) -> Self {
        Self { name, why, state: State::Present, detail: detail.into(), fix: String::new() }
    }

    fn degraded(
        name: &'static str,
        why: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, why, state: State::Degraded, detail: detail.into(), fix: fix.into() }
    }

    fn missing(
        name: &'static str,
        why: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, why, state: State::Missing, detail: detail.into(), fix: fix.into() }
    }
}

/// One sentence: what is missing, why it matters and what to do.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.state {
            State::Present => return write!(f, "{}: {}", self.name, self.detail),
            State::Degraded => "limits",
            State::Missing => "lacks",
        };
        write!(f, "this host {verb} {} ({}): {}", self.name, self.why, self.detail)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

/// The host cannot run sandboxes: the features it lacks, never none.
#[derive(Clone, Debug)]
pub struct Missing(Vec<Probe>);

impl Missing {
    /// What is missing, the most basic first.
    #[must_use]
    pub fn probes(&self) -> &[Probe] {
        &self.0
    }
}

impl fmt::Display for Missing {
    /// The sentence of the first: others often follow from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, more @ ..] = &self.0[..] else { return Ok(()) };
        write!(f, "{first}")?;
        match more.len() {
            0 => Ok(()),
            n => write!(f, " (and {n} more: `stockade doctor` lists them)"),
        }
    }
}

impl std::error::Error for Missing {}

/// All features, the most basic first. Runs some short-lived child processes; takes some tens of milliseconds.
#[must_use]
pub fn probe_all() -> Vec<Probe> {
    let mut probes = vec![kernel::version(), filter::inherited()];
    probes.extend(namespaces::all());
    probes.extend(notify::all());
    probes.push(memory::access());
    probes.push(kernel::thread_pidfds());
    probes.push(cpu::fsgsbase());
    probes.push(landlock::abi());
    probes.push(cgroup::limits());
    probes.push(limits::descriptors());
    probes.push(limits::mappings());
    probes
}

/// Whether the host has everything, as far as can be seen without trying: some ten system calls, the first time. What only
/// trying can tell (namespaces) is left to the start of the sandbox; where that fails, [`diagnose`] says why.
///
/// # Errors
/// What is missing, found by [`probe_all`].
pub fn require() -> Result<(), Missing> {
    static IS_ABLE: AtomicBool = AtomicBool::new(false);
    if !IS_ABLE.load(Ordering::Relaxed) {
        look()?;
        IS_ABLE.store(true, Ordering::Relaxed);
    }
    Ok(())
}

fn look() -> Result<(), Missing> {
    if notify::announced()
        && kernel::has_thread_pidfds()
        && cpu::has_fsgsbase()
        && limits::has_descriptors()
        && filter::inherited().state != State::Missing
    {
        return Ok(());
    }
    diagnose().map_or(Ok(()), Err)
}

/// What is missing, if anything is: for when a start has failed.
#[must_use]
pub fn diagnose() -> Option<Missing> {
    let missing: Vec<_> = probe_all().into_iter().filter(|probe| probe.state == State::Missing).collect();
    (!missing.is_empty()).then_some(Missing(missing))
}

#[cfg(test)]
mod tests;
