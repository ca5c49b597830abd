//! Of `Proc`: executing programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Arguments of `Proc.Exec` and `containerManager.ExecuteAsync`. The payload's descriptors become the process's, see
/// [`guest_fds`](Self::guest_fds).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecArgs {
    /// The program. Empty: found by `argv[0]`. With a slash it is a path, below `working_directory` if it does not begin
    /// with one; else it is looked for along the PATH of `envv`, whose relative entries are skipped.
    pub filename: String,
    /// Arguments, the name first.
    pub argv: Vec<String>,
    /// Environment: `NAME=VALUE` each.
    pub envv: Vec<String>,
    /// Whose mounts it sees; null for the first process's.
    #[serde(rename = "MountNamespace", skip_serializing_if = "Option::is_none")]
    pub mount_namespace: Option<NamespaceOf>,
    /// Working directory; empty is `/`. It has to exist.
    #[serde(rename = "wd")]
    pub working_directory: String,
    /// User id in the root user namespace.
    #[serde(rename = "KUID")]
    pub kuid: u32,
    /// Group id in the root user namespace.
    #[serde(rename = "KGID")]
    pub kgid: u32,
    /// Supplementary groups.
    #[serde(rename = "ExtraKGIDs")]
    pub extra_kgids: Vec<u32>,
    /// Capabilities; null for none, and for a root user all that the container has. Those that are given are the program's,
    /// whoever the user is, unless the file is set-user-ID or has capabilities of its own.
    #[serde(rename = "Capabilities")]
    pub capabilities: Option<TaskCapabilities>,
    /// Descriptors 0, 1 and 2 are one terminal of the host. The program gets a controlling terminal inside, with modes and
    /// window of that one, which becomes raw and carries what is typed and shown until the program ends or it is hung up.
    /// A change of its window is seen within half a second, or when somebody sends SIGWINCH to the foreground
    /// (`containerManager.Signal`).
    #[serde(rename = "StdioIsPty")]
    pub stdio_is_pty: bool,
    /// The container; empty for the one there is.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// In whose PID namespace it gets its number; null for the root one.
    #[serde(rename = "PIDNamespace", skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<NamespaceOf>,
    /// Numbers for the payload's descriptors, in order; null for 0 and up. One descriptor more than numbers is the
    /// program itself.
    #[serde(rename = "GuestFDs", skip_serializing_if = "Option::is_none")]
    pub guest_fds: Option<Vec<i32>>,
    /// PR_SET_NO_NEW_PRIVS (prctl(2)).
    #[serde(rename = "NoNewPrivileges", skip_serializing_if = "std::ops::Not::not")]
    pub no_new_privileges: bool,
    /// Resource limits by name, as in getrlimit(2), with or without `RLIMIT_`; others have their defaults.
    #[serde(rename = "Limits", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
}

/// The namespace that a process is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceOf {
    /// A PID of the root PID namespace.
    pub pid: i32,
}

/// Capability sets (capabilities(7)): bit n stands for capability n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "named as in capabilities(7)")]
pub struct TaskCapabilities {
    #[serde(rename = "PermittedCaps")]
    pub permitted: u64,
    #[serde(rename = "InheritableCaps")]
    pub inheritable: u64,
    #[serde(rename = "EffectiveCaps")]
    pub effective: u64,
    #[serde(rename = "BoundingCaps")]
    pub bounding: u64,
    #[serde(rename = "AmbientCaps")]
    pub ambient: u64,
}

/// A resource limit; `u64::MAX` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// The soft one.
    #[serde(rename = "Cur")]
    pub cur: u64,
    /// The hard one.
    #[serde(rename = "Max")]
    pub max: u64,
}

/// Arguments of `Proc.Defaults`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefaultsArgs {
    /// `NAME` or `UID`, with `:GROUP` or `:GID` if the group is not the user's own, as the sandbox's `/etc/passwd` and
    /// `/etc/group` know them; empty for the first process's user.
    #[serde(rename = "User")]
    pub user: String,
}

/// What the first process was started with, or would have been, and what [`ExecArgs`] take of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessDefaults {
    /// Environment: `NAME=VALUE` each; HOME is that of the user who was asked for.
    pub envv: Vec<String>,
    /// Working directory.
    #[serde(rename = "wd")]
    pub working_directory: String,
    /// User id in the root user namespace.
    #[serde(rename = "KUID")]
    pub kuid: u32,
    /// Group id in the root user namespace.
    #[serde(rename = "KGID")]
    pub kgid: u32,
    /// Supplementary groups: those that `/etc/group` has a named user in, and none if a group was asked for.
    #[serde(rename = "ExtraKGIDs")]
    pub extra_kgids: Vec<u32>,
}
