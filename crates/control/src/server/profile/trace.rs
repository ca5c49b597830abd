//! Traces: what tasks do and when, in the Trace Event Format (JSON object form), which Perfetto's and Chrome's viewers open.

mod events;

use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::de::IgnoredAny;
use stockade_sentry::diagnosis;
use stockade_sentry::trace::{Reader, now};

use super::destination::{Destination, refused};
use super::{pass, required, time};
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::{ProfileOpts, TraceProfileOpts};
use events::Events;

/// How often records are written: what comes in between has to find room.
const EVERY: Duration = Duration::from_millis(50);

/// How often page faults are counted, for which every task's figures are asked for.
const COUNT_EVERY: Duration = Duration::from_millis(500);

/// Of the thread that writes.
const STACK: usize = 256 << 10;

/// The trace under way.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Arc<Recording>>>);

struct Recording {
    reader: Reader,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_over: bool,
    /// What became of the writing, once that has ended.
    written: Option<io::Result<()>>,
}

impl Recording {
    fn start(sandbox: &Arc<Sandbox>, destination: Destination) -> Result<Arc<Self>, Error> {
        let events = Events::new(now());
        let reader =
            Reader::start(&sandbox.kernel).ok_or_else(|| Error::new("tracing is already enabled"))?;
        let recording = Arc::new(Self { reader, state: Mutex::default(), changed: Condvar::new() });
        let (writing, sandbox) = (Arc::clone(&recording), Arc::clone(sandbox));
        let write = move || {
            let written = writing.write(&sandbox, events, destination);
            // Nothing is recorded for nobody, and whoever is told of the end can begin anew.
            writing.reader.end();
            writing.state.lock().written = Some(written);
            writing.changed.notify_all();
        };
        diagnosis::spawn("trace", STACK, write)
            .map_err(|e| Error::new(format!("a trace cannot be started: {e}")))?;
        Ok(recording)
    }

    fn write(&self, sandbox: &Sandbox, mut events: Events, destination: Destination) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(64 << 10, destination);
        events.begin(&mut out)?;
        let mut records = Vec::new();
        let mut counted: Option<Instant> = None;
        loop {
            let is_over = {
                let mut state = self.state.lock();
                if !state.is_over {
                    self.changed.wait_for(&mut state, EVERY);
                }
                state.is_over
            };
            if is_over {
                self.reader.stop();
            }
            let lost = self.reader.take(&mut records);
            for record in &records {
                events.write(&mut out, record)?;
            }
            events.lose(lost);
            if is_over || counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
                counted = Some(Instant::now());
                let used = sandbox.kernel.total_usage();
                events.count_faults(&mut out, now(), used.minor_faults, used.major_faults)?;
            }
            if is_over {
                events.end(&mut out, now(), &sandbox.id)?;
                return out.flush();
            }
            out.flush()?;
        }
    }

    fn finish(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.is_over = true;
        self.changed.notify_all();
        loop {
            match state.written.take() {
                Some(written) => return written.map_err(refused),
                None => self.changed.wait(&mut state),
            }
        }
    }
}

/// `Profile.StartTrace`: writes until `Profile.StopTrace`.
pub(in crate::server) fn start_trace(
    sandbox: &Arc<Sandbox>,
    args: ProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let destination = required(files, &args.file)?;
    let mut slot = sandbox.profiles.trace.0.lock();
    *slot = Some(Recording::start(sandbox, destination)?);
    Ok(Nothing {})
}

/// `Profile.StopTrace`
pub(in crate::server) fn stop_trace(
    sandbox: &Arc<Sandbox>,
    _: IgnoredAny,
    _: Files,
) -> Result<Nothing, Error> {
    let recording = sandbox.profiles.trace.0.lock().take();
    recording.ok_or_else(|| Error::new("Execution tracing not started"))?.finish()?;
    Ok(Nothing {})
}

/// `Profile.Trace`: writes for a time.
pub(in crate::server) fn trace(
    sandbox: &Arc<Sandbox>,
    args: TraceProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    let recording = Recording::start(sandbox, destination)?;
    pass(sandbox, duration);
    recording.finish()?;
    Ok(Nothing {})
}
