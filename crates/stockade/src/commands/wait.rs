//! `stockade wait`: wait for an end, and print what it was.

use crate::cli::WaitArgs;
use crate::connect;
use crate::failure::Failure;
use crate::state::{Record, StateDir, Status};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stockade_control::client::Error;

/// How long a sandbox whose programs have ended may take to be noted as stopped.
const GRACE: Duration = Duration::from_secs(5);

/// Prints an exit status, as a shell has it.
pub(super) fn run(args: &WaitArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let id = args.id.as_str();
    if let Some(pid) = args.pid {
        let mut client = connect::connect(state_dir, id)?;
        let status = client.wait_pid(pid).map_err(|e| connect::failed(id, &e))?;
        return print(shell_status(status));
    }
    let state = StateDir::open(state_dir)?;
    let record = state.sandbox(id)?;
    if record.status == Status::Stopped {
        return print(recorded(&record)?);
    }
    let waited = connect::connect(state_dir, id).and_then(|mut client| match client.wait() {
        Ok(status) => Ok(Some(status)),
        // Its record tells how.
        Err(Error::Ended | Error::Wire(_)) => Ok(None),
        Err(e) => Err(connect::failed(id, &e)),
    });
    wait_for_owner(&state, id)?;
    match (state.sandbox(id), waited) {
        (Ok(record), _) if record.status == Status::Stopped => print(recorded(&record)?),
        (_, Ok(Some(status))) => print(shell_status(status)),
        (_, Ok(None)) => Err(Failure::new(format!("sandbox {id} ended, and nobody saw how"), "")),
        (_, Err(failure)) => Err(failure),
    }
}

/// Until the sandbox can be deleted.
fn wait_for_owner(state: &StateDir, id: &str) -> Result<(), Failure> {
    let end = Instant::now() + GRACE;
    while Instant::now() < end && state.is_alive(id)? {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn recorded(record: &Record) -> Result<u32, Failure> {
    record.exit_status.map(u32::from).ok_or_else(|| {
        let why = record.message.as_deref().unwrap_or("nobody saw its end");
        Failure::new(format!("sandbox {}: its exit status is not known: {why}", record.id), "")
    })
}

/// From wait(2)'s encoding.
fn shell_status(status: u32) -> u32 {
    match status & 0x7f {
        0 => status >> 8 & 0xff,
        signal => 128 + signal,
    }
}

fn print(status: u32) -> Result<ExitCode, Failure> {
    super::print(&format!("{status}\n"))
}
