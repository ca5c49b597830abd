//! Options of the commands that look after sandboxes as a whole.

use crate::complete;
use crate::parse::{self, Since};
use clap::Args;

/// Options of `stockade list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON: an array of what `stockade state` prints
    #[arg(long)]
    pub json: bool,
    /// Print names only
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
}

/// Options of commands about one sandbox.
#[derive(Debug, Args)]
pub struct IdArgs {
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}

/// Options of `stockade delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// End those that run, as by SIGKILL
    #[arg(long, short)]
    pub force: bool,
    /// The sandboxes' names
    #[arg(value_name = "ID", required = true, value_parser = parse::sandbox_id, add = complete::id())]
    pub ids: Vec<String>,
}

/// Options of `stockade logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on with what is printed from now on, until the sandbox ends
    #[arg(long, short)]
    pub follow: bool,
    /// Begin each line with its time
    #[arg(long, short)]
    pub timestamps: bool,
    /// Print Stockade's own log of the sandbox instead, with what `stockade debug` added to it
    #[arg(long, conflicts_with_all = ["timestamps", "since"])]
    pub sentry: bool,
    /// Only the last lines
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only what was printed since a time, such as 2026-01-02T03:04:05Z, or in the last 10m
    #[arg(long, value_name = "TIME", value_parser = parse::since)]
    pub since: Option<Since>,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}
