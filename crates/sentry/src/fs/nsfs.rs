//! Files that stand for namespaces: what the links of `/proc/PID/ns` lead to (namespaces(7)).

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;

use crate::persist::{Saver, Unsavable};
use crate::task::namespaces::Namespace;
use crate::vfs::persist::{FileOpsState, InodeState};
use crate::vfs::{Attrs, FileOps, FileType, Inode, Path, anon};

pub use persist::{NsFileState, NsInodeState};

/// Magic number of statfs(2).
const NSFS_MAGIC: i64 = 0x6e73_6673;

struct NsInode(Namespace);

/// A namespace of which there is one only: it can be looked at, and not be entered.
struct OnlyInode(u64);

impl Inode for OnlyInode {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        Ok(attrs(self.0))
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(OnlyFile))
    }

    fn save(&self, _saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Ns(NsInodeState::Only(self.0)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }
}

struct OnlyFile;

impl FileOps for OnlyFile {
    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Ns(NsFileState::Only))
    }
}

fn attrs(ino: u64) -> Attrs {
    Attrs { ino, mode: c::S_IFREG | 0o444, nlink: 1, blksize: 4096, ..Attrs::default() }
}

fn statfs() -> Statfs {
    Statfs { kind: NSFS_MAGIC, bsize: 4096, frsize: 4096, namelen: 255, ..Statfs::default() }
}

/// Where the link of a namespace leads of which there is one only.
#[must_use]
pub fn only(name: &[u8], ino: u64) -> Path {
    anon::wrap(name, Arc::new(OnlyInode(ino)))
}

impl Inode for NsInode {
    fn file_type(&self) -> FileType {
        FileType::Regular
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        Ok(attrs(self.0.id()))
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        if flags & c::O_ACCMODE != c::O_RDONLY {
            return Err(Errno::EPERM);
        }
        Ok(Arc::new(NsFile(self.0.clone())))
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Ns(NsInodeState::save(&self.0, saver)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }
}

/// An open file of a namespace.
pub struct NsFile(pub Namespace);

impl FileOps for NsFile {
    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Ns(NsFileState::save(&self.0, saver)))
    }
}

/// Where the link of a namespace leads.
#[must_use]
pub fn path(namespace: Namespace) -> Path {
    let name = format!("{}:[{}]", namespace.name(), namespace.id());
    anon::wrap(name.as_bytes(), Arc::new(NsInode(namespace)))
}
