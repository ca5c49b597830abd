//! `stockade exec`: run a program in a running sandbox.

use crate::cli::ExecArgs;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Runs it; the exit status is the program's.
pub(super) fn run(args: &ExecArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    crate::exec::run(args, state_dir).map(ExitCode::from)
}
