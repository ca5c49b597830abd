//! `stockade restore`: go on with a saved sandbox.

use crate::cli::RestoreArgs;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Goes on with it; the exit status is that of its first process.
pub(super) fn run(args: &RestoreArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    crate::restore::run(args, state_dir).map(ExitCode::from)
}
