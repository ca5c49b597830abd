//! What a sandbox uses.

use crate::cli::EventsArgs;
use crate::commands::print_line;
use crate::connect;
use crate::failure::Failure;
use crate::parse::format_size;
use std::process::ExitCode;
use std::time::Duration;
use stockade_control::client::{Client, Error};
use stockade_control::types::event::Event;

/// Prints it once, or again and again until the sandbox ends.
pub(super) fn print(mut client: Client, args: &EventsArgs) -> Result<ExitCode, Failure> {
    let mut is_first = true;
    loop {
        let event = match client.event() {
            Ok(out) => out.event,
            // It has ended.
            Err(Error::Ended | Error::Wire(_)) if !is_first => return Ok(ExitCode::SUCCESS),
            Err(e) => return Err(connect::failed(&args.id, &e)),
        };
        if is_first
            && !args.json
            && !print_line(&row(["CPU", "MEMORY", "LIMIT", "TASKS"].map(str::to_owned)))?
        {
            return Ok(ExitCode::SUCCESS);
        }
        is_first = false;
        let line = if args.json {
            serde_json::to_string(&event).map_err(|e| connect::failed(&args.id, &e.into()))?
        } else {
            text(&event)
        };
        if !print_line(&line)? || args.stats {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(args.interval);
    }
}

fn text(event: &Event) -> String {
    let data = &event.data;
    let cpu = format!("{:.3}s", Duration::from_nanos(data.cpu.usage.total).as_secs_f64());
    let memory = data.memory.usage;
    row([cpu, format_size(memory.usage), format_size(memory.limit), data.pids.current.to_string()])
}

fn row(cells: [String; 4]) -> String {
    let [cpu, memory, limit, tasks] = cells;
    format!("{cpu:<12}{memory:<12}{limit:<12}{tasks}")
}
