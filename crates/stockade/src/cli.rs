//! Options and commands, declared once: parsing, help, completions and the man page come from here.

mod control;
mod exec;
mod images;
mod profile;
mod sandboxes;

pub use crate::parse::Place;
pub use control::{DebugArgs, EventsArgs, KillArgs, PsArgs, Switch, Traced, WaitArgs};
pub use exec::{CopyArgs, ExecArgs};
pub use images::{CloneArgs, Compress, InspectArgs, RestoreArgs, SaveArgs, Verify};
pub use profile::{ProfileArgs, ProfileKind, TopArgs};
pub use sandboxes::{DeleteArgs, IdArgs, ListArgs, LogsArgs};

use crate::config::{Cpus, LogFormat, LogLevel};
use crate::parse::{self, EnvArg, OverlayArg, VolumeArg};
use clap::builder::OsStringValueParser;
use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run Linux programs that nobody trusts on a kernel of their own.
///
/// Stockade answers every system call of the programs inside a sandbox itself; none of them reaches the host's kernel.
#[derive(Debug, Parser)]
#[command(
    name = "stockade",
    version,
    max_term_width = 100,
    propagate_version = false,
    subcommand_required = true
)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// Where sandboxes are recorded [default: /run/stockade for root, else $XDG_RUNTIME_DIR/stockade or
    /// /tmp/stockade-UID]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program in a new sandbox
    ///
    /// Without options the program sees the caller's own file system, read-only under an overlay in memory: it can change
    /// everything, and nothing of that reaches the host. It keeps the caller's working directory, environment, user and
    /// groups, and has no network. Options end at COMMAND; what follows belongs to the program.
    Do(Box<DoArgs>),
    /// Run a program in a running sandbox
    ///
    /// Environment, working directory, user and groups are those of the first process unless said otherwise. Options end at
    /// ID; what follows belongs to the program.
    Exec(Box<ExecArgs>),
    /// Copy files into and out of a running sandbox
    ///
    /// Owners (of what root copies), permissions, times, links and holes are kept; set-id bits do not leave a sandbox. Links
    /// are copied, not followed.
    Cp(CopyArgs),
    /// List the sandboxes that run, and the detached ones that have stopped
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print what is known of a sandbox, as JSON
    State(IdArgs),
    /// Print the output of a detached sandbox, or Stockade's own log of any
    Logs(LogsArgs),
    /// List the processes of a sandbox
    Ps(PsArgs),
    /// Send a signal to a sandbox's first process, or to others
    Kill(KillArgs),
    /// Wait for the end of a sandbox or of a process, and print its exit status
    Wait(WaitArgs),
    /// Hold all programs of a sandbox
    Pause(IdArgs),
    /// Let the programs of a paused sandbox go on
    #[command(visible_alias = "unpause")]
    Resume(IdArgs),
    /// Change what the sentry of a sandbox logs, while it runs; without options, print that
    Debug(DebugArgs),
    /// Print what a sandbox uses, or the system calls that its programs make, until it ends
    Events(EventsArgs),
    /// Print the figures of a sandbox in the text format of Prometheus
    Metrics(IdArgs),
    /// Profile a running sandbox's sentry: CPU time, memory, waits, threads, a trace
    ///
    /// Profiles are pprof's (`go tool pprof`, speedscope, flamegraph), traces are Perfetto's and Chrome's. The sandbox goes on
    /// meanwhile.
    Profile(ProfileArgs),
    /// Show the processes and system calls of a running sandbox, live in the terminal
    ///
    /// Which processes use CPU time and memory, which calls are made, which are slow, fail or are not supported. `h` lists the
    /// keys.
    Top(TopArgs),
    /// Remove sandboxes that have stopped
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Write a sandbox to a file, an image, and end it
    ///
    /// All of it: its processes, their memory, its files in memory. Without --key-file anybody who can write the image can make
    /// another one of it. The image can be a pipe. If the sandbox cannot be saved, it goes on.
    #[command(visible_alias = "checkpoint")]
    Save(SaveArgs),
    /// Make detached copies of a running sandbox, which go on where it stands
    ///
    /// It is held while it is saved to memory that all of them share until they write; nothing else of it is shared. Prints
    /// their names.
    Clone(CloneArgs),
    /// Go on with a saved sandbox
    ///
    /// It goes on where it stood, with this command's standard streams in the place of those that it had, its directories of
    /// the host under the same paths, and its limits. Memory is read from the image when it is used, so that the image
    /// must neither be changed nor cut off meanwhile. One that this host neither wrote nor checked before is checked first.
    Restore(RestoreArgs),
    /// Print what an image holds, and whether it is whole; nothing of it runs
    ///
    /// An image that was saved with a key is shown without it too, but only --key-file tells who wrote it. Page data is not
    /// read. Exit status 1 when the image is damaged, or the key another one.
    Inspect(InspectArgs),
    /// Say whether this host can run sandboxes, and what to do where it cannot
    ///
    /// Each feature that Stockade needs is tried, not looked up by version. Exit status 1 when one that is needed is missing.
    Doctor(FormatArgs),
    /// List the system calls of x86-64 and how well each is supported
    Syscalls(SyscallsArgs),
    /// Print completions for a shell, to be loaded from its start-up file
    ///
    /// The script asks this program, so that names of sandboxes are completed too.
    #[command(after_help = "Example: stockade completions bash > /etc/bash_completion.d/stockade")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands to a directory
    #[command(after_help = "Example: stockade man | man -l -")]
    Man(ManArgs),
    /// Print the version
    Version(FormatArgs),
}

