//! Processes, as `Proc.Ps` and `containerManager.Processes` tell of them.

use serde::{Deserialize, Serialize};

/// Arguments of `Proc.Ps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PsArgs {
    /// Whether the text is JSON, not a table.
    #[serde(rename = "JSON")]
    pub json: bool,
}

/// A process of a sandbox at one moment. Numbers are those of the root PID namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Effective user.
    pub uid: u32,
    /// Its number.
    pub pid: i32,
    /// Its parent; 0 for none, and for what was started from outside.
    pub ppid: i32,
    /// Process group.
    pub pgid: i32,
    /// Its threads that have not ended, in order.
    pub threads: Vec<i32>,
    /// CPU time in hundredths of the time since its start, at most 99.
    pub c: i32,
    /// The terminal that controls it, as `pts/0`, or `?`.
    pub tty: String,
    /// When it began: `15:04` today, `Jan02` this year, else the year.
    pub stime: String,
    /// User and system time of all its threads, the dead ones included, as Go prints durations: `6.59s`.
    pub time: String,
    /// The short name of its program (comm of proc(5)).
    pub cmd: String,
}
