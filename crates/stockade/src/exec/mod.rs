//! Programs in a running sandbox: what `stockade exec` asks for ([`request`]), the descriptors that go with it ([`streams`]),
//! and the time until its end ([`session`]).

mod request;
mod session;
mod streams;

use crate::cli::ExecArgs;
use crate::failure::{Failure, OWN_ERROR, reason};
use crate::front::Signals;
use crate::terminal::{Outer, Raw, wait_for_foreground};
use session::Session;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use stockade_control::client::{Client, Error};
use stockade_control::types::proc::DefaultsArgs;

/// Executes a program and waits for its end, unless told not to: the exit status.
///
/// # Errors
/// Those of Stockade itself; what keeps the program from being executed is said, and the status.
pub(crate) fn run(args: &ExecArgs, state_dir: Option<&Path>) -> Result<u8, Failure> {
    let mut client = crate::connect::connect(state_dir, &args.id)?;
    let user = args.user.clone().unwrap_or_default();
    let defaults = client.defaults(&DefaultsArgs { user }).map_err(|e| on_sandbox(&args.id, &e))?;
    let mut request = request::request(args, defaults)?;
    if args.tty {
        return on_terminal(args, state_dir, client, request);
    }
    let streams = streams::streams(args)?;
    request.guest_fds = Some(streams.iter().map(|(number, _)| *number).collect());
    let files: Vec<_> = streams.iter().map(|(_, fd)| fd.as_fd()).collect();
    // A signal that comes from here on is the program's.
    let signals = Signals::block().map_err(|e| on_host(&args.id, &e))?;
    let pid = match client.execute_async(&request, &files) {
        Ok(pid) => pid,
        Err(e) => return not_executed(&args.id, &e),
    };
    drop(streams);
    write_pid(args, pid)?;
    if args.detach {
        return Ok(0);
    }
    Session { id: &args.id, state_dir, client, pid, signals: &signals }.wait()
}

fn on_terminal(
    args: &ExecArgs,
    state_dir: Option<&Path>,
    mut client: Client,
    mut request: stockade_control::types::proc::ExecArgs,
) -> Result<u8, Failure> {
    let on_host = |e: io::Error| on_host(&args.id, &e);
    if args.interactive {
        wait_for_foreground();
    }
    let signals = Signals::block().map_err(on_host)?;
    let Outer { master, slave } = Outer::open().map_err(on_host)?;
    let passed = streams::passed(args)?;
    request.stdio_is_pty = true;
    request.guest_fds = Some([0, 1, 2].into_iter().chain(passed.iter().map(|(number, _)| *number)).collect());
    let mut files = vec![slave.as_fd(); 3];
    files.extend(passed.iter().map(|(_, fd)| fd.as_fd()));
    let pid = match client.execute_async(&request, &files) {
        Ok(pid) => pid,
        Err(e) => return not_executed(&args.id, &e),
    };
    // When the sandbox closes it, that is the end.
    drop((slave, passed));
    write_pid(args, pid)?;
    let raw = if args.interactive { Raw::enter().map_err(on_host)? } else { None };
    let session = Session { id: &args.id, state_dir, client, pid, signals: &signals };
    session.wait_on_terminal(Arc::new(master), args.interactive, raw)
}

/// What is said of a program that is not there or cannot be executed, and the exit status.
fn not_executed(id: &str, error: &Error) -> Result<u8, Failure> {
    const NOT_FOUND: i32 = 2;
    let Error::Remote { message, errno: Some(errno) } = error else { return Err(on_sandbox(id, error)) };
    crate::run::say(&crate::front::one_line(message));
    // A directory to work in that is missing is no program that is.
    let is_program = !message.starts_with("working directory ");
    Ok(if *errno == NOT_FOUND && is_program { 127 } else { 126 })
}

fn write_pid(args: &ExecArgs, pid: i32) -> Result<(), Failure> {
    let Some(path) = &args.pid_file else { return Ok(()) };
    std::fs::write(path, pid.to_string()).map_err(|e| {
        let cause = format!("--pid-file {}: {}", path.display(), reason(&e));
        Failure::new(cause, format!("the program runs as process {pid} of sandbox {}", args.id))
    })
}

fn on_sandbox(id: &str, error: &Error) -> Failure {
    Failure::new(format!("sandbox {id}: {}", crate::front::one_line(&error.to_string())), "")
}

fn on_host(id: &str, e: &io::Error) -> Failure {
    Failure::new(format!("sandbox {id}: {}", reason(e)), "")
}

/// The exit status of what ended so (wait(2)'s encoding).
fn exit_status(status: u32) -> u8 {
    match status & 0x7f {
        0 => (status >> 8) as u8,
        signal => 128_u8.saturating_add(signal as u8),
    }
}

/// What is said when the sandbox is gone before it told of the program's end.
fn lost(id: &str) -> u8 {
    crate::run::say(&format!("sandbox {id} ended without saying how the program did"));
    OWN_ERROR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert_eq!((exit_status(0), exit_status(3 << 8), exit_status(9), exit_status(64)), (0, 3, 137, 192));
        // A core dump is none of it.
        assert_eq!(exit_status(0x80 | 11), 139);
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_refused() {
        let of = |message: &str, errno| {
            not_executed("x", &Error::Remote { message: message.into(), errno }).map_err(|f| f.to_string())
        };
        assert_eq!(of("a: No such file or directory", Some(2)), Ok(127));
        assert_eq!(of("a: Permission denied", Some(13)), Ok(126));
        assert_eq!(of("working directory /a: No such file or directory", Some(2)), Ok(126));
        assert_eq!(of("GuestFDs", None), Err("sandbox x: GuestFDs".into()));
    }
}
