//! `stockade state`: what is known of a sandbox from outside, as JSON.

use crate::cli::IdArgs;
use crate::failure::Failure;
use crate::state::{Record, StateDir, Status};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use stockade_control::client::Client;
use stockade_control::types::container::ContainerStatus;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints the record.
pub(super) fn run(args: &IdArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut record = StateDir::open(state_dir)?.sandbox(&args.id)?;
    look(&mut record);
    let text = serde_json::to_string_pretty(&record).map_err(|e| Failure::new(e.to_string(), ""))?;
    super::print(&(text + "\n"))
}

/// Asks a sandbox that runs what only it knows; one that does not answer is left as its record has it.
pub(super) fn look(record: &mut Record) {
    if record.status != Status::Running {
        return;
    }
    let paused = Client::connect(&record.control_socket).ok().and_then(|mut client| {
        client.set_timeout(PATIENCE).ok()?;
        client.status().ok()
    });
    if paused == Some(ContainerStatus::Paused) {
        record.status = Status::Paused;
    }
}
