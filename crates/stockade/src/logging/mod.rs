//! The sentry's log: opened by the front with the caller's rights ([`Sink::open`]), written by the confined sentry
//! ([`install`]), its level changeable while the sandbox runs ([`Level::set`]). It goes to two places: where the caller wants
//! it, and into the sandbox's own log ([`Journal`]). Lines about tasks' calls go to the same sink, without the detour over
//! levels ([`Sink::task_line`]).

mod format;
mod journal;
mod level;
mod sink;

pub use journal::{Journal, paths};
pub use sink::{LIMIT, Sink};

use self::sink::{Lines, Place};
use crate::config::{LogFormat, LogLevel};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{Registry, fmt};

/// The level of the log, for as long as the process lives.
#[derive(Debug)]
pub struct Level {
    handles: Vec<Handle<LevelFilter, Registry>>,
    now: AtomicU8,
}

impl Level {
    /// From now on, lines less severe than `level` are left out.
    ///
    /// That holds for the sandbox's own log and for a file. Standard error is the program's, too: what goes there stays as
    /// it was said at the start.
    pub fn set(&self, level: LogLevel) {
        for handle in &self.handles {
            // Fails only when there is no log any more.
            drop(handle.reload(filter(level)));
        }
        self.now.store(level as u8, Ordering::Relaxed);
    }

    /// The level now.
    #[must_use]
    pub fn get(&self) -> LogLevel {
        let now = self.now.load(Ordering::Relaxed);
        LEVELS.into_iter().find(|&level| level as u8 == now).unwrap_or(LogLevel::Info)
    }
}

const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

/// Sends all events of this process to the sink. Only once per process: a second call changes nothing and its
/// [`Level`] has no effect.
pub fn install(sink: &Arc<Sink>, level: LogLevel) -> Level {
    let (subscriber, handle) = subscriber(sink, level);
    drop(set_global_default(subscriber));
    handle
}

fn subscriber(sink: &Arc<Sink>, level: LogLevel) -> (impl tracing::Subscriber + Send + Sync + use<>, Level) {
    // The own log is for questions that come up later.
    let own_level = level.max(LogLevel::Info);
    let (to_caller, caller) = reload::Layer::new(filter(level));
    let (to_own, own) = reload::Layer::new(filter(own_level));
    let both =
        vec![lines(sink, Place::Callers).with_filter(to_caller), lines(sink, Place::Own).with_filter(to_own)];
    let (handles, now) = if sink.is_file() { (vec![caller, own], level) } else { (vec![own], own_level) };
    (tracing_subscriber::registry().with(both), Level { handles, now: AtomicU8::new(now as u8) })
}

fn lines(sink: &Arc<Sink>, place: Place) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_ansi(false).with_writer(Lines(Arc::clone(sink), place));
    match (sink.format(), sink.is_file() || matches!(place, Place::Own)) {
        (LogFormat::Json, _) => lines.json().flatten_event(true).with_current_span(false).boxed(),
        (LogFormat::Text, true) => lines.boxed(),
        (LogFormat::Text, false) => lines.event_format(format::Message).boxed(),
    }
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
