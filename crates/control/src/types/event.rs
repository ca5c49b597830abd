//! Result of `containerManager.Event`: what runc's `events` prints (the field names are runc's).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Result of `containerManager.Event`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventOut {
    /// The event.
    pub event: Event,
    /// CPU time by container, in nanoseconds.
    pub container_usage: BTreeMap<String, u64>,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// `stats`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The container.
    pub id: String,
    /// The figures.
    pub data: Stats,
}

/// What a container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// CPU time since its start.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes.
    pub pids: Pids,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Of all its processes, the ended ones included.
    pub usage: CpuUsage,
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// The sentry's, on their behalf.
    pub kernel: u64,
    /// Their own code's.
    pub user: u64,
    /// Both.
    pub total: u64,
}

/// Memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Guests' memory, files in memory, and the sentry's own.
    pub usage: MemoryEntry,
    /// By kind, in bytes: `guests`, `files`, `sentry`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
}

/// A kind of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryEntry {
    /// Bytes that there may be.
    pub limit: u64,
    /// Bytes that there are.
    pub usage: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Tasks that there are.
    pub current: u64,
    /// Tasks that there may be.
    pub limit: u64,
}
