//! Credentials of a task (credentials(7), capabilities(7)).

mod exec;
mod persist;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

pub use exec::{Executed, FileCaps};

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

/// Bits of [`Credentials::securebits`] (capabilities(7), "The securebits flags"). Each has a lock, the bit above it.
#[expect(missing_docs, reason = "named as in capabilities(7)")]
pub mod securebits {
    pub const NOROOT: u32 = 1;
    pub const NO_SETUID_FIXUP: u32 = 1 << 2;
    pub const KEEP_CAPS: u32 = 1 << 4;
    pub const KEEP_CAPS_LOCKED: u32 = 1 << 5;
    pub const NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;
    pub const ALL_BITS: u32 = 0x55;
    pub const ALL_LOCKS: u32 = ALL_BITS << 1;
}

impl Credentials {
    /// Sets the securebits (PR_SET_SECUREBITS).
    ///
    /// # Errors
    /// EPERM without CAP_SETPCAP, for locked and for unknown bits.
    pub fn set_securebits(&mut self, bits: u64) -> Result<(), Errno> {
        use securebits::{ALL_BITS, ALL_LOCKS};
        let bits = u32::try_from(bits).map_err(|_| Errno::EPERM)?;
        let locked = (self.securebits & ALL_LOCKS) >> 1;
        if locked & (self.securebits ^ bits) != 0
            || self.securebits & ALL_LOCKS & !bits != 0
            || bits & !(ALL_BITS | ALL_LOCKS) != 0
            || !self.has_cap(stockade_abi::general::CAP_SETPCAP)
        {
            return Err(Errno::EPERM);
        }
        self.securebits = bits;
        Ok(())
    }

    /// Whether others may no longer look into a process that had `self` before and has `new` now (prctl(2),
    /// PR_SET_DUMPABLE).
    #[must_use]
    pub fn becomes_private(&self, new: &Self) -> bool {
        self.euid != new.euid
            || self.egid != new.egid
            || self.fsuid != new.fsuid
            || self.fsgid != new.fsgid
            || new.permitted & !self.permitted != 0
    }

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
        let mut groups: Vec<Kgid> = groups.iter().map(|&g| Kgid(g)).collect();
        // As setgroups(2) leaves them.
        groups.sort_unstable();
        Self {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups,
            bounding: stockade_abi::sched::CAP_FULL,
            ..Self::default()
        }
    }

    /// Has the capabilities that another has.
    pub fn copy_caps(&mut self, of: &Self) {
        self.permitted = of.permitted;
        self.effective = of.effective;
        self.inheritable = of.inheritable;
        self.bounding = of.bounding;
        self.ambient = of.ambient;
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
}
