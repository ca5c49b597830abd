//! Profiles of waiting: of guests' calls, and for the sentry's locks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_confine::profile::{Symbols, WaitSampling};

use super::destination::Destination;
use super::pprof::{Builder, Innermost, Types};
use super::samples::Samples;
use super::{STEP, pass, time};
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::{BlockProfileOpts, MutexProfileOpts};

const TYPES: &Types = &[("contentions", "count"), ("delay", "nanoseconds")];

/// The rate, or the fraction, if none is given, as in gVisor.
const DEFAULT: u64 = 10;

/// `Profile.Block`: where calls of guests wait, for a time.
pub(in crate::server) fn block(
    sandbox: &Arc<Sandbox>,
    args: BlockProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    let rate = positive(args.rate)
        .ok_or_else(|| Error::new(format!("rate {}: nanoseconds, not negative", args.rate)))?;
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    let sampling = WaitSampling::start(rate).ok_or_else(|| Error::new("block profiling already in use"))?;
    // A sample of a short wait stands for several.
    let comment = format!("one sample for {rate} ns of waiting on average");
    destination.finish(&collect(sandbox, sampling, duration, &comment, 1))?;
    Ok(Nothing {})
}

/// `Profile.Mutex`: where the sentry's threads wait for its locks, for a time.
pub(in crate::server) fn mutex(
    sandbox: &Arc<Sandbox>,
    args: MutexProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    let fraction = positive(args.fraction).ok_or_else(|| {
        Error::new(format!("fraction {}: one of so many events, not negative", args.fraction))
    })?;
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    let sampling = WaitSampling::start_for_locks(fraction)
        .ok_or_else(|| Error::new("mutex profiling already in use"))?;
    let comment = format!("one sample of {fraction} waits for locks on average");
    destination.finish(&collect(sandbox, sampling, duration, &comment, fraction))?;
    Ok(Nothing {})
}

/// A number that 0 gives the default.
fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().map(|number| if number == 0 { DEFAULT } else { number })
}

/// Samples for so long, and makes a profile in which each sample counts for `weight`.
fn collect(
    sandbox: &Arc<Sandbox>,
    sampling: WaitSampling,
    duration: Duration,
    comment: &str,
    weight: u64,
) -> Vec<u8> {
    let (begun, mut samples) = (Instant::now(), Samples::default());
    while begun.elapsed() < duration && !sandbox.kernel.has_ended() {
        pass(sandbox, STEP.min(duration.saturating_sub(begun.elapsed())));
        sampling.drain(|sample| samples.add(sample));
    }
    sampling.stop();
    sampling.drain(|sample| samples.add(sample));
    let lost = sampling.lost() + samples.lost;
    drop(sampling);
    let took = begun.elapsed();
    Symbols::with(sandbox.program.as_ref(), |symbols| {
        let mut builder = Builder::new(symbols, TYPES, ("contentions", "count", 1));
        builder.set_duration(took);
        builder.comment(&format!("{comment}; {lost} more were lost"));
        let count = |n: u64| n.saturating_mul(weight).cast_signed();
        samples.tell(&mut builder, Innermost::Called, |sum| vec![count(sum.count), sum.nanos.cast_signed()]);
        builder.finish()
    })
}
