//! `stockade top`: a sandbox, live.

use crate::cli::TopArgs;
use crate::connect::connect;
use crate::failure::Failure;
use crate::top::{self, Exit};
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

/// Shows it in the terminal, or prints it once.
pub(super) fn run(args: &TopArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect(state_dir, &args.id)?;
    if args.once {
        let text = top::once(&mut client, args.interval)
            .map_err(|e| Failure::new(format!("sandbox {}: {e}", args.id), ""))?;
        return super::print(&text);
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new("top needs a terminal", "`--once` prints the figures once"));
    }
    match top::watch(&args.id, &mut client, args.interval)? {
        Exit::Left => Ok(ExitCode::SUCCESS),
        Exit::SandboxEnded => {
            crate::run::say(&format!("sandbox {} has ended", args.id));
            Ok(ExitCode::SUCCESS)
        }
        Exit::Signal(signal) => Ok(u8::try_from(128 + signal).map_or(ExitCode::FAILURE, ExitCode::from)),
    }
}
