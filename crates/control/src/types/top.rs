//! Of `Stockade.Top` and `Stockade.Strace`, which are Stockade's own: what `stockade top` shows. All figures are sums since the sandbox began;
//! who wants rates asks twice.

use serde::{Deserialize, Serialize};

/// Result of `Stockade.Top`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Top {
    /// When, in nanoseconds of the host's monotonic clock.
    pub now: u64,
    /// Processes, in the order of their numbers, zombies included.
    pub processes: Vec<TopProcess>,
    /// Calls that were made, by number.
    pub calls: Vec<TopCall>,
    /// Memory of guests, of files in memory, and of the sentry, in bytes.
    pub memory: [u64; 3],
    /// Memory that there may be, in bytes.
    pub memory_limit: u64,
    /// Tasks.
    pub tasks: u64,
    /// Whether the sandbox is paused.
    pub paused: bool,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopProcess {
    /// Its number in the root PID namespace.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Threads.
    pub threads: u32,
    /// User and system time of all its threads, the dead ones included, in nanoseconds.
    pub cpu: u64,
    /// Resident memory in bytes; what it shares with others counts for each.
    pub memory: u64,
    /// Whether it has ended and its parent has not asked for its status.
    pub zombie: bool,
    /// The short name of its program.
    pub command: String,
}

/// The calls of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopCall {
    /// The name.
    pub name: String,
    /// How many were made.
    pub count: u64,
    /// Of how many the time was taken: of those that ended while somebody looked, up to 10 s after the last call of
    /// this method.
    pub timed: u64,
    /// How many of those failed.
    pub failed: u64,
    /// How long those took together, in nanoseconds, waiting included.
    pub nanos: u64,
    /// How long the longest of those took.
    pub longest: u64,
    /// Whether it is answered with ENOSYS.
    pub unsupported: bool,
}

/// Arguments of `Stockade.Strace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StraceArgs {
    /// The process, by its number in the root PID namespace.
    pub pid: i32,
    /// The number of the first line that is wanted.
    pub since: u64,
}

/// Result of `Stockade.Strace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StraceLines {
    /// The number of the line that comes next.
    pub next: u64,
    /// The lines, the oldest first: those of the last 256 that have this number or a higher one.
    pub lines: Vec<StraceLine>,
    /// Whether the process has ended.
    pub ended: bool,
}

/// A line of strace(1)'s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StraceLine {
    /// The thread's number in the root PID namespace.
    pub tid: i32,
    /// The line, without an end, and cut to about 1 KiB.
    pub text: String,
}
