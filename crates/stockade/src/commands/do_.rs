//! `stockade do`: run a program in a new sandbox.

use crate::caller::Caller;
use crate::cli::DoArgs;
use crate::failure::Failure;
use crate::plan::plan;
use std::path::Path;
use std::process::ExitCode;

/// Runs the sandbox that the options describe; the exit status is the program's.
pub(super) fn run(args: DoArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    // First of all: the rest assumes calls that an inherited filter may refuse.
    stockade_confine::probe::require().map_err(|missing| crate::run::not_able(&missing))?;
    let plan = plan(args, &Caller::current()?)?;
    if let Some(detach) = plan.detach {
        return crate::detached::run(&plan, detach, state_dir, crate::sentry::boot).map(ExitCode::from);
    }
    crate::run::run(&plan, state_dir, crate::sentry::boot).map(ExitCode::from)
}
