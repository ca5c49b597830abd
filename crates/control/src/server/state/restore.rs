//! Empty sandboxes that go on as ones that were saved.

use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::state::RestoreOpts;

/// `containerManager.Restore`: a sandbox that is empty, and that nobody has used, goes on with an image. Clocks that go on from
/// where they stood take other namespaces than it has: so another sentry does, which listens at the same socket from then
/// on.
pub(in crate::server) fn restore(
    sandbox: &Arc<Sandbox>,
    opts: RestoreOpts,
    files: Files,
) -> Result<Nothing, Error> {
    if files.0.len() != opts.descriptors() {
        return Err(Error::new("exactly one file must be provided"));
    }
    let image = Files(files.0.into_iter().take(1).collect()).exactly_one()?;
    let refused = |e: Error| {
        let message = format!("sandbox {} cannot go on from an image: {e}", sandbox.id);
        Error { message, ..e }
    };
    let take_over = || match &sandbox.successor {
        Some(successor) => successor.take_over(image, &opts.key),
        None => Err("it is not empty".to_owned()),
    };
    sandbox.beginning.leave(take_over).map_err(refused)?;
    // Who waits for it is told before it ends.
    sandbox.kernel.shut_down(0);
    Ok(Nothing {})
}

/// `containerManager.WaitRestore`: an empty sandbox answers when it goes on from an image, and one that came from one at once.
pub(in crate::server) fn wait_restore(
    sandbox: &Arc<Sandbox>,
    _: IgnoredAny,
    _: Files,
) -> Result<Nothing, Error> {
    match sandbox.was_restored || sandbox.beginning.has_left() {
        true => Ok(Nothing {}),
        false => Err(Error::new(format!("sandbox {} was not restored from an image", sandbox.id))),
    }
}
