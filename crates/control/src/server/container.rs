//! `containerManager`: the methods that concern a container as a whole.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::methods::Nothing;
use super::{Error, Files, Sandbox};

/// `containerManager.Pause`: all guest threads stand when it answers.
pub(super) fn pause(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<Nothing, Error> {
    sandbox.kernel.pause();
    Ok(Nothing {})
}

/// `containerManager.Resume`
pub(super) fn resume(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<Nothing, Error> {
    sandbox.kernel.resume();
    Ok(Nothing {})
}
