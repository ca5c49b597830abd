//! Who executing a file makes of somebody (capabilities(7), "Transformation of capabilities during execve()").

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::sched::CAP_FULL;

use super::{Credentials, Kgid, Kuid, securebits};
use crate::vfs::Attrs;

/// Capabilities of a file: what its `security.capability` attribute says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in capabilities(7)")]
pub struct FileCaps {
    pub permitted: u64,
    pub inheritable: u64,
    pub effective: bool,
}

impl FileCaps {
    /// Reads the attribute, of any revision. Capabilities that are valid under another root than ours do not count.
    #[must_use]
    pub fn parse(xattr: &[u8]) -> Option<Self> {
        let word = |i: usize| Some(u32::from_le_bytes(xattr.get(4 * i..4 * i + 4)?.try_into().ok()?));
        let magic = word(0)?;
        let words = match (magic >> 24, xattr.len()) {
            (1, 12) => 1,
            (2, 20) => 2,
            (3, 24) if word(5) == Some(0) => 2,
            _ => return None,
        };
        let mut caps = Self { effective: magic & 1 != 0, ..Self::default() };
        for i in 0..words {
            caps.permitted |= u64::from(word(1 + 2 * i)?) << (32 * i);
            caps.inheritable |= u64::from(word(2 + 2 * i)?) << (32 * i);
        }
        caps.permitted &= CAP_FULL;
        caps.inheritable &= CAP_FULL;
        Some(caps)
    }
}

/// What is executed, and how.
#[derive(Clone, Debug, Default)]
pub struct Executed {
    /// Owner and mode of the file.
    pub attrs: Attrs,
    /// Its capabilities.
    pub caps: Option<FileCaps>,
    /// Whether its mount lets it give rights to nobody.
    pub nosuid: bool,
    /// Whether another process shares root and working directory, and could so trick it.
    pub shares_fs: bool,
}

impl Credentials {
    /// Who executing a file makes of somebody, and whether AT_SECURE is set.
    ///
    /// # Errors
    /// EPERM if the file wants capabilities that the bounding set denies.
    pub fn after_exec(&self, file: &Executed) -> Result<(Self, bool), Errno> {
        let mut new = self.clone();
        let mode = file.attrs.mode;
        if !file.nosuid && !self.no_new_privs {
            if mode & c::S_ISUID != 0 {
                new.euid = Kuid(file.attrs.uid);
            }
            if mode & (c::S_ISGID | c::S_IXGRP) == c::S_ISGID | c::S_IXGRP {
                new.egid = Kgid(file.attrs.gid);
            }
        }
        let caps = file.caps.filter(|_| !file.nosuid);
        let mut effective = false;
        new.permitted = 0;
        if let Some(caps) = caps {
            effective = caps.effective;
            new.permitted = self.bounding & caps.permitted | self.inheritable & caps.inheritable;
            if effective && caps.permitted & !new.permitted != 0 {
                return Err(Errno::EPERM);
            }
        }
        let set_uid_root = new.euid.0 == 0 && new.uid.0 != 0;
        if self.securebits & securebits::NOROOT == 0 && !(caps.is_some() && set_uid_root) {
            if new.euid.0 == 0 || new.uid.0 == 0 {
                new.permitted = self.bounding | self.inheritable;
            }
            effective |= new.euid.0 == 0;
        }
        let id_changed = new.euid != self.euid || !self.is_member(new.egid);
        let gained = new.permitted & !self.permitted != 0;
        if (id_changed || gained) && (self.no_new_privs || file.shares_fs) {
            if self.no_new_privs || !self.has_cap(c::CAP_SETUID) {
                (new.euid, new.egid) = (new.uid, new.gid);
            }
            new.permitted &= self.permitted;
        }
        (new.suid, new.fsuid, new.sgid, new.fsgid) = (new.euid, new.euid, new.egid, new.egid);
        if caps.is_some() || id_changed {
            new.ambient = 0;
        }
        new.permitted |= new.ambient;
        new.effective = if effective { new.permitted } else { new.ambient };
        new.securebits &= !securebits::KEEP_CAPS;
        let secure = id_changed
            || new.euid != self.uid
            || new.egid != self.gid
            || new.uid.0 != 0 && (effective || new.permitted & !new.ambient != 0);
        Ok((new, secure))
    }

