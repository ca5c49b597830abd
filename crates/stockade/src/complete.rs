//! Completions that depend on which sandboxes there are. The shell calls this program for them.

use crate::cli::Cli;
use crate::state::{Record, StateDir};
use clap::CommandFactory as _;
use clap_complete::engine::{PathCompleter, ValueCompleter as _};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The variable by which the shell's script asks for completions.
const VARIABLE: &str = "STOCKADE_COMPLETE";

/// Answers the shell's script and ends, if that is who calls.
pub(crate) fn answer() {
    // Looked at first: to describe all options takes time.
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
    }
}

/// Writes the script that a shell loads.
pub(crate) fn script(shell: clap_complete::Shell, to: &mut dyn io::Write) -> io::Result<()> {
    let shell = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell).ok_or(io::ErrorKind::Unsupported)?;
    completer.write_registration(VARIABLE, "stockade", "stockade", "stockade", to)
}

/// The names of all sandboxes.
pub(crate) fn id() -> ArgValueCandidates {
    ArgValueCandidates::new(candidates)
}

fn candidates() -> Vec<CompletionCandidate> {
    records().iter().map(|r| CompletionCandidate::new(&r.id).help(Some(describe(r).into()))).collect()
}

/// Paths of the host, and the names of sandboxes with the colon behind which a path in them stands.
pub(crate) fn place() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let begins = |name: &String| name.as_bytes().starts_with(current.as_encoded_bytes());
        let names = records().into_iter().map(|r| r.id + ":").filter(begins);
        let names = names.map(CompletionCandidate::new);
        names.chain(PathCompleter::any().complete(current)).collect()
    })
}

fn records() -> Vec<Record> {
    let option = state_dir(std::env::args_os());
    StateDir::open(option.as_deref()).and_then(|state| state.sandboxes()).unwrap_or_default()
}

fn describe(record: &Record) -> String {
    format!("{}: {}", record.status.word(), record.command.join(" "))
}

/// The `--state-dir` of the line that is being completed.
fn state_dir(line: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let words: Vec<OsString> = line.collect();
    let apart = words.windows(2).find(|pair| pair[0] == "--state-dir").map(|pair| pair[1].as_os_str());
    let joined = words.iter().find_map(|word| word.to_str()?.strip_prefix("--state-dir="));
    apart.map(Path::new).or(joined.map(Path::new)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_own_state_directory_counts() {
        let of = |line: &str| state_dir(line.split(' ').map(OsString::from));
        assert_eq!(of("stockade --state-dir /x state a"), Some("/x".into()));
        assert_eq!(of("stockade --state-dir=/x state a"), Some("/x".into()));
        assert_eq!(of("stockade state a"), None);
    }
}
