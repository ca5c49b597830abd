//! Options of the commands that look into a running sandbox and steer it.

use super::{Calls, parse_strace};
use crate::complete;
use crate::parse;
use clap::{Args, ValueEnum};
use std::time::Duration;
use stockade_control::types::logging::Level;

/// Options of `stockade ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print process ids only, as a JSON array
    #[arg(long, conflicts_with = "json")]
    pub pids: bool,
    /// A line for each thread
    #[arg(long, conflicts_with_all = ["json", "pids"])]
    pub threads: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}

/// Options of `stockade kill`.
#[derive(Debug, Args)]
pub struct KillArgs {
    /// The process inside that gets it [default: the first one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// All processes get it
    #[arg(long, short, conflicts_with = "pid")]
    pub all: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
    /// A name, with or without SIG, or a number
    #[arg(value_name = "SIGNAL", default_value = "TERM", value_parser = parse::signal)]
    pub signal: i32,
}

/// Options of `stockade wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// A process inside, instead of the sandbox
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}

/// Options of `stockade debug`.
#[derive(Debug, Args)]
pub struct DebugArgs {
    /// The least severe lines that are logged: warning, info or debug
    #[arg(long, value_name = "LEVEL", value_parser = parse::level())]
    pub log_level: Option<Level>,
    /// Log system calls as strace(1) writes them: all, those named after `=`, or none with `=off`
    #[arg(long, value_name = "CALL,...|off", num_args = 0..=1, require_equals = true, value_parser = parse_traced)]
    pub strace: Option<Option<Traced>>,
    /// Tell readers of events (`stockade events --strace`) of system calls: all, those named after `=`, or none with `=off`
    #[arg(long, value_name = "CALL,...|off", num_args = 0..=1, require_equals = true, value_parser = parse_traced)]
    pub strace_events: Option<Option<Traced>>,
    /// Log what UNIX sockets send and receive
    #[arg(long, value_name = "on|off", value_enum)]
    pub log_packets: Option<Switch>,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["log_level", "strace", "strace_events", "log_packets"])]
    pub json: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "they say it")]
pub enum Switch {
    On,
    Off,
}

/// Which calls are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traced {
    /// None.
    Off,
    /// These.
    Only(Calls),
}

fn parse_traced(text: &str) -> Result<Traced, String> {
    if text == "off" { Ok(Traced::Off) } else { parse_strace(text).map(Traced::Only) }
}

/// Options of `stockade events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Print what the sandbox uses once, and not again and again
    #[arg(long)]
    pub stats: bool,
    /// Print the system calls that its programs make instead, as JSON lines
    #[arg(long, conflicts_with_all = ["stats", "interval"])]
    pub strace: bool,
    /// How often to print
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse::duration)]
    pub interval: Duration,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}
