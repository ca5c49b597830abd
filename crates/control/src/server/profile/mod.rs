//! `Profile` and `debug`: what the sentry's threads do.
//!
//! The methods of 2019 start and stop; today's take a duration. Both need a descriptor to write to, and write to it only
//! what a reader on the host opens: pprof's profiles, traces for Perfetto, text.

mod cpu;
mod destination;
mod heap;
mod pprof;
mod proto;
mod samples;
mod stacks;
mod trace;
mod waits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Error, Files, Sandbox};
use destination::Destination;

pub(super) use cpu::{cpu, start_cpu, stop_cpu};
pub(super) use heap::{delayed_heap, heap};
pub(super) use stacks::{goroutine, stacks};
pub(super) use trace::{start_trace, stop_trace, trace};
pub(super) use waits::{block, mutex};

/// What is under way.
#[derive(Default)]
pub(super) struct Profiles {
    cpu: cpu::Slot,
    trace: trace::Slot,
}

/// How often a wait looks whether the sandbox has ended.
const STEP: Duration = Duration::from_millis(20);

/// The destination of a method of 2019, which needs one.
fn required(files: Files, path: &str) -> Result<Destination, Error> {
    match Destination::of(files)? {
        Some(destination) => Ok(destination),
        None if path.is_empty() => Err(Error::new("no output writer provided")),
        None => Err(Error::new(format!(
            "path {path:?}: the sentry opens no files of the host; open it and pass its descriptor"
        ))),
    }
}

/// A time that a client has given, in nanoseconds.
fn time(name: &str, nanos: i64) -> Result<Duration, Error> {
    let nanos =
        u64::try_from(nanos).map_err(|_| Error::new(format!("{name} {nanos}: a time is not negative")))?;
    Ok(Duration::from_nanos(nanos))
}

/// Waits so long, or until the sandbox ends.
fn pass(sandbox: &Arc<Sandbox>, time: Duration) {
    let end = Instant::now() + time.min(Duration::from_secs(u32::MAX.into()));
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if sandbox.kernel.has_ended() {
            return;
        }
        std::thread::sleep(left.min(STEP));
    }
}
