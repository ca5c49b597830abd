//! Of `Usage` and `Metrics`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Arguments of `Usage.Collect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryUsageOpts {
    /// Tell kinds of memory apart; else all of guests' is `Unknown`.
    #[serde(rename = "Full")]
    pub full: bool,
}

/// Memory of a sandbox by kind, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MemoryUsage {
    /// Not told apart.
    pub unknown: u64,
    /// The sentry's own.
    pub system: u64,
    /// Private memory of guests.
    pub anonymous: u64,
    /// Files of the host that the sentry keeps; none, as the host does.
    pub page_cache: u64,
    /// Files of the host that guests map; counted by the host.
    pub mapped: u64,
    /// Files in memory.
    pub tmpfs: u64,
    /// Always 0.
    pub ramdiskfs: u64,
    /// All of them.
    pub total: u64,
}

/// Arguments of `Metrics.Export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsExportOpts {
    /// A regular expression: only metrics whose names match; empty for all.
    pub only_metrics: String,
}

/// Result of `Metrics.Export`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsExportData {
    /// All metrics at one time.
    pub snapshot: Snapshot,
}

/// Metrics at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// When (RFC 3339).
    pub when: String,
    /// The figures.
    pub data: Vec<Data>,
}

/// A figure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Data {
    /// What it is.
    pub metric: Metric,
    /// What tells it from others of the same metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How much.
    pub val: Number,
}

/// A metric, as Prometheus has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// 1 for a gauge, 2 for a counter.
    #[serde(rename = "type")]
    pub kind: u8,
    /// What it is, in words.
    pub help: String,
}

/// A whole number; absent is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Number {
    /// It.
    #[serde(skip_serializing_if = "is_zero")]
    pub int: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}
