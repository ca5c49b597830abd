//! The sentry's log: opened by the front with the caller's rights ([`Sink::open`]), written by the confined sentry
//! ([`install`]), its level changeable while the sandbox runs ([`Level::set`]). strace's lines go to the same sink, without
//! the detour over levels ([`Sink::strace_line`]).

mod format;
mod sink;

pub use sink::{LIMIT, Sink};

use crate::config::{LogFormat, LogLevel};
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{Registry, fmt};

/// The level of the log, for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Level(Handle<LevelFilter, Registry>);

impl Level {
    /// From now on, lines less severe than `level` are left out.
    pub fn set(&self, level: LogLevel) {
        // Fails only when there is no log any more.
        drop(self.0.reload(filter(level)));
    }
}

/// Sends all events of this process to the sink. Only once per process: a second call changes nothing and its
/// [`Level`] has no effect.
pub fn install(sink: &Arc<Sink>, level: LogLevel) -> Level {
    let (subscriber, handle) = subscriber(sink, level);
    drop(set_global_default(subscriber));
    handle
}

fn subscriber(sink: &Arc<Sink>, level: LogLevel) -> (impl tracing::Subscriber + Send + Sync + use<>, Level) {
    let (level, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer().with_ansi(false).with_writer(sink::Lines(Arc::clone(sink)));
    let lines = match (sink.format(), sink.is_file()) {
        (LogFormat::Json, _) => lines.json().flatten_event(true).with_current_span(false).boxed(),
        (LogFormat::Text, true) => lines.boxed(),
        (LogFormat::Text, false) => lines.event_format(format::Message).boxed(),
    };
    (tracing_subscriber::registry().with(level).with(lines), Level(handle))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests;
