//! `stockade kill`: send a signal into a sandbox.

use crate::cli::KillArgs;
use crate::connect;
use crate::failure::Failure;
use crate::run::say;
use std::path::Path;
use std::process::ExitCode;
use stockade_control::types::container::{ContainerStatus, SignalArgs, SignalDeliveryMode};

/// The one that a pause does not hold up.
const KILL: i32 = stockade_abi::signal::SIGKILL;

/// To the first process, to one, or to all.
pub(super) fn run(args: &KillArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    let mode = if args.all { SignalDeliveryMode::All } else { SignalDeliveryMode::Process };
    let signal = SignalArgs { signo: args.signal, pid: args.pid.unwrap_or(0), mode, ..SignalArgs::default() };
    client.signal(&signal).map_err(|e| connect::failed(&args.id, &e))?;
    let is_paused = args.signal != KILL && matches!(client.status(), Ok(ContainerStatus::Paused));
    if is_paused {
        let id = &args.id;
        say(&format!(
            "sandbox {id} is paused: the signal is taken when `stockade resume {id}` lets it go on"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
