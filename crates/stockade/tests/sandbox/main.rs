//! Sandboxes as their users see them: `stockade do` from outside, with real programs inside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod control;
mod cp;
mod crash;
mod detached;
mod exec;
mod files;
mod filters;
mod held;
mod hostile;
mod identity;
mod limits;
mod memory;
mod posture;
mod processes;
mod profile;
mod pty;
mod saving;
mod strace;
mod streams;
mod terminal;
mod witness;

use std::process::{Command, Output};

/// `stockade do` with these arguments.
fn stockade_do(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("do").args(args);
    command
}

/// A shell script in a sandbox with these options.
fn script(options: &[&str], text: &str) -> Command {
    let mut command = stockade_do(options);
    command.args(["--", "sh", "-c", text]);
    command
}

/// The same command as an ordinary user, whom tests that root runs have to choose: one whom nothing belongs to. The binary
/// is copied to where that user can reach it, for as long as the directory lives.
fn as_user(command: &Command) -> (tempfile::TempDir, Command) {
    use std::os::unix::fs::PermissionsExt as _;
    let reachable =
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = reachable.path().join("stockade");
    std::fs::copy(command.get_program(), &copy).unwrap();
    let mut user = if rustix::process::geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=54321", "--regid=54321", "--clear-groups"]).arg(copy);
        setpriv.env_remove("XDG_RUNTIME_DIR");
        setpriv
    } else {
        Command::new(copy)
    };
    user.args(command.get_args()).current_dir("/");
    (reachable, user)
}

/// Runs to the end: standard output, standard error and exit status.
fn run(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), status.code())
}

/// Standard output of what succeeds silently.
fn output(command: &mut Command) -> String {
    let (stdout, stderr, status) = run(command);
    assert_eq!((stderr.as_str(), status), ("", Some(0)), "{stdout}");
    stdout
}