    /// Whether a group is the effective one or a supplementary one.
    fn is_member(&self, gid: Kgid) -> bool {
        self.egid == gid || self.groups.contains(&gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32) -> Executed {
        Executed { attrs: Attrs { mode: c::S_IFREG | mode, ..Attrs::default() }, ..Executed::default() }
    }

    #[test]
    fn set_user_id_gives_root_its_capabilities() {
        let user = Credentials::initial(1000, 1000, &[]);
        let su = file(0o4755);
        let (root, secure) = user.after_exec(&su).unwrap();
        assert!(secure && root.euid == Kuid(0) && root.uid == Kuid(1000) && root.has_cap(0));
        let (same, secure) = user.after_exec(&Executed { nosuid: true, ..su.clone() }).unwrap();
        assert!(!secure && same.euid == Kuid(1000) && same.effective == 0);
        let (tricked, _) = user.after_exec(&Executed { shares_fs: true, ..su.clone() }).unwrap();
        assert_eq!((tricked.euid, tricked.permitted), (Kuid(1000), 0));
        let locked = Credentials { no_new_privs: true, ..user };
        assert_eq!(locked.after_exec(&su).unwrap().0.euid, Kuid(1000));
    }

    #[test]
    fn root_keeps_what_the_bounding_set_lets_it() {
        let root = Credentials { bounding: 0b101, ..Credentials::root() };
        let (after, secure) = root.after_exec(&file(0o755)).unwrap();
        assert_eq!((after.permitted, after.effective, secure), (0b101, 0b101, false));
    }

    #[test]
    fn without_new_privileges_nothing_is_regained() {
        let root = Credentials { permitted: 1, effective: 1, no_new_privs: true, ..Credentials::root() };
        let (after, _) = root.after_exec(&file(0o755)).unwrap();
        assert_eq!((after.permitted, after.effective), (1, 1));
    }

    #[test]
    fn files_give_capabilities() {
        let raw = |magic: u32, words: &[u32]| -> Vec<u8> {
            std::iter::once(&magic).chain(words).flat_map(|w| w.to_le_bytes()).collect()
        };
        let caps = FileCaps::parse(&raw(0x0200_0001, &[1 << 13, 0, 0, 0])).unwrap();
        assert_eq!(caps, FileCaps { permitted: 1 << 13, inheritable: 0, effective: true });
        assert_eq!(FileCaps::parse(&raw(0x0300_0001, &[1, 0, 0, 0, 7])), None);
        assert_eq!(FileCaps::parse(&raw(0x0200_0001, &[1])), None);
        let ping = Executed { caps: Some(caps), ..file(0o755) };
        let user = Credentials::initial(1000, 1000, &[]);
        let (after, secure) = user.after_exec(&ping).unwrap();
        assert_eq!((after.permitted, after.effective, secure), (1 << 13, 1 << 13, true));
        let bound = Credentials { bounding: 0, ..user };
        assert_eq!(bound.after_exec(&ping), Err(Errno::EPERM));
    }

    #[test]
    fn securebits_can_be_locked() {
        let mut root = Credentials::root();
        assert_eq!(root.set_securebits(0b11), Ok(()));
        assert_eq!(root.set_securebits(0), Err(Errno::EPERM));
        assert_eq!(root.set_securebits(1 << 8 | 0b11), Err(Errno::EPERM));
        assert_eq!(root.after_exec(&file(0o755)).unwrap().0.permitted, 0);
    }
}
