//! What a sandbox is to be: one plain, validated description that `stockade do` produces and the sentry is built from.
//!
//! Paths, arguments and variables are bytes, as Linux has them; in JSON they are strings where they are UTF-8 and arrays
//! of bytes where they are not.

pub(crate) mod os;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// A whole sandbox with one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxConfig {
    /// Its name in the state directory, unique among running sandboxes.
    pub id: String,
    /// What uname(2) says as nodename inside.
    pub hostname: String,
    /// The root file system.
    pub root: RootConfig,
    /// Host files and directories mounted over the root, in this order.
    pub volumes: Vec<VolumeConfig>,
    /// The first program.
    pub process: ProcessConfig,
    /// What it may use.
    pub limits: Limits,
    /// Which calls are traced.
    pub strace: StraceConfig,
    /// Where the sentry's own lines go.
    pub log: LogConfig,
    /// What its owner noted.
    pub annotations: BTreeMap<String, String>,
}

impl SandboxConfig {
    /// What an image of the sandbox says of it: all that is to be given again, and of its first program the beginning of
    /// its arguments.
    #[must_use]
    pub fn description(&self) -> serde_json::Value {
        const ARGUMENTS: usize = 64;
        const BYTES: usize = 1024;
        let shorten = |argument: &OsString| {
            let bytes = argument.as_bytes();
            OsString::from_vec(bytes.get(..BYTES).unwrap_or(bytes).to_vec())
        };
        let argv = self.process.argv.iter().take(ARGUMENTS).map(shorten).collect();
        let process = ProcessConfig { argv, env: Vec::new(), rlimits: Vec::new(), ..self.process.clone() };
        // There is nothing in it that JSON cannot hold.
        serde_json::to_value(Self { process, ..self.clone() }).unwrap_or_default()
    }
}

/// The root file system: a directory of the host, never written to, and what lies over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootConfig {
    /// A directory of the host, absolute and without symlinks.
    #[serde(with = "os")]
    pub path: PathBuf,
    /// Where changes go.
    pub overlay: OverlayConfig,
}

/// Where changes to the root go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlayConfig {
    /// Into memory; they end with the sandbox and count as its memory.
    Memory,
    /// Nowhere: the root is read-only (EROFS).
    None,
    /// Into this directory of the host (absolute, without symlinks, exists), where the next sandbox finds them.
    Dir(#[serde(with = "os")] PathBuf),
}

/// A file or directory of the host that appears inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeConfig {
    /// On the host: absolute, without symlinks; a directory or a regular file that existed when it was checked.
    #[serde(with = "os")]
    pub source: PathBuf,
    /// Inside: absolute, without `.`, `..` and double slashes; not `/`, not in /proc, /sys or /dev.
    #[serde(with = "os")]
    pub destination: PathBuf,
    /// Whether writes answer EROFS. Otherwise they reach the host.
    pub read_only: bool,
}

/// The first program of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessConfig {
    /// The first without a slash is searched for along the `PATH` in `env`. None at all: the sandbox waits for programs to
    /// be executed in it.
    #[serde(with = "os::list")]
    pub argv: Vec<OsString>,
    /// `NAME=VALUE` each, no name twice.
    #[serde(with = "os::list")]
    pub env: Vec<OsString>,
    /// Absolute. Where it does not exist inside, `/` takes its place, with a warning.
    #[serde(with = "os")]
    pub cwd: PathBuf,
    /// Real, effective, saved and file system user id.
    pub uid: u32,
    /// Real, effective, saved and file system group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The file mode creation mask, 0 to 0o777.
    pub umask: u32,
    /// -20 to 19.
    pub nice: i32,
    /// Soft and hard limits, as getrlimit(2) told the caller; a resource that is missing has no limit.
    pub rlimits: Vec<Rlimit>,
    /// Bit n-1 stands for signal n: those that the caller had blocked.
    pub blocked_signals: u64,
    /// Bit n-1 stands for signal n: those that the caller ignored, as nohup(1) arranges.
    pub ignored_signals: u64,
    /// Whether the terminal among its standard streams is one of the sandbox's own, behind which the host's is.
    #[serde(default)]
    pub terminal: bool,
}

/// One resource limit of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Linux's number (`RLIMIT_CPU` is 0).
    pub resource: u32,
    /// `u64::MAX` is no limit.
    pub soft: u64,
    /// `u64::MAX` is no limit.
    pub hard: u64,
}

/// What a sandbox may use; all of it together, not each process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory, the overlay in memory and tmpfs included.
    pub memory: u64,
    /// Tasks (threads of all processes).
    pub tasks: u32,
    /// Open file descriptions.
    pub descriptors: u32,
    /// Bytes of file contents in the overlay and in tmpfs.
    pub disk: u64,
    /// CPU time per second.
    pub cpus: Option<Cpus>,
}

impl Limits {
    /// Tasks unless said otherwise.
    pub const DEFAULT_TASKS: u32 = 2048;
    /// Open file descriptions unless said otherwise.
    pub const DEFAULT_DESCRIPTORS: u32 = 16384;
    /// Disk for an overlay directory, in bytes, unless said otherwise. An overlay in memory gets half of the memory.
    pub const DEFAULT_DISK: u64 = 10 << 30;
    /// The least memory that a sandbox can be given, in bytes.
    pub const LEAST_MEMORY: u64 = 16 << 20;
}

/// CPU time per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpus {
    /// Thousandths of a CPU.
    pub thousandths: u32,
}

/// Which system calls are traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StraceConfig {
    /// None.
    Off,
    /// All.
    All,
    /// These, by name.
    Calls(Vec<String>),
}

/// Where the sentry's own lines, strace's included, go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// A file of the host (absolute), appended to; `None` is the caller's standard error.
    #[serde(with = "os::option")]
    pub file: Option<PathBuf>,
    /// How a line looks.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How severe a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// The sandbox cannot go on, or something was lost.
    Error,
    /// Something that the owner should know.
    Warn,
    /// What happens in large: starts, ends, limits hit, unsupported calls.
    Info,
    /// For those who look for an error in Stockade.
    Debug,
    /// Everything.
    Trace,
}

#[cfg(test)]
mod tests;
