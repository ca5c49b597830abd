//! The way to a running sandbox's control server.

use std::io;
use std::path::Path;

use stockade_abi::Errno;
use stockade_control::client::{Client, Error};

use crate::failure::{Failure, reason};
use crate::state::StateDir;

/// Connects to the sandbox with this name.
///
/// # Errors
/// When there is none, or it does not answer; with the next step.
pub fn connect(state_dir: Option<&Path>, id: &str) -> Result<Client, Failure> {
    let state = StateDir::open(state_dir)?;
    Client::connect(&state.control_socket(id)).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => match state.sandbox(id) {
            Ok(_) => Failure::new(format!("sandbox {id} does not run"), "`stockade list` shows which do"),
            Err(failure) => failure,
        },
        _ => Failure::new(format!("sandbox {id}: its control socket: {}", reason(&e)), ""),
    })
}

/// What a call to the sandbox with this name failed with, as the user reads it.
#[must_use]
pub fn failed(id: &str, error: &Error) -> Failure {
    let hint = match error {
        Error::Remote { errno: Some(errno), .. } if *errno == Errno::ESRCH.raw() => {
            format!("`stockade ps {id}` shows which processes there are")
        }
        Error::Ended => "`stockade list` shows which sandboxes run".to_owned(),
        _ => String::new(),
    };
    Failure::new(format!("sandbox {id}: {error}"), hint)
}
