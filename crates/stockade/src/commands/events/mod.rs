//! `stockade events`: what a sandbox uses, or what its programs do, until it ends.

mod stats;
mod strace;

use crate::cli::EventsArgs;
use crate::connect;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Prints a line for each event.
pub(super) fn run(args: &EventsArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let client = connect::connect(state_dir, &args.id)?;
    if args.strace { strace::print(client, &args.id) } else { stats::print(client, args) }
}
