//! `stockade do`: run a program in a new sandbox.

use crate::caller::Caller;
use crate::cli::DoArgs;
use crate::failure::Failure;
use crate::plan::plan;
use std::path::Path;
use std::process::ExitCode;

/// Runs the sandbox that the options describe; the exit status is the program's.
pub(super) fn run(args: DoArgs, _state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let plan = plan(args, &Caller::current()?)?;
    Err(Failure::new(format!("{}: this build cannot run programs yet", plan.sandbox.id), ""))
}
