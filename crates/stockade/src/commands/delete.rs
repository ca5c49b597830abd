//! `stockade delete`: remove sandboxes that have stopped, or end those that run.

use crate::cli::DeleteArgs;
use crate::failure::{Failure, reason};
use crate::state::{Record, StateDir, Status};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stockade_control::client::Client;
use stockade_control::types::container::{SignalArgs, SignalDeliveryMode};

/// How long a sandbox may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// Removes each; what cannot be removed does not keep the others.
pub(super) fn run(args: &DeleteArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let state = StateDir::open(state_dir)?;
    let mut failed = false;
    for id in &args.ids {
        if let Err(failure) = delete(&state, id, args.force) {
            crate::run::say(&failure.to_string());
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn delete(state: &StateDir, id: &str, force: bool) -> Result<(), Failure> {
    let record = state.sandbox(id)?;
    if record.status == Status::Stopped {
        // Its owner, who has noted that, may be about to go.
        gone(state, &record)?;
    } else if force {
        end(state, &record)?;
    }
    state.remove(id)
}

/// Ends a sandbox that runs, so that its owner sees the end; an owner that does not react is killed, and the sandbox with
/// it.
fn end(state: &StateDir, record: &Record) -> Result<(), Failure> {
    let kill = SignalArgs { signo: 9, mode: SignalDeliveryMode::Process, ..SignalArgs::default() };
    let asked = Client::connect(&record.control_socket).map_err(drop).and_then(|mut client| {
        client.call::<serde_json::Value>("containerManager.Signal", &kill, &[]).map_err(drop)
    });
    if asked.is_ok() && gone(state, record)? {
        return Ok(());
    }
    kill_owner(state, record)?;
    if gone(state, record)? {
        return Ok(());
    }
    Err(Failure::new(
        format!("sandbox {}: its owner (process {}) does not end", record.id, record.front),
        "look at that process; it may wait for a disk that does not answer",
    ))
}

fn kill_owner(state: &StateDir, record: &Record) -> Result<(), Failure> {
    let on_host = |e: io::Error| Failure::new(format!("sandbox {}: {}", record.id, reason(&e)), "");
    let Some(pid) = i32::try_from(record.front).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let owner = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(owner) => owner,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(e) => return Err(on_host(e.into())),
    };
    // Whoever holds the lock now had the process id before too, so that it is no stranger's.
    if state.is_alive(&record.id)? {
        match pidfd_send_signal(&owner, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(e) => return Err(on_host(e.into())),
        }
    }
    Ok(())
}

/// Whether its owner is gone within the time it has.
fn gone(state: &StateDir, record: &Record) -> Result<bool, Failure> {
    let end = Instant::now() + GRACE;
    while state.is_alive(&record.id)? {
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}
