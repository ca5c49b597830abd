//! One file per command, and the way from `main` to them.

mod clone;
mod completions;
mod cp;
mod debug;
mod delete;
mod do_;
mod doctor;
mod events;
mod exec;
mod inspect;
mod kill;
mod list;
mod logs;
mod man;
mod metrics;
mod pause;
mod profile;
mod ps;
mod restore;
mod resume;
mod save;
mod state;
mod syscalls;
mod top;
mod version;
mod wait;

use crate::cli::{Cli, Command};
use crate::failure::{Failure, OWN_ERROR};
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::ExitCode;

/// Parses the arguments of this process and runs what they say.
#[must_use]
pub fn main() -> ExitCode {
    crate::complete::answer();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli),
        Err(error) => {
            // A reader that went away is no reason to fail.
            drop(error.print());
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ if runs_a_program(&arguments) => OWN_ERROR.into(),
                _ => ExitCode::from(2),
            }
        }
    }
}

fn run(cli: Cli) -> ExitCode {
    let state_dir = cli.state_dir.as_deref();
    let (result, failed) = match cli.command {
        Command::Do(args) => (do_::run(*args, state_dir), ExitCode::from(OWN_ERROR)),
        Command::Exec(args) => (exec::run(&args, state_dir), ExitCode::from(OWN_ERROR)),
        Command::Cp(args) => (cp::run(&args, state_dir), ExitCode::FAILURE),
        Command::List(args) => (list::run(&args, state_dir), ExitCode::FAILURE),
        Command::State(args) => (state::run(&args, state_dir), ExitCode::FAILURE),
        Command::Logs(args) => (logs::run(&args, state_dir), ExitCode::FAILURE),
        Command::Ps(args) => (ps::run(&args, state_dir), ExitCode::FAILURE),
        Command::Kill(args) => (kill::run(&args, state_dir), ExitCode::FAILURE),
        Command::Wait(args) => (wait::run(&args, state_dir), ExitCode::FAILURE),
        Command::Pause(args) => (pause::run(&args, state_dir), ExitCode::FAILURE),
        Command::Resume(args) => (resume::run(&args, state_dir), ExitCode::FAILURE),
        Command::Debug(args) => (debug::run(&args, state_dir), ExitCode::FAILURE),
        Command::Events(args) => (events::run(&args, state_dir), ExitCode::FAILURE),
        Command::Metrics(args) => (metrics::run(&args, state_dir), ExitCode::FAILURE),
        Command::Profile(args) => (profile::run(&args, state_dir), ExitCode::FAILURE),
        Command::Top(args) => (top::run(&args, state_dir), ExitCode::FAILURE),
        Command::Delete(args) => (delete::run(&args, state_dir), ExitCode::FAILURE),
        Command::Save(args) => (save::run(&args, state_dir), ExitCode::FAILURE),
        Command::Clone(args) => (clone::run(&args, state_dir), ExitCode::from(OWN_ERROR)),
        Command::Restore(args) => (restore::run(&args, state_dir), ExitCode::from(OWN_ERROR)),
        Command::Inspect(args) => (inspect::run(&args, state_dir), ExitCode::FAILURE),
        Command::Doctor(args) => (doctor::run(&args), ExitCode::FAILURE),
        Command::Syscalls(args) => (syscalls::run(&args), ExitCode::FAILURE),
        Command::Completions(args) => (completions::run(&args), ExitCode::FAILURE),
        Command::Man(args) => (man::run(&args), ExitCode::FAILURE),
        Command::Version(args) => (version::run(&args), ExitCode::FAILURE),
    };
    result.unwrap_or_else(|failure| {
        crate::run::say(&failure.to_string());
        failed
    })
}

/// Prints to standard output; a reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    write(text).map(|_| ExitCode::SUCCESS)
}

/// Prints a line at once; false if the reader went away.
pub(crate) fn print_line(line: &str) -> Result<bool, Failure> {
    write(&format!("{line}\n"))
}

fn write(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new(format!("standard output: {}", crate::failure::reason(&e)), "")),
    }
}

/// Whether the command of these arguments, which did not parse, has the exit status of a program.
fn runs_a_program(arguments: &[OsString]) -> bool {
    let mut rest = arguments.iter().skip(1).map(OsString::as_os_str);
    while let Some(argument) = rest.next() {
        if argument == OsStr::new("--state-dir") {
            rest.next();
        } else if !argument.as_encoded_bytes().starts_with(b"-") {
            return ["do", "exec", "restore"].map(OsStr::new).contains(&argument);
        }
    }
    false
}
