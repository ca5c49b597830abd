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

/// SECBIT_NOROOT
const NOROOT: u32 = 1;

impl Credentials {
    /// Every capability, as root of a fresh system has them.
    #[must_use]
    pub fn root() -> Self {
        let full = stockade_abi::sched::CAP_FULL;
        Self { permitted: full, effective: full, bounding: full, ..Self::default() }
    }

    /// An ordinary user.
    #[must_use]
    pub fn user(uid: u32, gid: u32, groups: &[u32]) -> Self {
        let (uid, gid) = (Kuid(uid), Kgid(gid));
        Self {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: groups.iter().map(|&g| Kgid(g)).collect(),
            bounding: stockade_abi::sched::CAP_FULL,
            ..Self::default()
        }
    }

    /// Who somebody with given ids is when a sandbox starts: root has every capability, others none.
    #[must_use]
    pub fn initial(uid: u32, gid: u32, groups: &[u32]) -> Self {
        let mut creds = Self::user(uid, gid, groups);
        if uid == 0 {
            (creds.permitted, creds.effective) = (creds.bounding, creds.bounding);
        }
        creds
    }

    /// Who executing a file makes of somebody, and whether AT_SECURE is set (capabilities(7), "Transformation of
    /// capabilities during execve()"). Files have no capabilities of their own here.
    #[must_use]
    pub fn after_exec(&self, file: &crate::vfs::Attrs, nosuid: bool) -> (Self, bool) {
        use stockade_abi::general as c;
        let mut new = self.clone();
        if !nosuid && !self.no_new_privs {
            if file.mode & c::S_ISUID != 0 {
                new.euid = Kuid(file.uid);
            }
            if file.mode & (c::S_ISGID | c::S_IXGRP) == c::S_ISGID | c::S_IXGRP {
                new.egid = Kgid(file.gid);
            }
        }
        let changed = new.euid != self.euid || new.egid != self.egid;
        (new.suid, new.fsuid, new.sgid, new.fsgid) = (new.euid, new.euid, new.egid, new.egid);
        if changed {
            new.ambient = 0;
        }
        let as_root = self.securebits & NOROOT == 0;
        let (file_permitted, file_inheritable) =
            if as_root && (new.uid.0 == 0 || new.euid.0 == 0) { (!0, !0) } else { (0, 0) };
        let file_effective = as_root && new.euid.0 == 0;
        new.permitted =
            (self.inheritable & file_inheritable) | (file_permitted & self.bounding) | new.ambient;
        new.permitted &= stockade_abi::sched::CAP_FULL;
        new.effective = if file_effective { new.permitted } else { new.ambient };
        new.securebits &= !(1 << 4);
        let gained = new.permitted & !(self.inheritable | new.ambient) != 0 && new.uid.0 != 0;
        (new, changed || gained || self.uid != self.euid || self.gid != self.egid)
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::general as c;

    use super::*;
    use crate::vfs::Attrs;

    #[test]
    fn set_user_id_gives_root_its_capabilities() {
        let user = Credentials::initial(1000, 1000, &[]);
        let su = Attrs { mode: c::S_IFREG | 0o4755, ..Attrs::default() };
        let (root, secure) = user.after_exec(&su, false);
        assert!(secure && root.euid == Kuid(0) && root.uid == Kuid(1000) && root.has_cap(0));
        let (same, secure) = user.after_exec(&su, true);
        assert!(!secure && same.euid == Kuid(1000) && same.effective == 0);
        let locked = Credentials { no_new_privs: true, ..user };
        assert_eq!(locked.after_exec(&su, false).0.euid, Kuid(1000));
    }

    #[test]
    fn root_keeps_what_the_bounding_set_lets_it() {
        let root = Credentials { bounding: 0b101, ..Credentials::root() };
        let (after, secure) = root.after_exec(&Attrs { mode: c::S_IFREG | 0o755, ..Attrs::default() }, false);
        assert_eq!((after.permitted, after.effective, secure), (0b101, 0b101, false));
    }
}
