//! Many sandboxes of one image.

use crate::detached::{self, Begun};
use crate::failure::{Failure, OWN_ERROR};
use crate::plan::{Detach, Plan};
use crate::sentry::{self, Saved};
use crate::state::StateDir;
use std::cell::Cell;
use std::path::Path;

/// So many names: the one asked for, or else the one that the sandbox had, with a number; those that are taken are left
/// out, unless they were asked for.
pub(crate) fn numbered(
    asked: Option<&str>,
    had: &str,
    count: u32,
    state: &StateDir,
) -> Result<Vec<String>, Failure> {
    let taken: Vec<String> = state.sandboxes()?.into_iter().map(|record| record.id).collect();
    let name = |n: u32| format!("{}-{n}", asked.unwrap_or(had));
    if asked.is_some() {
        return Ok((1..=count).map(name).collect());
    }
    Ok((1..).map(name).filter(|name| !taken.contains(name)).take(count as usize).collect())
}

/// Starts a detached sandbox of each name, all at once; prints those that run. Those that cannot be started are told of.
///
/// # Errors
/// When none can be begun.
pub(crate) fn run_all(
    plan: &Plan,
    detach: Detach,
    state_dir: Option<&Path>,
    names: &[String],
    saved: Saved,
) -> Result<u8, Failure> {
    let saved = Cell::new(Some(saved));
    let mut begun = Vec::new();
    for name in names {
        let mut plan = plan.clone();
        plan.sandbox.id.clone_from(name);
        // It is called once in each process that is a sentry, and in none that is not.
        let sentry =
            |boot: crate::run::Boot<'_>| saved.take().map_or(OWN_ERROR, |saved| sentry::restore(boot, saved));
        match detached::begin(&plan, detach, state_dir, sentry)? {
            Begun::Ended(status) => return Ok(status),
            Begun::Waits(reports) => begun.push((plan, reports)),
        }
    }
    let mut status = 0;
    for (plan, mut reports) in begun {
        status = status.max(detached::wait(&plan, &mut reports)?);
    }
    Ok(status)
}
