//! `stockade completions`: what a shell needs to complete commands and options.

use crate::cli::{Cli, CompletionsArgs};
use crate::failure::Failure;
use clap::CommandFactory as _;
use std::process::ExitCode;

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stockade", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