/// Options of `stockade syscalls`.
#[derive(Debug, Args)]
pub struct SyscallsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print the table of docs/syscalls.md
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// Options of `stockade completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// Options of `stockade man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write stockade.1, stockade-do.1 and so on into this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

/// Options of commands that print for people or for programs.
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `stockade do`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES_SHORT, after_long_help = EXAMPLES, override_usage = "stockade do [OPTIONS] [--] COMMAND [ARG]...")]
pub struct DoArgs {
    /// Directory that becomes the root file system [default: /]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Files")]
    pub root: Option<PathBuf>,

    /// Show a file or directory of the host inside, at DST or in its own place; may be repeated
    ///
    /// Read-write unless `ro` is said: what the program writes there reaches the host. SRC may be relative to the
    /// working directory. `\:` stands for a colon in a path.
    #[arg(long, short = 'v', value_name = "SRC[:DST[:ro|rw]]", help_heading = "Files")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::volume(&text)))]
    pub volume: Vec<VolumeArg>,

    /// Where changes to the root go: memory, none (the root is read-only), or a directory that keeps them
    #[arg(long, value_name = "memory|none|DIR", default_value = "memory", help_heading = "Files")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::overlay(&text)))]
    pub overlay: OverlayArg,

    /// Working directory inside [default: the caller's]
    #[arg(long, value_name = "DIR", help_heading = "Process")]
    pub cwd: Option<PathBuf>,

    /// Set an environment variable, or pass the caller's with NAME alone; may be repeated
    #[arg(long, short = 'e', value_name = "NAME[=VALUE]", help_heading = "Process")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::env(&text)))]
    pub env: Vec<EnvArg>,

    /// Begin with an empty environment instead of the caller's
    #[arg(long, help_heading = "Process")]
    pub clear_env: bool,

    /// User id inside [default: the caller's]; another one than the caller's drops supplementary groups
    #[arg(long, value_name = "UID", value_parser = parse::id_number, help_heading = "Process")]
    pub uid: Option<u32>,

    /// Group id inside [default: the caller's]; another one than the caller's drops supplementary groups
    #[arg(long, value_name = "GID", value_parser = parse::id_number, help_heading = "Process")]
    pub gid: Option<u32>,

    /// Host name inside [default: the host's]
    #[arg(long, value_name = "NAME", value_parser = parse::hostname, help_heading = "Process")]
    pub hostname: Option<String>,

    /// Memory of the sandbox, its overlay in memory included, such as 512M or 2GiB [default: half of the host's]
    #[arg(long, short = 'm', value_name = "SIZE", value_parser = parse::size, help_heading = "Limits")]
    pub memory: Option<u64>,

