//! CPU profiles.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::de::IgnoredAny;
use stockade_confine::profile::{CpuSampling, DEFAULT_RATE, MAX_RATE, Symbols};
use stockade_sentry::diagnosis;

use super::destination::Destination;
use super::pprof::{Builder, Innermost};
use super::samples::Samples;
use super::{pass, required, time};
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::{CpuProfileOpts, ProfileOpts};

/// How often samples are taken out of the buffer, which holds some hundred.
const COLLECT: Duration = Duration::from_millis(100);

/// Of the thread that does.
const STACK: usize = 256 << 10;

/// The CPU profile under way.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Running>>);

struct Running {
    destination: Destination,
    recording: Arc<Recording>,
}

struct Recording {
    sampling: CpuSampling,
    begun: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    samples: Samples,
    is_over: bool,
    is_collected: bool,
}

impl Recording {
    fn start(rate: u32) -> Result<Arc<Self>, Error> {
        let failed = |e: std::io::Error| Error::new(format!("sampling cannot be started: {e}"));
        let sampling = CpuSampling::start(rate).map_err(failed)?;
        let sampling = sampling.ok_or_else(|| Error::new("cpu profiling already in use"))?;
        let state = Mutex::default();
        let recording = Arc::new(Self { sampling, begun: Instant::now(), state, changed: Condvar::new() });
        let collecting = Arc::clone(&recording);
        diagnosis::spawn("profile", STACK, move || collecting.collect()).map_err(failed)?;
        Ok(recording)
    }

    fn collect(&self) {
        let mut state = self.state.lock();
        loop {
            self.sampling.drain(|sample| state.samples.add(sample));
            if state.is_over {
                state.is_collected = true;
                self.changed.notify_all();
                return;
            }
            self.changed.wait_for(&mut state, COLLECT);
        }
    }

    /// Ends it: the file.
    fn finish(&self, sandbox: &Sandbox) -> Vec<u8> {
        self.sampling.stop();
        let (used, took) = (self.sampling.cpu_time(), self.begun.elapsed());
        let mut state = self.state.lock();
        state.is_over = true;
        self.changed.notify_all();
        while !state.is_collected {
            self.changed.wait(&mut state);
        }
        let samples = std::mem::take(&mut state.samples);
        drop(state);
        let lost = self.sampling.lost() + samples.lost;
        let all = samples.total + self.sampling.lost();
        // The host looks at its timer at its ticks only: what a sample stands for is known afterwards.
        let each = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX).checked_div(all).unwrap_or(0);
        Symbols::with(sandbox.program.as_ref(), |symbols| {
            let period = i64::from(1_000_000_000 / self.sampling.rate());
            let types = [("samples", "count"), ("cpu", "nanoseconds")];
            let mut builder = Builder::new(symbols, &types, ("cpu", "nanoseconds", period));
            builder.set_duration(took);
            builder.comment(&format!("Stockade {}, sandbox {}", env!("CARGO_PKG_VERSION"), sandbox.id));
            builder.comment(&format!(
                "the sentry used {used:?} of CPU time; {} samples at {} Hz, {lost} more were lost",
                samples.total - samples.lost,
                self.sampling.rate()
            ));
            let values = |sum: super::samples::Sum| {
                vec![sum.count.cast_signed(), sum.count.saturating_mul(each).cast_signed()]
            };
            samples.tell(&mut builder, Innermost::Interrupted, values);
            builder.finish()
        })
    }
}

/// `Profile.StartCPUProfile`: samples until `Profile.StopCPUProfile`, which writes.
pub(in crate::server) fn start_cpu(
    sandbox: &Arc<Sandbox>,
    args: ProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let destination = required(files, &args.file)?;
    let recording = Recording::start(DEFAULT_RATE)?;
    *sandbox.profiles.cpu.0.lock() = Some(Running { destination, recording });
    Ok(Nothing {})
}

/// `Profile.StopCPUProfile`
pub(in crate::server) fn stop_cpu(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<Nothing, Error> {
    let running = sandbox.profiles.cpu.0.lock().take();
    let Running { destination, recording } =
        running.ok_or_else(|| Error::new("CPU profiling not started"))?;
    destination.finish(&recording.finish(sandbox))?;
    Ok(Nothing {})
}

/// `Profile.CPU`: samples for a time, and writes.
pub(in crate::server) fn cpu(
    sandbox: &Arc<Sandbox>,
    args: CpuProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    let rate = match args.rate {
        0 => DEFAULT_RATE,
        rate => u32::try_from(rate)
            .ok()
            .filter(|rate| (1..=MAX_RATE).contains(rate))
            .ok_or_else(|| Error::new(format!("rate {rate}: samples per second, 1 to {MAX_RATE}")))?,
    };
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    let recording = Recording::start(rate)?;
    pass(sandbox, duration);
    destination.finish(&recording.finish(sandbox))?;
    Ok(Nothing {})
}
