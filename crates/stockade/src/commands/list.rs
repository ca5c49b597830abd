//! `stockade list`: which sandboxes there are.

use crate::cli::ListArgs;
use crate::failure::Failure;
use crate::state::{Record, StateDir};
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;

/// Prints a line for each.
pub(super) fn run(args: &ListArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let state = StateDir::open(state_dir)?;
    let mut records = state.sandboxes()?;
    if args.quiet {
        return super::print(&records.iter().map(|r| format!("{}\n", r.id)).collect::<String>());
    }
    for record in &mut records {
        super::state::look(record);
    }
    super::print(&if args.json { json(&records)? } else { text(&records) })
}

fn json(records: &[Record]) -> Result<String, Failure> {
    serde_json::to_string_pretty(records).map(|text| text + "\n").map_err(|e| Failure::new(e.to_string(), ""))
}

fn text(records: &[Record]) -> String {
    let mut table = Table::new(&["ID", "STATUS", "PID", "CREATED", "COMMAND"]);
    for record in records {
        let status = match record.exit_status {
            Some(status) => format!("{} ({status})", record.status.word()),
            None => record.status.word().to_owned(),
        };
        let pid = record.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        // Without fractions of a second.
        let created = record.created.split('.').next().unwrap_or_default();
        let created = format!("{}Z", created.trim_end_matches('Z'));
        table.row(&[&record.id, &status, &pid, &created, &command(record)]);
    }
    table.text()
}

/// A guest's words cannot steer the terminal, and a long line is cut.
fn command(record: &Record) -> String {
    const LONGEST: usize = 60;
    if record.command.is_empty() {
        return "-".to_owned();
    }
    let text: String = crate::front::one_line(&record.command.join(" "));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
