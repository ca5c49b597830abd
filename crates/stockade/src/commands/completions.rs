//! `stockade completions`: what a shell needs to complete commands and options.

use crate::cli::CompletionsArgs;
use crate::failure::{Failure, reason};
use std::process::ExitCode;

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    crate::complete::script(args.shell, &mut script)
        .map_err(|e| Failure::new(format!("completions for {}: {}", args.shell, reason(&e)), ""))?;
    super::print(&String::from_utf8_lossy(&script))
}
