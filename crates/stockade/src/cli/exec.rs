//! Options of the commands that go into a running sandbox.

use crate::complete;
use crate::parse::{self, EnvArg, PassFd, Place};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of `stockade exec`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS, override_usage = "stockade exec [OPTIONS] ID COMMAND [ARG]...")]
pub struct ExecArgs {
    /// Pass standard input on; without it the program has none
    #[arg(long, short)]
    pub interactive: bool,

    /// Give the program a terminal of its own; with -i, this one becomes raw meanwhile
    #[arg(long, short, conflicts_with = "detach")]
    pub tty: bool,

    /// Return when the program runs; what it prints is lost
    #[arg(long, short)]
    pub detach: bool,

    /// Set an environment variable, or pass the caller's with NAME alone; may be repeated
    #[arg(long, short = 'e', value_name = "NAME[=VALUE]")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::env(&text)))]
    pub env: Vec<EnvArg>,

    /// Read variables from a file: one per line, as for --env; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: Vec<PathBuf>,

    /// Working directory inside [default: the first process's]
    #[arg(long, short = 'w', visible_alias = "workdir", value_name = "DIR")]
    pub cwd: Option<OsString>,

    /// User, and group if not the user's own, as the sandbox's /etc/passwd and /etc/group know them [default: the first
    /// process's]
    #[arg(long, short = 'u', value_name = "NAME|UID[:GROUP|GID]")]
    pub user: Option<String>,

    /// More groups, by number; may be repeated
    #[arg(long, value_name = "GID,...", value_delimiter = ',', value_parser = parse::id_number)]
    pub additional_gids: Vec<u32>,

    /// Give the program this capability, and none that is not named; may be repeated
    #[arg(long, value_name = "CAP", value_parser = parse::capability)]
    pub cap: Vec<u64>,

    /// Pass a descriptor on, under its number or another one; may be repeated
    #[arg(long, value_name = "HOST[:GUEST]", value_parser = parse::pass_fd)]
    pub pass_fd: Vec<PassFd>,

    /// Write the program's process id inside to a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub pid_file: Option<PathBuf>,

    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    #[arg(value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

const EXIT_STATUS: &str = "\
Exit status:
  The program's own; 128+N when signal N ended it; 127 when COMMAND was not found; 126 when it
  cannot be executed; 125 for errors of Stockade itself.";

/// Options of `stockade cp`.
#[derive(Debug, Args)]
#[command(after_help = COPY_EXAMPLES)]
pub struct CopyArgs {
    /// What to copy: ID:PATH in a sandbox, a path on the host, or `-` for a tar stream on standard input
    #[arg(value_name = "SOURCE", add = complete::place())]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::place(&text)))]
    pub source: Place,

    /// Where to: the other of the two, or `-` for a tar stream on standard output
    #[arg(value_name = "DESTINATION", add = complete::place())]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::place(&text)))]
    pub destination: Place,
}

const COPY_EXAMPLES: &str = "\
Examples:
  stockade cp box:/var/log/app.log .
  stockade cp ./data box:/srv          the directory itself, if /srv is one
  stockade cp ./data/. box:/srv        what is in it
  stockade cp box:/srv - | tar -tv     as a tar stream";
