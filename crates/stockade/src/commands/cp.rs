//! `stockade cp`: copy files into and out of a running sandbox.

use crate::cli::CopyArgs;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Copies.
pub(super) fn run(args: &CopyArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    crate::copy::run(args, state_dir).map(|()| ExitCode::SUCCESS)
}
