//! Credentials of a task (credentials(7), capabilities(7)).

use serde::{Deserialize, Serialize};

/// A user id in the root user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kuid(pub u32);

/// A group id in the root user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kgid(pub u32);

/// Who a task is and what it may do. Shared copy-on-write: a task holds an `Arc<Credentials>` and replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in credentials(7) and capabilities(7)")]
pub struct Credentials {
    pub uid: Kuid,
    pub euid: Kuid,
    pub suid: Kuid,
    pub fsuid: Kuid,
    pub gid: Kgid,
    pub egid: Kgid,
    pub sgid: Kgid,
    pub fsgid: Kgid,
    pub groups: Vec<Kgid>,
    /// Masks of capability numbers.
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub bounding: u64,
    pub ambient: u64,
    pub securebits: u32,
    pub no_new_privs: bool,
}

impl Credentials {
    /// Whether the effective set holds a capability, by number.
    #[must_use]
    pub fn has_cap(&self, cap: u32) -> bool {
        cap < 64 && self.effective & (1 << cap) != 0
    }

    /// Whether `gid` is the file system group or among the supplementary ones.
    #[must_use]
    pub fn in_group(&self, gid: Kgid) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }
}
