//! Extended attributes of host files (xattr(7)). Guests see those that users set, and programs' capabilities; labels and
//! access control lists are the host's own business, and what a guest sets is never more than a user's.

use std::os::fd::AsFd;

use rustix::fs::{fgetxattr, flistxattr};
use stockade_abi::Errno;

use super::host;

/// XATTR_SIZE_MAX, XATTR_LIST_MAX
const MAX: usize = 65536;

/// Whether guests see it.
pub(super) fn is_shown(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name == b"security.capability"
}

/// Whether guests may set it.
///
/// # Errors
/// EOPNOTSUPP
pub(super) fn check_own(name: &[u8]) -> Result<(), Errno> {
    if name.starts_with(b"user.") { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

/// Fills a buffer that is made larger once it is known to be too small.
fn filled(fill: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> Result<Vec<u8>, Errno> {
    for size in [256, MAX] {
        let mut buf = vec![0; size];
        match fill(&mut buf) {
            Err(rustix::io::Errno::RANGE) if size < MAX => {}
            Err(e) => return Err(host(e)),
            Ok(n) => {
                buf.truncate(n);
                return Ok(buf);
            }
        }
    }
    Err(Errno::E2BIG)
}

pub(super) fn get(fd: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    filled(|buf| fgetxattr(&fd, name, buf))
}

pub(super) fn list(fd: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let names = filled(|buf| flistxattr(&fd, buf))?;
    let names = names.split(|&b| b == 0).filter(|n| is_shown(n));
    Ok(names.map(<[u8]>::to_vec).collect())
}
