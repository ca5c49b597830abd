//! `stockade state`: what is known of a sandbox from outside, as JSON.

use crate::cli::IdArgs;
use crate::failure::Failure;
use crate::state::{Record, StateDir};
use std::path::Path;
use std::process::ExitCode;

/// Prints the record.
pub(super) fn run(args: &IdArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut record = StateDir::open(state_dir)?.sandbox(&args.id)?;
    look(&mut record);
    let text = serde_json::to_string_pretty(&record).map_err(|e| Failure::new(e.to_string(), ""))?;
    super::print(&(text + "\n"))
}

/// Asks a sandbox that runs what only it knows.
pub(super) fn look(_record: &mut Record) {}
