//! `containerManager`: the methods that concern a container as a whole.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::methods::Nothing;
use super::{Error, Files, Sandbox};
use crate::types::container::ContainerStatus;

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

/// `containerManager.Status`
pub(super) fn status(sandbox: &Arc<Sandbox>, cid: String, _: Files) -> Result<ContainerStatus, Error> {
    sandbox.container(&cid)?;
    Ok(if sandbox.kernel.is_paused() { ContainerStatus::Paused } else { ContainerStatus::Running })
}
