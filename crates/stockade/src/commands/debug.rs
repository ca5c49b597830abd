//! `stockade debug`: what the sentry of a running sandbox logs.

use crate::cli::{DebugArgs, Switch, Traced};
use crate::connect;
use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;
use stockade_abi::nr;
use stockade_control::types::logging::{self, LoggingArgs, LoggingSettings};

/// Changes what the options say; without, prints how it is.
pub(super) fn run(args: &DebugArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    let failed = |e| connect::failed(&args.id, &e);
    let change = change(args);
    if change == LoggingArgs::default() {
        let settings = client.logging_settings().map_err(failed)?;
        return super::print(&if args.json {
            serde_json::to_string_pretty(&settings).map_err(|e| failed(e.into()))? + "\n"
        } else {
            text(&settings)
        });
    }
    client.change_logging(&change).map_err(failed)?;
    if args.log_packets == Some(Switch::On) {
        crate::run::say("there is no packet stack: what UNIX sockets send and receive is logged");
    }
    Ok(ExitCode::SUCCESS)
}

fn change(args: &DebugArgs) -> LoggingArgs {
    let mut change = LoggingArgs::default();
    if let Some(level) = args.log_level {
        (change.set_level, change.level) = (true, level);
    }
    if let Some(switch) = args.log_packets {
        (change.set_log_packets, change.log_packets) = (true, switch == Switch::On);
    }
    if let Some(traced) = &args.strace {
        change.set_strace = true;
        change.enable_strace = *traced != Some(Traced::Off);
        if let Some(Traced::Only(calls)) = traced {
            change.strace_allowlist.clone_from(&calls.0);
        }
    }
    if let Some(traced) = &args.strace_events {
        change.set_event_strace = true;
        change.strace_event_allowlist = match traced {
            // Without names there are none.
            None => nr::ALL.iter().map(|&(_, name)| name.to_owned()).collect(),
            Some(Traced::Only(calls)) => calls.0.clone(),
            Some(Traced::Off) => Vec::new(),
        };
    }
    change
}

fn text(settings: &LoggingSettings) -> String {
    let packets = if settings.log_packets { "on" } else { "off" };
    format!(
        "log level: {}\nlog packets: {packets}\nstrace: {}\nstrace events: {}{}\n",
        settings.level.word(),
        calls(&settings.strace),
        calls(&settings.event_strace),
        if settings.has_event_reader { "" } else { " (nobody reads them)" },
    )
}

fn calls(traced: &logging::Traced) -> String {
    match traced.calls.as_slice() {
        _ if traced.all => "all calls".to_owned(),
        [] => "off".to_owned(),
        names => names.join(","),
    }
}
