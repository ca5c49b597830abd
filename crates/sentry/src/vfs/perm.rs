//! Who may do what (path_resolution(7), capabilities(7)).

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::attrs::{Attrs, FileType};
use crate::creds::{Credentials, Kgid, Kuid};

bitflags::bitflags! {
    /// Access asked for; the bits are access(2)'s.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u32 {
        /// X_OK
        const EXEC = 1;
        /// W_OK
        const WRITE = 2;
        /// R_OK
        const READ = 4;
    }
}

/// Whether `creds` have `access` to an inode.
///
/// # Errors
/// EACCES
pub fn check(attrs: &Attrs, creds: &Credentials, access: Access) -> Result<(), Errno> {
    let shift = if creds.fsuid == Kuid(attrs.uid) {
        6
    } else if creds.in_group(Kgid(attrs.gid)) {
        3
    } else {
        0
    };
    if Access::from_bits_truncate(attrs.mode >> shift).contains(access) {
        return Ok(());
    }
    let directory = attrs.file_type() == FileType::Directory;
    if creds.has_cap(c::CAP_DAC_OVERRIDE)
        && (directory || !access.contains(Access::EXEC) || attrs.mode & 0o111 != 0)
    {
        return Ok(());
    }
    let reading = if directory { Access::READ | Access::EXEC } else { Access::READ };
    if creds.has_cap(c::CAP_DAC_READ_SEARCH) && reading.contains(access) {
        return Ok(());
    }
    Err(Errno::EACCES)
}

/// Whether `creds` own an inode, or may act as if.
#[must_use]
pub fn is_owner(attrs: &Attrs, creds: &Credentials) -> bool {
    creds.fsuid == Kuid(attrs.uid) || creds.has_cap(c::CAP_FOWNER)
}

/// Whether the sticky bit of `dir` keeps `creds` from removing or renaming `child`.
#[must_use]
pub fn is_sticky(dir: &Attrs, child: &Attrs, creds: &Credentials) -> bool {
    dir.mode & c::S_ISVTX != 0
        && creds.fsuid != Kuid(child.uid)
        && creds.fsuid != Kuid(dir.uid)
        && !creds.has_cap(c::CAP_FOWNER)
}

/// The permission bits after a change of owner, or of contents by somebody without CAP_FSETID: set-user-id goes, and
/// set-group-id where the group may execute or who changes is not in it (chown(2), write(2)). `None` if all stay.
#[must_use]
pub fn without_privilege_bits(attrs: &Attrs, creds: &Credentials) -> Option<u32> {
    let mut mode = attrs.mode & 0o7777 & !c::S_ISUID;
    let member = creds.in_group(Kgid(attrs.gid)) || creds.has_cap(c::CAP_FSETID);
    if mode & c::S_IXGRP != 0 || !member {
        mode &= !c::S_ISGID;
    }
    (mode != attrs.mode & 0o7777).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attrs(mode: u32) -> Attrs {
        Attrs { mode, uid: 1, gid: 2, ..Attrs::default() }
    }

    fn who(uid: u32, gid: u32, caps: u64) -> Credentials {
        Credentials { fsuid: Kuid(uid), fsgid: Kgid(gid), effective: caps, ..Credentials::default() }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = attrs(c::S_IFREG | 0o077);
        assert_eq!(check(&file, &who(1, 2, 0), Access::READ), Err(Errno::EACCES));
        assert_eq!(check(&file, &who(9, 2, 0), Access::READ), Ok(()));
        assert_eq!(check(&attrs(c::S_IFREG | 0o707), &who(9, 2, 0), Access::READ), Err(Errno::EACCES));
    }

    #[test]
    fn override_does_not_make_files_executable() {
        let all = who(0, 0, u64::MAX);
        assert_eq!(check(&attrs(c::S_IFREG | 0o644), &all, Access::EXEC), Err(Errno::EACCES));
        assert_eq!(check(&attrs(c::S_IFREG | 0o100), &all, Access::EXEC), Ok(()));
        assert_eq!(check(&attrs(c::S_IFDIR), &all, Access::EXEC | Access::WRITE), Ok(()));
        let search = who(9, 9, 1 << c::CAP_DAC_READ_SEARCH);
        assert_eq!(check(&attrs(c::S_IFDIR), &search, Access::EXEC), Ok(()));
        assert_eq!(check(&attrs(c::S_IFREG), &search, Access::WRITE), Err(Errno::EACCES));
    }
}
