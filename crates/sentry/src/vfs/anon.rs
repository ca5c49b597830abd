//! Files without a name: pipes, eventfds, and whatever else only descriptors reach.

mod persist;

use std::sync::{Arc, OnceLock};

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

use super::attrs::{Attrs, FileType, SetAttrs};
use super::dentry::{Dentry, SuperBlock};
use super::file::File;
use super::file_ops::FileOps;
use super::inode::Inode;
use super::mount::{Mount, MountFlags, Path};
use super::persist::InodeState;
use crate::persist::{Counter, Saver, Unsavable};

pub use persist::{AnonInodeState, ReopenState};

/// A file without a name that can be opened anew, by way of `/proc/PID/fd`.
pub trait Reopen: Send + Sync {
    /// Opens it, for open(2)'s flags.
    ///
    /// # Errors
    /// Those of open(2).
    fn open(&self, flags: u32) -> Result<Arc<dyn FileOps>, Errno>;

    /// Cuts it off or makes it longer: of what has no size nothing is cut off.
    ///
    /// # Errors
    /// Those of ftruncate(2).
    fn set_size(&self, _size: u64) -> Result<(), Errno> {
        Ok(())
    }

    /// Its saved form.
    fn save(&self, saver: &mut Saver) -> ReopenState;
}

/// The inode of a file without a name.
struct AnonInode {
    attrs: Mutex<Attrs>,
    opener: Option<Box<dyn Reopen>>,
}

impl Inode for AnonInode {
    fn file_type(&self) -> FileType {
        self.attrs.lock().file_type()
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        Ok(*self.attrs.lock())
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        match (set.size, &self.opener) {
            (Some(size), Some(opener)) => opener.set_size(size),
            (Some(_), None) => Ok(()),
            (None, _) => {
                let mut attrs = self.attrs.lock();
                // Pipes and sockets have owners and modes of their own.
                if !matches!(attrs.file_type(), FileType::Fifo | FileType::Socket) {
                    return Err(Errno::EPERM);
                }
                attrs.uid = set.uid.unwrap_or(attrs.uid);
                attrs.gid = set.gid.unwrap_or(attrs.gid);
                attrs.mode = set.mode.map_or(attrs.mode, |mode| attrs.mode & c::S_IFMT | mode);
                Ok(())
            }
        }
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        match &self.opener {
            Some(opener) => opener.open(flags),
            None => Err(Errno::ENXIO),
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        let opener = self.opener.as_ref().map(|opener| opener.save(saver));
        Ok(InodeState::Anon(AnonInodeState { attrs: *self.attrs.lock(), opener }))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        let kind = match self.file_type() {
            FileType::Fifo => PIPEFS_MAGIC,
            FileType::Socket => SOCKFS_MAGIC,
            _ => ANON_INODE_FS_MAGIC,
        };
        Ok(Statfs { kind, bsize: 4096, frsize: 4096, namelen: 255, flags: 0x20, ..Statfs::default() })
    }
}

/// Magic numbers of statfs(2).
const PIPEFS_MAGIC: i64 = 0x5049_5045;
const SOCKFS_MAGIC: i64 = 0x534f_434b;
const ANON_INODE_FS_MAGIC: i64 = 0x0904_1934;

struct AnonFs {
    sb: Arc<SuperBlock>,
    mount: Arc<Mount>,
    inos: Counter,
}

fn anon_fs() -> &'static AnonFs {
    static FS: OnceLock<AnonFs> = OnceLock::new();
    FS.get_or_init(|| {
        let sb = SuperBlock::new("anon_inodefs", "anon_inode", false, false);
        let root = {
            let attrs = Attrs { mode: c::S_IFDIR | 0o500, nlink: 1, ..Attrs::default() };
            Arc::new(AnonInode { attrs: Mutex::new(attrs), opener: None })
        };
        let mount = Mount::new(Dentry::root(Arc::clone(&sb), root), MountFlags::empty());
        AnonFs { sb, mount, inos: Counter::from(2) }
    })
}

/// A path for something without a name: `name` is what `/proc/PID/fd` shows, with `{}` replaced by the inode number.
#[must_use]
pub fn path(name: &str, mode: u32, uid: u32, gid: u32) -> Path {
    make(name, mode, uid, gid, None)
}

/// As [`path`], for something that can be opened anew.
#[must_use]
pub fn path_with_opener(name: &str, mode: u32, uid: u32, gid: u32, opener: Box<dyn Reopen>) -> Path {
    make(name, mode, uid, gid, Some(opener))
}

fn make(name: &str, mode: u32, uid: u32, gid: u32, opener: Option<Box<dyn Reopen>>) -> Path {
    let fs = anon_fs();
    let ino = fs.inos.take();
    let attrs = Attrs { dev: fs.sb.dev, ino, mode, nlink: 1, uid, gid, blksize: 4096, ..Attrs::default() };
    wrap(
        name.replace("{}", &ino.to_string()).as_bytes(),
        Arc::new(AnonInode { attrs: Mutex::new(attrs), opener }),
    )
}

/// A path that leads nowhere.
#[must_use]
pub fn nowhere() -> Path {
    Path::of_mount(&anon_fs().mount)
}

/// A path for an inode that has a life of its own but no name.
#[must_use]
pub fn wrap(name: &[u8], inode: Arc<dyn Inode>) -> Path {
    let fs = anon_fs();
    Path { mount: Arc::clone(&fs.mount), dentry: Dentry::unattached(Arc::clone(&fs.sb), inode, name) }
}

/// An open file without a name, as `anon_inode:[name]`.
#[must_use]
pub fn file(name: &str, ops: Arc<dyn FileOps>, flags: u32) -> Arc<File> {
    File::new(path(&format!("anon_inode:{name}"), 0o600, 0, 0), ops, flags)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Files to read and to write.
    pub(crate) fn files(reader: Arc<dyn FileOps>, writer: Arc<dyn FileOps>) -> (Arc<File>, Arc<File>) {
        (file("r", reader, c::O_RDONLY), file("w", writer, c::O_WRONLY))
    }
}
