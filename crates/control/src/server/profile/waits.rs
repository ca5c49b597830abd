//! Profiles of waiting. Calls that wait for something in the sentry tell of it; its locks do not, so that their profile is
//! empty, as Go's is with a rate of 0.

use std::sync::Arc;
use std::time::Instant;

use stockade_confine::profile::{Symbols, WaitSampling};

use super::destination::Destination;
use super::pprof::{Builder, Innermost, Types};
use super::samples::{Samples, Sum};
use super::{STEP, pass, time};
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::{BlockProfileOpts, MutexProfileOpts};

const TYPES: &Types = &[("contentions", "count"), ("delay", "nanoseconds")];

/// The rate if none is given, as in gVisor.
const DEFAULT_RATE: u64 = 10;

/// `Profile.Block`: where calls of guests wait, for a time.
pub(in crate::server) fn block(
    sandbox: &Arc<Sandbox>,
    args: BlockProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    let rate = match u64::try_from(args.rate) {
        Ok(0) => DEFAULT_RATE,
        Ok(rate) => rate,
        Err(_) => return Err(Error::new(format!("rate {}: nanoseconds, not negative", args.rate))),
    };
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    let sampling = WaitSampling::start(rate).ok_or_else(|| Error::new("block profiling already in use"))?;
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
    let file = Symbols::with(sandbox.program.as_ref(), |symbols| {
        let mut builder = Builder::new(symbols, TYPES, ("contentions", "count", 1));
        builder.set_duration(took);
        builder.comment(&format!("one sample for {rate} ns of waiting on average; {lost} more were lost"));
        let values = |sum: Sum| {
            // A sample of a short wait stands for several.
            vec![sum.count.cast_signed(), sum.nanos.cast_signed()]
        };
        samples.tell(&mut builder, Innermost::Called, values);
        builder.finish()
    });
    destination.finish(&file)?;
    Ok(Nothing {})
}

/// `Profile.Mutex`
pub(in crate::server) fn mutex(
    sandbox: &Arc<Sandbox>,
    args: MutexProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let duration = time("duration", args.duration)?;
    if args.fraction < 0 {
        return Err(Error::new(format!("fraction {}: one of so many events, not negative", args.fraction)));
    }
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    pass(sandbox, duration);
    let file = Symbols::with(None::<&std::os::fd::OwnedFd>, |symbols| {
        let mut builder = Builder::new(symbols, TYPES, ("contentions", "count", 1));
        builder.set_duration(duration);
        builder.comment("the sentry's locks do not tell of contention");
        builder.finish()
    });
    destination.finish(&file)?;
    Ok(Nothing {})
}
