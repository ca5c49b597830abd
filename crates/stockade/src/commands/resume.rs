//! `stockade resume`: let the programs of a paused sandbox go on.

use crate::cli::IdArgs;
use crate::connect;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Does nothing to one that is not paused.
pub(super) fn run(args: &IdArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    client.resume().map_err(|e| connect::failed(&args.id, &e))?;
    Ok(ExitCode::SUCCESS)
}
