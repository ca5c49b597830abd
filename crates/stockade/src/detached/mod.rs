//! Sandboxes that outlive the command that makes them. A copy of the command, the *monitor*, goes on in a session of its own
//! as their front: it holds the name, writes down what they print, and notes their end. The command waits until the first
//! program runs, or for why it does not.

mod monitor;
mod report;

use crate::failure::{Failure, OWN_ERROR};
use crate::plan::{Detach, Plan};
use crate::run::{Boot, on_host, say};
use report::Report;
pub(crate) use report::Reports;
use std::path::Path;
use stockade_confine::Side;

/// A sandbox that is being started.
pub(crate) enum Begun {
    /// This is its monitor, at the end.
    Ended(u8),
    /// It tells how it begins.
    Waits(Reports),
}

/// Starts a sandbox whose sentry is `sentry`; prints its name when its first program runs. Returns in the monitor too, at the
/// end.
///
/// # Errors
/// What kept the sandbox from starting, with its next step.
pub(crate) fn run(
    plan: &Plan,
    detach: Detach,
    state_dir: Option<&Path>,
    sentry: impl FnOnce(Boot<'_>) -> u8,
) -> Result<u8, Failure> {
    match begin(plan, detach, state_dir, sentry)? {
        Begun::Ended(status) => Ok(status),
        Begun::Waits(mut reports) => wait(plan, &mut reports),
    }
}

/// The same, without waiting. Returns in the monitor too, at the end.
///
/// # Errors
/// What kept it from being begun.
pub(crate) fn begin(
    plan: &Plan,
    detach: Detach,
    state_dir: Option<&Path>,
    sentry: impl FnOnce(Boot<'_>) -> u8,
) -> Result<Begun, Failure> {
    // Opened here, a relative path means what the caller means by it.
    let state = crate::state::StateDir::open(state_dir)?;
    let (reports, reporter) = report::channel().map_err(|e| on_host(plan, &e))?;
    match stockade_confine::detach().map_err(|e| on_host(plan, &e))? {
        Side::New => {
            drop(reports);
            Ok(Begun::Ended(monitor::run(plan, detach, &state, sentry, reporter)))
        }
        Side::Before => Ok(Begun::Waits(reports)),
    }
}

/// Waits until it runs, and prints its name; or says why it does not.
///
/// # Errors
/// When its monitor cannot be heard.
pub(crate) fn wait(plan: &Plan, reports: &mut Reports) -> Result<u8, Failure> {
    loop {
        match reports.next().map_err(|e| on_host(plan, &e))? {
            Some(Report::Notice(text)) if plan.quiet => drop(text),
            Some(Report::Notice(text)) => say(&text),
            Some(Report::Started) => {
                crate::commands::print(&format!("{}\n", plan.sandbox.id))?;
                return Ok(0);
            }
            Some(Report::Failed { status, message }) => {
                if let Some(message) = message {
                    say(&message);
                }
                return Ok(status);
            }
            None => {
                say(&format!("sandbox {}: what was to watch over it was killed", plan.sandbox.id));
                return Ok(OWN_ERROR);
            }
        }
    }
}
