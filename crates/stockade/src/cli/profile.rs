//! Options of the commands that look into a running sandbox.

use crate::complete;
use crate::parse;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Options of `stockade profile`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  stockade profile web cpu -d 30s -o cpu.pb.gz && go tool pprof -top cpu.pb.gz
  stockade profile web trace -o trace.json     (then open it at https://ui.perfetto.dev)
  stockade profile web stacks | less")]
pub struct ProfileArgs {
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
    /// What to look at
    pub kind: ProfileKind,
    /// How long; heap: how long before [default: 5s, for the heap 0s]
    #[arg(long, short, value_name = "TIME", value_parser = parse::duration)]
    pub duration: Option<Duration>,
    /// Samples per second of CPU time (cpu)
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rate: Option<u16>,
    /// Where to, `-` for standard output [default: ID.KIND.pb.gz, ID.trace.json; standard output for stacks]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// What of the sentry a profile shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileKind {
    /// Where it uses CPU time, and for which process and call (pprof)
    Cpu,
    /// Who has allocated the memory that it holds (pprof)
    Heap,
    /// Where calls wait, and for how long (pprof)
    Waits,
    /// Where the sentry's threads wait for its locks (pprof)
    Locks,
    /// What each of its threads does now (text)
    Stacks,
    /// What tasks do and when: calls, waits, faults, guest code (for Perfetto's or Chrome's viewer)
    Trace,
}

/// Options of `stockade top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// How often figures are taken anew
    #[arg(long, short = 'd', value_name = "TIME", default_value = "1s", value_parser = parse::duration)]
    pub interval: Duration,
    /// Print the figures of one interval and end
    #[arg(long, short = '1')]
    pub once: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}
