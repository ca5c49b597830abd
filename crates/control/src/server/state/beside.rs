//! What the control server keeps of a sandbox beside its kernel.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::super::Sandbox;
use super::super::executed::ExecutedState;
use crate::types::proc::ProcessDefaults;

/// Its name among those who keep something ([`KernelInfo::beside`](stockade_sentry::persist::KernelInfo::beside)).
const NAME: &str = "control";

#[derive(Debug, Serialize, Deserialize)]
struct ControlState {
    defaults: ProcessDefaults,
    #[serde(default)]
    executed: ExecutedState,
}

/// Adds it to a kernel's state.
pub(super) fn save(sandbox: &Sandbox, beside: &mut BTreeMap<String, ByteBuf>) -> serde_json::Result<()> {
    let state = ControlState { defaults: sandbox.defaults.clone(), executed: sandbox.executed.save() };
    beside.insert(NAME.to_owned(), ByteBuf::from(serde_json::to_vec(&state)?));
    Ok(())
}

/// What a sandbox's first process was started with, as its image has it.
#[must_use]
pub fn saved_defaults(beside: &BTreeMap<String, ByteBuf>) -> Option<ProcessDefaults> {
    read(beside).map(|state| state.defaults)
}

/// Goes on with what a restored sandbox had executed.
pub(in crate::server) fn restore(sandbox: &Arc<Sandbox>, beside: &BTreeMap<String, ByteBuf>) {
    if let Some(state) = read(beside) {
        sandbox.executed.restore(state.executed, &sandbox.kernel);
    }
}

/// What cannot be read was never there.
fn read(beside: &BTreeMap<String, ByteBuf>) -> Option<ControlState> {
    serde_json::from_slice(beside.get(NAME)?).ok()
}
