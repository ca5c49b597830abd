//! A directory of the host (`--root`, `--volume`), or a single file.
//!
//! It is reached by a descriptor alone; every step goes through openat2(2) or a call that does not follow links, so that
//! nothing outside can be named. Only regular files, directories and symbolic links can be opened; sockets and devices of the
//! host are seen and not opened, and a FIFO or a socket that a guest makes is a name on the host and no more.

mod dir;
mod disk;
mod fifos;
pub(crate) mod file;
mod inode;
mod orphan;
mod persist;
mod trust;
mod xattr;

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
pub(super) use stockade_platform::host::errno as host;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat2, statx};
use stockade_abi::Errno;
use stockade_abi::time::Timespec;
use stockade_platform::sync::Mutex;

pub use inode::HostInode;
pub use persist::{HostDirState, HostFileState, HostFsState, HostInodeState};

use self::disk::Disk;
use self::fifos::Fifos;
use crate::fs::tmpfs::Budget;

use crate::vfs::{Attrs, Dentry, FileType, SuperBlock};

/// Descriptors of directories kept open at once: descriptors are scarce, and a closed one is opened again.
const MAX_OPEN_DIRS: usize = 1000;

/// A host directory as a file system.
pub struct HostFs {
    /// What its owner calls it, by which it is found again after a restore.
    label: String,
    sb: Arc<SuperBlock>,
    root: Arc<OwnedFd>,
    /// If the root is a file: the proc file system by which it is opened again.
    proc: Option<OwnedFd>,
    root_dev: u64,
    /// Whether others change it at the same time: then nothing is believed for longer than a call.
    shared: bool,
    /// How much it may grow; none for no bound.
    disk: Option<Disk>,
    /// Device numbers of the sandbox's own for those of the host that are met below the root.
    devices: Mutex<HashMap<u64, u64>>,
    open_dirs: Mutex<VecDeque<Weak<HostInode>>>,
    fifos: Fifos,
}

/// Nothing followed, nothing left.
pub(super) fn open_beneath(dir: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(dir, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve).map_err(host)
}

pub(super) fn stat_in(dir: impl AsFd, name: &[u8]) -> Result<Statx, Errno> {
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    statx(dir, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME).map_err(host)
}

impl HostFs {
    /// The tree beneath a directory descriptor. `shared`: others change it meanwhile. The label is what its owner calls it:
    /// by that it is found again when the kernel is restored.
    ///
    /// # Errors
    /// What statx(2) says; ENOTDIR.
    pub fn mount(label: &str, root: OwnedFd, shared: bool) -> Result<Arc<Dentry>, Errno> {
        Self::with(label, root, shared, None, None)
    }

    /// The same, for a tree that may grow within a budget only.
    ///
    /// # Errors
    /// As [`mount`](Self::mount).
    pub fn mount_within(label: &str, root: OwnedFd, budget: &Arc<Budget>) -> Result<Arc<Dentry>, Errno> {
        Self::with(label, root, true, None, Some(Disk::new(Arc::clone(budget))))
    }

    /// A single regular file; others may change it meanwhile. `proc` is a proc file system of the own PID namespace: a
    /// file has no directory in which it could be opened again.
    ///
    /// # Errors
    /// What statx(2) says; EINVAL for anything else than a regular file.
    pub fn mount_file(label: &str, root: OwnedFd, proc: OwnedFd) -> Result<Arc<Dentry>, Errno> {
        Self::with(label, root, true, Some(proc), None)
    }

    fn with(
        label: &str,
        root: OwnedFd,
        shared: bool,
        proc: Option<OwnedFd>,
        disk: Option<Disk>,
    ) -> Result<Arc<Dentry>, Errno> {
        let sb = SuperBlock::new("stockade", "host", true, true);
        let found = stat_in(&root, b"")?;
        let fs = Arc::new(Self {
            label: label.to_owned(),
            sb: Arc::clone(&sb),
            root: Arc::new(root),
            proc,
            root_dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            shared,
            disk,
            devices: Mutex::default(),
            open_dirs: Mutex::default(),
            fifos: Fifos::default(),
        });
        let inode = HostInode::root(&fs, &found);
        match (&fs.proc, inode.attrs_of(&found).file_type()) {
            (None, FileType::Directory) | (Some(_), FileType::Regular) => Ok(Dentry::root(sb, inode)),
            (None, _) => Err(Errno::ENOTDIR),
            (Some(_), _) => Err(Errno::EINVAL),
        }
    }

    /// A device number of the sandbox's own for one of the host's.
    fn device(&self, found: &Statx) -> u64 {
        let dev = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
        if dev == self.root_dev {
            return self.sb.dev;
        }
        *self
            .devices
            .lock()
            .entry(dev)
            .or_insert_with(|| SuperBlock::new("stockade", "host", false, false).dev)
    }

    fn attrs_of(&self, s: &Statx) -> Attrs {
        let time = |t: rustix::fs::StatxTimestamp| Timespec { sec: t.tv_sec, nsec: i64::from(t.tv_nsec) };
        Attrs {
            dev: self.device(s),
            ino: s.stx_ino,
            mode: u32::from(s.stx_mode),
            nlink: s.stx_nlink,
            uid: s.stx_uid,
            gid: s.stx_gid,
            rdev: crate::vfs::attrs::make_dev(s.stx_rdev_major, s.stx_rdev_minor),
            size: s.stx_size,
            blksize: s.stx_blksize,
            blocks: s.stx_blocks,
            atime: time(s.stx_atime),
            mtime: time(s.stx_mtime),
            ctime: time(s.stx_ctime),
            btime: (s.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(s.stx_btime)),
        }
    }

    /// Remembers that a directory has its descriptor open, and closes the oldest ones beyond the limit.
    fn note_open(&self, inode: &Weak<HostInode>) {
        let mut open = self.open_dirs.lock();
        open.push_back(Weak::clone(inode));
        if open.len() > MAX_OPEN_DIRS
            && let Some(oldest) = open.pop_front()
        {
            drop(open);
            if let Some(oldest) = oldest.upgrade() {
                oldest.close_dir();
            }
        }
    }
}

#[cfg(test)]
mod tests;
