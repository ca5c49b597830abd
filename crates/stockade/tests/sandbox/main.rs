//! Sandboxes as their users see them: `stockade do` from outside, with real programs inside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod control;
mod cp;
mod crash;
mod detached;
mod exec;
mod files;
mod filters;
mod hostile;
mod identity;
mod limits;
mod memory;
mod posture;
mod processes;
mod pty;
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
