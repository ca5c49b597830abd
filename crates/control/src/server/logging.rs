//! `Logging`: what the sentry's log, and readers of events, are told of.

use std::sync::Arc;

use serde::de::IgnoredAny;
use stockade_sentry::strace::{Filter, Tracing};

use super::{Error, Files, Sandbox};
use crate::types::logging::{Level, LoggingArgs, LoggingSettings, Traced};

/// The level of the sentry's log. Lines about calls and packets do not depend on it, and are written by the thread that they
/// are about: when a process has ended, all of its lines are there.
pub trait LogLevel: Send + Sync {
    /// The level now.
    fn get(&self) -> Level;
    /// The level from now on.
    fn set(&self, level: Level);
}

/// `Logging.Change`: all of it, or nothing if something cannot be. Gives 0.
pub(super) fn change(sandbox: &Arc<Sandbox>, args: LoggingArgs, _: Files) -> Result<i32, Error> {
    let to_log = match (args.set_strace, args.enable_strace) {
        (false, _) => None,
        (true, false) => Some(Filter::None),
        (true, true) if args.strace_allowlist.is_empty() => Some(Filter::All),
        (true, true) => Some(only("strace", &args.strace_allowlist)?),
    };
    let to_events = match args.strace_event_allowlist.as_slice() {
        _ if !args.set_event_strace => None,
        [] => Some(Filter::None),
        names => Some(only("event strace", names)?),
    };
    let tracing = &sandbox.kernel.tracing;
    if args.set_level {
        sandbox.log.set(args.level);
    }
    if args.set_log_packets {
        tracing.set_packets(args.log_packets);
        tracing::info!(
            "log packets: {}; there is no packet stack: it is what UNIX sockets send and receive",
            args.log_packets
        );
    }
    if let Some(filter) = to_log {
        tracing.set_log(filter);
    }
    if let Some(filter) = to_events {
        tracing.set_events(filter);
    }
    Ok(0)
}

fn only(what: &str, names: &[String]) -> Result<Filter, Error> {
    Filter::only(names).map_err(|e| Error::new(format!("error configuring {what}: {e}")))
}

/// `Logging.Settings`: what [`change`] has made of it.
pub(super) fn settings(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<LoggingSettings, Error> {
    let tracing: &Tracing = &sandbox.kernel.tracing;
    Ok(LoggingSettings {
        level: sandbox.log.get(),
        log_packets: tracing.packets(),
        strace: traced(&tracing.log()),
        event_strace: traced(&tracing.events()),
        has_event_reader: tracing.has_reader(),
    })
}

fn traced(filter: &Filter) -> Traced {
    match filter.names() {
        None => Traced { all: true, calls: Vec::new() },
        Some(names) => Traced { all: false, calls: names.into_iter().map(str::to_owned).collect() },
    }
}
