//! Options of the commands that look after sandboxes as a whole.

use crate::complete;
use crate::parse;
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
