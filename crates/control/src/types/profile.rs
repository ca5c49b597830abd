//! Of `Profile`: samples, stacks and traces of the sentry. The payload's first descriptor is the destination.

use serde::{Deserialize, Serialize};

/// Arguments of `Profile.StartCPUProfile`, `Profile.HeapProfile`, `Profile.Goroutine` and `Profile.StartTrace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileOpts {
    /// A path of the caller's. The sentry opens no files of the host: with this and no descriptor a call is refused.
    #[serde(rename = "path", skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// Arguments of `Profile.CPU`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuProfileOpts {
    /// How long, in nanoseconds; not negative.
    pub duration: i64,
    /// Samples per second of CPU time, 1000 at most; 0 for 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub rate: i64,
}

/// Arguments of `Profile.Heap`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeapProfileOpts {
    /// How long to wait before, in nanoseconds; not negative.
    pub delay: i64,
}

/// Arguments of `Profile.Block`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockProfileOpts {
    /// How long, in nanoseconds; not negative.
    pub duration: i64,
    /// One sample for each so many nanoseconds that a thread waits, on average; 0 for 10.
    pub rate: i64,
}

/// Arguments of `Profile.Mutex`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MutexProfileOpts {
    /// How long, in nanoseconds; not negative.
    pub duration: i64,
    /// One of so many waits for the sentry's locks is taken, on average; 0 for 10.
    pub fraction: i64,
}

/// Arguments of `Profile.Trace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceProfileOpts {
    /// How long, in nanoseconds; not negative.
    pub duration: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}
