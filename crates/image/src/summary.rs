//! What can be told of a saved sandbox without understanding its kernel state.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A short account that the saver gives for people to read. Names in it are the guest's: escape them before printing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The sandbox's name when it was saved.
    pub container_id: String,
    /// When the sandbox was made (RFC 3339, UTC).
    pub created: String,
    /// When it was saved (RFC 3339, UTC).
    pub saved: String,
    /// Its processes, by PID.
    pub processes: Vec<Process>,
    /// Bytes of memory by kind, such as `anonymous`, `shared`, `files`.
    pub memory: BTreeMap<String, u64>,
    /// What the sandbox was made with, for the program that restores it; null if that needs nothing.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub sandbox: serde_json::Value,
}

/// A process of a saved sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// In the root PID namespace.
    pub pid: u32,
    /// Its parent, 0 if that is outside.
    pub ppid: u32,
    /// comm; what is not UTF-8 is replaced.
    pub name: String,
    /// How many threads it has.
    pub threads: u32,
}
