//! Of `containerManager`, the methods that concern a container as a whole.

use serde::{Deserialize, Serialize};

/// Who gets a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum SignalDeliveryMode {
    /// The process with the given PID.
    #[default]
    Process = 0,
    /// All processes of the container.
    All = 1,
    /// The foreground process group of the terminal of the process with the given PID.
    ForegroundProcessGroup = 2,
    /// The process group of the process with the given PID.
    ProcessGroup = 3,
}

impl TryFrom<u8> for SignalDeliveryMode {
    type Error = String;

    fn try_from(mode: u8) -> Result<Self, String> {
        match mode {
            0 => Ok(Self::Process),
            1 => Ok(Self::All),
            2 => Ok(Self::ForegroundProcessGroup),
            3 => Ok(Self::ProcessGroup),
            _ => Err(format!("unknown signal delivery mode: {mode}")),
        }
    }
}

impl From<SignalDeliveryMode> for u8 {
    fn from(mode: SignalDeliveryMode) -> Self {
        mode as Self
    }
}

/// Arguments of `containerManager.Signal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalArgs {
    /// The container; the sandbox has one so far.
    #[serde(rename = "CID")]
    pub cid: String,
    /// Linux's number, 1 to 64.
    #[serde(rename = "Signo")]
    pub signo: i32,
    /// A PID of the root PID namespace; 0 for the first process.
    #[serde(rename = "PID")]
    pub pid: i32,
    /// Who gets it.
    #[serde(rename = "Mode")]
    pub mode: SignalDeliveryMode,
}

/// Result of `containerManager.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerStatus {
    /// Its programs run.
    Running,
    /// They are held (`containerManager.Pause`).
    Paused,
}

/// Arguments of `containerManager.WaitPID`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WaitPidArgs {
    /// A PID of the root PID namespace.
    #[serde(rename = "PID")]
    pub pid: i32,
    /// The container; the sandbox has one so far.
    #[serde(rename = "CID")]
    pub cid: String,
}
