//! `/dev/pts`: the terminals of the sandbox by their numbers, and `ptmx` (pts(4)).

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;

use super::dev;
use super::listing::{self, Listed};
use crate::persist::{Saver, Unsavable};
use crate::tty::{PTS_MAJOR, Terminal, Ttys};
use crate::vfs::attrs::make_dev;
use crate::vfs::persist::{FileOpsState, InodeState};
use crate::vfs::{Attrs, Dentry, DirEntry, File, FileOps, FileType, Inode, Seek, SetAttrs, SuperBlock};

pub use persist::{DevPtsInodeState, DevPtsRootState};

/// Magic number of statfs(2).
const MAGIC: i64 = 0x1cd1;
const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
/// The inode number of terminal 0.
const FIRST_INO: u64 = 3;

#[derive(Clone)]
struct DevPts {
    ttys: Arc<Ttys>,
    dev: u64,
}

/// Mounts it.
#[must_use]
pub fn mount(ttys: &Arc<Ttys>) -> Arc<Dentry> {
    let sb = SuperBlock::new("devpts", "devpts", false, true);
    let root = Arc::new(Root(DevPts { ttys: Arc::clone(ttys), dev: sb.dev }));
    Dentry::root(sb, root)
}

impl DevPts {
    fn attrs(&self, ino: u64, mode: u32, nlink: u32) -> Attrs {
        let now = crate::time::clock::now_coarse();
        let times = Attrs { atime: now, mtime: now, ctime: now, ..Attrs::default() };
        Attrs { dev: self.dev, ino, mode, nlink, blksize: 1024, ..times }
    }
}

fn statfs() -> Statfs {
    Statfs { kind: MAGIC, bsize: 4096, frsize: 4096, namelen: 255, flags: 0x20, ..Statfs::default() }
}

struct Root(DevPts);

impl Inode for Root {
    fn file_type(&self) -> FileType {
        FileType::Directory
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        Ok(self.0.attrs(ROOT_INO, c::S_IFDIR | 0o755, 2))
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(OpenRoot(self)))
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        if name == b"ptmx" {
            return Ok(Arc::new(Ptmx(self.0.clone())));
        }
        let number: u32 =
            std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(Errno::ENOENT)?;
        // "01" and "+1" are no names.
        let terminal = self.0.ttys.get(number).filter(|_| number.to_string().as_bytes() == name);
        Ok(Arc::new(Slave { fs: self.0.clone(), terminal: terminal.ok_or(Errno::ENOENT)? }))
    }

    /// A terminal that has gone leaves its number to others.
    fn is_current(&self, _name: &[u8], child: &Arc<dyn Inode>) -> bool {
        child.downcast_ref::<Slave>().is_none_or(|slave| {
            let now = self.0.ttys.get(slave.terminal.tty().number);
            now.is_some_and(|terminal| Arc::ptr_eq(&terminal, &slave.terminal))
        })
    }

    fn save(&self, _saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::DevPts(DevPtsInodeState::root(&self.0)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }
}

struct OpenRoot(Arc<Root>);

impl FileOps for OpenRoot {
    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::DevPtsRoot(DevPtsRootState::save(&self.0, saver)))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn iterate(
        &self,
        file: &File,
        from: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        let device = FileType::CharDevice;
        let terminals = self.0.0.ttys.all().into_iter().map(|terminal| {
            let number = terminal.tty().number;
            Listed::new(number.to_string(), FIRST_INO + u64::from(number), device)
        });
        let entries = std::iter::once(Listed::new("ptmx", PTMX_INO, device)).chain(terminals);
        listing::emit(file, ROOT_INO, entries, from, emit)
    }
}

/// The device by which pseudoterminals are made.
struct Ptmx(DevPts);

impl Inode for Ptmx {
    fn file_type(&self) -> FileType {
        FileType::CharDevice
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let attrs = self.0.attrs(PTMX_INO, c::S_IFCHR | 0o666, 1);
        Ok(Attrs { rdev: dev::PTMX, ..attrs })
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        let times = SetAttrs { atime: set.atime, mtime: set.mtime, size: set.size, ..SetAttrs::default() };
        if *set == times { Ok(()) } else { Err(Errno::EPERM) }
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        dev::open(dev::PTMX, flags)
    }

    fn save(&self, _saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::DevPts(DevPtsInodeState::ptmx(&self.0)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }
}

/// A terminal.
struct Slave {
    fs: DevPts,
    terminal: Arc<dyn Terminal>,
}

impl Inode for Slave {
    fn file_type(&self) -> FileType {
        FileType::CharDevice
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let tty = self.terminal.tty();
        let node = tty.node();
        let attrs = self.fs.attrs(FIRST_INO + u64::from(tty.number), c::S_IFCHR | node.mode, 1);
        let (uid, gid) = (node.uid, node.gid);
        let (atime, mtime, ctime) = (node.atime, node.mtime, node.ctime);
        Ok(Attrs { rdev: make_dev(PTS_MAJOR, tty.number), uid, gid, atime, mtime, ctime, ..attrs })
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        self.terminal.tty().set_node(set);
        Ok(())
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Arc::clone(&self.terminal).open(flags)
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::DevPts(DevPtsInodeState::slave(self, saver)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(statfs())
    }
}
