//! Heap profiles: who has allocated what is alive.

use std::sync::Arc;

use stockade_confine::profile::{Symbols, heap as allocator};

use super::destination::Destination;
use super::pprof::{Builder, Innermost};
use super::{pass, required, time};
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::{HeapProfileOpts, ProfileOpts};

fn profile(sandbox: &Sandbox) -> Vec<u8> {
    let snapshot = allocator::snapshot();
    Symbols::with(sandbox.program.as_ref(), |symbols| {
        let types = [("inuse_objects", "count"), ("inuse_space", "bytes")];
        let period = allocator::RATE.cast_signed();
        let mut builder = Builder::new(symbols, &types, ("space", "bytes", period));
        builder.set_duration(std::time::Duration::ZERO);
        builder.comment(&format!("Stockade {}, sandbox {}", env!("CARGO_PKG_VERSION"), sandbox.id));
        builder.comment(&format!(
            "one sample for {} bytes on average; the first {} bytes were not looked at, {} samples were lost",
            allocator::RATE,
            snapshot.unseen,
            snapshot.lost
        ));
        for live in &snapshot.live {
            let values = vec![live.count.round() as i64, (live.count * live.size as f64).round() as i64];
            builder.sample(live.stack(), Innermost::Called, values, &[]);
        }
        builder.finish()
    })
}

/// `Profile.HeapProfile`
pub(in crate::server) fn heap(
    sandbox: &Arc<Sandbox>,
    args: ProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    required(files, &args.file)?.finish(&profile(sandbox))?;
    Ok(Nothing {})
}

/// `Profile.Heap`: the same after a while.
pub(in crate::server) fn delayed_heap(
    sandbox: &Arc<Sandbox>,
    args: HeapProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    let delay = time("delay", args.delay)?;
    let Some(destination) = Destination::of(files)? else { return Ok(Nothing {}) };
    allocator::miss_nothing();
    pass(sandbox, delay);
    destination.finish(&profile(sandbox))?;
    Ok(Nothing {})
}
