//! `state.json`: what is known of a sandbox from outside, and what `stockade state` prints.

use crate::config::{SandboxConfig, os};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is known of a sandbox from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// The sentry's process id on the host, while there is one.
    pub pid: Option<u32>,
    /// The process id of the command that waits for it.
    pub front: u32,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// When it ended, as far as that is known.
    #[serde(default)]
    pub finished: Option<String>,
    /// The exit status that `stockade do` would have had: of a stopped one whose end somebody saw.
    #[serde(default)]
    pub exit_status: Option<u8>,
    /// What there is to say of its end beyond the exit status.
    #[serde(default)]
    pub message: Option<String>,
    /// Where its control server listens while it runs.
    #[serde(with = "os", default)]
    pub control_socket: PathBuf,
    /// What its owner noted; nothing to Stockade.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Program and arguments; what is not UTF-8 is replaced. Empty for one that waits for programs.
    pub command: Vec<String>,
    /// Whether it outlives the command that made it, and is kept at its end.
    #[serde(default)]
    pub detached: bool,
    /// Whether nothing of it is kept at its end although it is detached.
    #[serde(default)]
    pub remove: bool,
    /// The control groups to remove if whoever made them was killed.
    #[serde(default)]
    pub cgroups: Vec<String>,
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
    /// It runs, but its programs are held; only the sandbox itself knows.
    Paused,
    /// It has ended, and this is what is left.
    Stopped,
}

impl Status {
    /// As in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
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
            created: now(),
            finished: None,
            exit_status: None,
            message: None,
            control_socket: PathBuf::new(),
            annotations: config.annotations.clone(),
            command: config.process.argv.iter().map(|a| a.to_string_lossy().into_owned()).collect(),
            detached: false,
            remove: false,
            cgroups: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether it stays when nobody is there who waits for its end.
    pub(super) fn is_kept(&self) -> bool {
        self.detached && !self.remove
    }

    /// Notes the end.
    pub(super) fn end(&mut self, status: Option<u8>, message: Option<String>) {
        self.status = Status::Stopped;
        self.pid = None;
        self.finished = status.map(|_| now());
        self.exit_status = status;
        self.message = message;
        self.cgroups.clear();
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