    /// Tasks (processes and threads) of the sandbox [default: 2048]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_194_304), help_heading = "Limits")]
    pub pids: Option<u32>,

    /// CPU time per second, in CPUs, such as 2 or 0.5 [default: all]
    #[arg(long, value_name = "N", value_parser = parse::cpus, help_heading = "Limits")]
    pub cpus: Option<Cpus>,

    /// File contents in the overlay and in tmpfs [default: half of the memory, or 10GiB for an overlay directory]
    #[arg(long, value_name = "SIZE", value_parser = parse::size, help_heading = "Limits")]
    pub disk: Option<u64>,

    /// Open files of the sandbox [default: 16384]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=1_048_576), help_heading = "Limits")]
    pub descriptors: Option<u32>,

    /// End the program after this time, such as 10s, 2m or 500ms: SIGTERM, then SIGKILL; exit status 124
    #[arg(long, value_name = "TIME", value_parser = parse::duration, help_heading = "Limits")]
    pub timeout: Option<Duration>,

    /// Name of the sandbox [default: made up]
    #[arg(long, value_name = "NAME", value_parser = parse::sandbox_id, help_heading = "Sandbox")]
    pub id: Option<String>,

    /// Return when the program runs, and leave it running; `stockade logs` prints its output
    #[arg(long, short, help_heading = "Sandbox")]
    pub detach: bool,

    /// Give the program a terminal of the sandbox's own; this one becomes raw meanwhile, or with --detach, nobody types there
    #[arg(long, short, requires = "command", help_heading = "Sandbox")]
    pub tty: bool,

    /// Keep nothing of a detached sandbox when it ends
    #[arg(long, help_heading = "Sandbox")]
    pub rm: bool,

    /// Note something about the sandbox, for `stockade state` to print; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::annotation, help_heading = "Sandbox")]
    pub annotation: Vec<(String, String)>,

    /// Print system calls as strace(1) does: all, or those named after `=`
    #[arg(long, value_name = "CALL,...", num_args = 0..=1, require_equals = true, help_heading = "Sandbox")]
    #[arg(value_parser = parse_strace)]
    pub strace: Option<Option<Calls>>,

    /// Append the sentry's log, strace's lines included, to a file [default: standard error]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Sandbox")]
    pub log: Option<PathBuf>,

    /// How lines of the log look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, help_heading = "Sandbox")]
    pub log_format: LogFormat,

    /// The least severe lines that are logged [default: info with --log, else warn]
    #[arg(long, value_name = "LEVEL", value_enum, help_heading = "Sandbox")]
    pub log_level: Option<LogLevel>,

    /// No warnings, only errors
    #[arg(long, short, help_heading = "Sandbox")]
    pub quiet: bool,

    /// The program and its arguments; with --detach it may be left out: the sandbox waits for `stockade exec` then
    #[arg(required_unless_present = "detach", trailing_var_arg = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// System calls named by `--strace=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls(pub Vec<String>);

fn parse_strace(text: &str) -> Result<Calls, String> {
    parse::strace_calls(text).map(Calls)
}

const EXAMPLES_SHORT: &str = "Examples and exit status: stockade do --help";

const EXAMPLES: &str = "\
Examples:
  stockade do python3 untrusted.py
      Run a script; whatever it changes is gone afterwards.
  stockade do --volume . make -j2
      Let a build write into the working directory, and only there.
  stockade do --root ./rootfs --overlay ./changes --cwd / /bin/sh
      A root of its own; changes are kept in ./changes for the next time.
  stockade do --memory 512M --pids 64 --cpus 1 --timeout 30s ./agent-step
      Bounds on what the program may use.
  stockade do --strace=openat,execve --log calls.log -- sh -c 'ls | wc -l'
      Which files does it open, which programs does it run?

Exit status:
  The program's own; 128+N when signal N ended it; 127 when COMMAND was not found; 126 when it
  cannot be executed; 125 for errors of Stockade itself; 124 when --timeout ended it.";
