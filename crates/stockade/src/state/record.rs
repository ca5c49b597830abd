//! `state.json`.

use crate::config::SandboxConfig;
use serde::{Deserialize, Serialize};

/// What is known of a sandbox from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// The sentry's process id, once there is one.
    pub pid: Option<u32>,
    /// The process id of the command that waits for it.
    pub front: u32,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// Program and arguments; what is not UTF-8 is replaced.
    pub command: Vec<String>,
    /// The version of Stockade that made it.
    pub version: String,
}

/// How far a sandbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Being set up.
    Creating,
    /// Its program runs.
    Running,
}

impl Record {
    /// Of a sandbox that this process is about to make.
    #[must_use]
    pub fn new(config: &SandboxConfig) -> Self {
        Self {
            id: config.id.clone(),
            status: Status::Creating,
            pid: None,
            front: std::process::id(),
            created: jiff::Timestamp::now().to_string(),
            command: config.process.argv.iter().map(|a| a.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
