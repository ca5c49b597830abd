//! `stockade ps`: the processes of a sandbox.

use crate::cli::PsArgs;
use crate::connect;
use crate::failure::Failure;
use crate::front::one_line;
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;
use stockade_control::ps::print_pids_json;
use stockade_control::types::process::{self, Process};

/// Prints a line for each, in the order of their numbers.
pub(super) fn run(args: &PsArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    let failed = |e| connect::failed(&args.id, &e);
    if args.threads {
        return super::print(&threads(&client.processes("").map_err(failed)?));
    }
    let text = if args.pids {
        print_pids_json(&client.processes("").map_err(failed)?).map_err(|e| failed(e.into()))?
    } else {
        client.ps(&process::PsArgs { json: args.json }).map_err(failed)?
    };
    super::print(&(text + "\n"))
}

/// What processes have as a whole, as CPU time, is left out.
fn threads(list: &[Process]) -> String {
    let mut table = Table::new(&["UID", "PID", "TID", "PPID", "PGID", "TTY", "STIME", "CMD"]);
    for p in list {
        let [uid, pid, ppid, pgid] =
            [i64::from(p.uid), p.pid.into(), p.ppid.into(), p.pgid.into()].map(|n| n.to_string());
        for tid in &p.threads {
            table.row(&[&uid, &pid, &tid.to_string(), &ppid, &pgid, &p.tty, &p.stime, &one_line(&p.cmd)]);
        }
    }
    table.text()
}
