//! How an upper layer says that a name of the lower one is gone, and that a directory hides the one below.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use crate::vfs::{FileType, Inode, NewNode, NodeKind};

/// Marks a directory that hides the one below.
const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// What begins the names that mean something.
const PREFIX: &[u8] = b".wh.";
/// The entry that marks a directory which hides the one below.
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// What begins the names of files on their way up. Nobody sees them.
const TEMPORARY: &[u8] = b".wh..wh.up-";

/// The marks of an upper layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whiteouts {
    /// A character device 0:0 in the place of the name, and an attribute, as Linux's overlayfs has them. For file systems
    /// of the sentry's own: on the host nobody unprivileged can make these.
    Devices,
    /// A file `.wh.NAME` beside it, and one `.wh..wh..opq` in the directory, as layers of OCI images have them: a
    /// directory of changes is such a layer. Guests cannot use such names.
    Names,
}

/// What an upper directory has under a name.
pub(super) enum Entry {
    /// Nothing: what is below shows.
    None,
    /// A whiteout.
    Hidden,
    /// This.
    Here(Arc<dyn Inode>),
}

fn find(dir: &Arc<dyn Inode>, name: &[u8]) -> Result<Option<Arc<dyn Inode>>, Errno> {
    match dir.lookup(name) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENAMETOOLONG) => Ok(None),
        Err(e) => Err(e),
    }
}

fn mark(dir: &Arc<dyn Inode>, name: &[u8], kind: NodeKind) -> Result<(), Errno> {
    match dir.create(name, &NewNode { kind, mode: 0, uid: 0, gid: 0 }) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(e) => Err(e),
    }
}

fn mark_of(name: &[u8]) -> Vec<u8> {
    [PREFIX, name].concat()
}

fn is_device(inode: &Arc<dyn Inode>) -> bool {
    inode.file_type() == FileType::CharDevice && inode.attrs().is_ok_and(|a| a.rdev == 0)
}

impl Whiteouts {
    /// A name that guests neither see nor make.
    pub(super) fn is_reserved(self, name: &[u8]) -> bool {
        name.starts_with(if self == Self::Names { PREFIX } else { TEMPORARY })
    }

    /// A name for a file that is not whole yet.
    pub(super) fn temporary_name(self, number: u64) -> Vec<u8> {
        [TEMPORARY, number.to_string().as_bytes()].concat()
    }

    /// What an upper directory says of a name.
    pub(super) fn entry(self, dir: &Arc<dyn Inode>, name: &[u8]) -> Result<Entry, Errno> {
        Ok(match (self, find(dir, name)?) {
            (Self::Devices, Some(found)) if is_device(&found) => Entry::Hidden,
            (_, Some(found)) => Entry::Here(found),
            (Self::Names, None) if find(dir, &mark_of(name))?.is_some() => Entry::Hidden,
            (_, None) => Entry::None,
        })
    }

    /// The name that an entry of an upper directory's listing hides.
    pub(super) fn hidden_by(
        self,
        dir: &Arc<dyn Inode>,
        name: &[u8],
        file_type: FileType,
    ) -> Result<Option<Vec<u8>>, Errno> {
        Ok(match self {
            Self::Devices if file_type == FileType::CharDevice && is_device(&dir.lookup(name)?) => {
                Some(name.to_vec())
            }
            Self::Names => name.strip_prefix(PREFIX).map(<[u8]>::to_vec),
            Self::Devices => None,
        })
    }

    /// Hides a name of the lower directory; the upper one has nothing of that name.
    pub(super) fn cover(self, dir: &Arc<dyn Inode>, name: &[u8]) -> Result<(), Errno> {
        let (name, kind) = match self {
            Self::Devices => (name.to_vec(), NodeKind::CharDevice(0)),
            Self::Names => (mark_of(name), NodeKind::Regular),
        };
        mark(dir, &name, kind)
    }

    /// Takes a whiteout away; true if there was one.
    pub(super) fn uncover(self, dir: &Arc<dyn Inode>, name: &[u8]) -> Result<bool, Errno> {
        let name = if self == Self::Names { mark_of(name) } else { name.to_vec() };
        match find(dir, &name)? {
            Some(found) if self == Self::Names || is_device(&found) => {
                dir.unlink(&name, &found)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Takes all marks out of a directory that is about to be removed.
    pub(super) fn clear(self, dir: &Arc<dyn Inode>) -> Result<(), Errno> {
        for name in super::dir::names(dir)? {
            let found = dir.lookup(&name)?;
            if if self == Self::Names { self.is_reserved(&name) } else { is_device(&found) } {
                dir.unlink(&name, &found)?;
            }
        }
        Ok(())
    }

    /// Whether a directory hides the one below.
    pub(super) fn is_opaque(self, dir: &Arc<dyn Inode>) -> bool {
        match self {
            Self::Devices => dir.get_xattr(OPAQUE).is_ok(),
            Self::Names => matches!(find(dir, OPAQUE_NAME), Ok(Some(_))),
        }
    }

    /// Has a directory hide the one below.
    pub(super) fn make_opaque(self, dir: &Arc<dyn Inode>) -> Result<(), Errno> {
        match self {
            Self::Devices => dir.set_xattr(OPAQUE, b"y", 0),
            Self::Names => mark(dir, OPAQUE_NAME, NodeKind::Regular),
        }
    }
}
