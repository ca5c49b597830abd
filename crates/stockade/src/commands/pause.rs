//! `stockade pause`: hold all programs of a sandbox.

use crate::cli::IdArgs;
use crate::connect;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Returns when all of them stand.
pub(super) fn run(args: &IdArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    client.pause().map_err(|e| connect::failed(&args.id, &e))?;
    Ok(ExitCode::SUCCESS)
}
