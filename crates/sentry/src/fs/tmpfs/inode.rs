//! Inodes.

mod persist;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;
use stockade_platform::sync::{Mutex, RwLock};

use super::content::Content;
use super::dir::Entries;
use super::file::{TmpDir, TmpFile};
use super::seals::{Seals, WritablePages};
use super::{Budget, Options, TmpFs, file};
use crate::persist::{PageObject, PageSink, PageSource, RestoreError, SaveError, Saver, Unsavable};
use crate::time::clock::now_coarse;
use crate::unravel::unravel;
use crate::vfs::persist::InodeState;
use crate::vfs::{Attrs, FileOps, FileType, HostFd, Inode, NewNode, NodeKind, SetAttrs, TimeSet};

pub use persist::TmpInodeState;

/// What changes of an inode beside its contents.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Meta {
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    atime: Timespec,
    mtime: Timespec,
    ctime: Timespec,
    btime: Timespec,
}

/// A regular file.
pub(super) struct Regular {
    content: RwLock<Content>,
    /// The memfd, once the contents are one: to be had without the lock of the contents, which is held while guest memory
    /// is copied and therefore comes before those of address spaces.
    memfd: OnceLock<Arc<HostFd>>,
    pub(super) writable: WritablePages,
}

impl Regular {
    /// The contents as a memfd, from now on.
    pub(super) fn memfd(&self) -> Result<Arc<HostFd>, Errno> {
        if let Some(fd) = self.memfd.get() {
            return Ok(Arc::clone(fd));
        }
        let fd = self.content.write().memfd()?;
        Ok(Arc::clone(self.memfd.get_or_init(|| fd)))
    }
}

enum Data {
    Regular(Regular),
    Directory(RwLock<Entries>),
    Symlink(Vec<u8>),
    Fifo(Arc<crate::fs::pipe::Pipe>),
    Special { rdev: u64 },
}

/// An inode of a memory file system.
pub struct TmpInode {
    pub(super) fs: Arc<TmpFs>,
    ino: u64,
    file_type: FileType,
    meta: Mutex<Meta>,
    data: Data,
    xattrs: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

/// Bytes that the extended attributes of one inode take at most.
const MAX_XATTRS: usize = 64 * 1024;
/// XATTR_CREATE, XATTR_REPLACE
const XATTR_CREATE: u32 = 1;
const XATTR_REPLACE: u32 = 2;
/// TMPFS_MAGIC
const MAGIC: i64 = 0x0102_1994;

/// Bytes charged for an inode and its name, and for each further name.
const NODE: u64 = 1024;

fn size_of_xattrs(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> u64 {
    xattrs.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

impl Drop for TmpInode {
    fn drop(&mut self) {
        let names = match &self.data {
            Data::Directory(_) => 0,
            _ => u64::from(self.meta.get_mut().nlink.saturating_sub(1)),
        };
        let target = if let Data::Symlink(target) = &self.data { target.len() as u64 } else { 0 };
        let charged = NODE * (1 + names) + target + size_of_xattrs(self.xattrs.get_mut());
        self.fs.budget.give_kernel(charged);
        unravel(self.take_entries(), |inode, entries| entries.append(&mut inode.take_entries()));
    }
}

impl TmpInode {
    /// # Errors
    /// ENOSPC
    pub(super) fn new(fs: Arc<TmpFs>, ino: u64, node: &NewNode) -> Result<Arc<Self>, Errno> {
        let target = if let NodeKind::Symlink(target) = &node.kind { target.len() as u64 } else { 0 };
        fs.budget.take_kernel(NODE + target)?;
        let file_type = node.kind.file_type();
        let now = now_coarse();
        let nlink = if file_type == FileType::Directory { 2 } else { 1 };
        let data = match &node.kind {
            NodeKind::Regular => Data::Regular(Regular {
                content: RwLock::new(Content::new(Arc::clone(&fs.budget))),
                memfd: OnceLock::new(),
                writable: WritablePages::default(),
            }),
            NodeKind::Directory => Data::Directory(RwLock::default()),
            NodeKind::Symlink(target) => Data::Symlink(target.clone()),
            NodeKind::Fifo => Data::Fifo(crate::fs::pipe::Pipe::of_fifo()),
            NodeKind::Socket => Data::Special { rdev: 0 },
            NodeKind::CharDevice(rdev) | NodeKind::BlockDevice(rdev) => Data::Special { rdev: *rdev },
        };
        let meta = Meta {
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            nlink,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
        };
        Ok(Arc::new(Self { fs, ino, file_type, meta: Mutex::new(meta), data, xattrs: Mutex::default() }))
    }

    pub(super) fn regular(&self) -> Result<&Regular, Errno> {
        match &self.data {
            Data::Regular(regular) => Ok(regular),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn content(&self) -> Result<&RwLock<Content>, Errno> {
        self.regular().map(|r| &r.content)
    }

    pub(super) fn entries(&self) -> Result<&RwLock<Entries>, Errno> {
        match &self.data {
            Data::Directory(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn take_entries(&mut self) -> Vec<Arc<TmpInode>> {
        match &mut self.data {
            Data::Directory(entries) => std::mem::take(entries.get_mut()).into_inodes().collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn ino(&self) -> u64 {
        self.ino
    }

    pub(super) fn dev(&self) -> u64 {
        self.fs.dev
    }

    pub(super) fn touch_modified(&self) {
        let now = now_coarse();
        let mut meta = self.meta.lock();
        (meta.mtime, meta.ctime) = (now, now);
    }

    pub(super) fn touch_accessed(&self) {
        let mut meta = self.meta.lock();
        // As relatime does: only when it is older than a change.
        if meta.atime <= meta.mtime || meta.atime <= meta.ctime {
            meta.atime = now_coarse();
        }
    }

    fn touch_changed(&self) {
        self.meta.lock().ctime = now_coarse();
    }

    /// Changes the number of names, and says what it is then.
    pub(super) fn add_links(&self, delta: i32) -> u32 {
        let mut meta = self.meta.lock();
        meta.nlink = meta.nlink.saturating_add_signed(delta);
        meta.ctime = now_coarse();
        meta.nlink
    }

    fn take_entry(&self, name: &[u8]) -> Result<Arc<TmpInode>, Errno> {
        let gone = self.entries()?.write().remove(name).ok_or(Errno::ENOENT)?;
        self.touch_modified();
        Ok(gone)
    }

    fn forget(&self, gone: &TmpInode) {
        if gone.file_type == FileType::Directory {
            gone.add_links(-2);
            self.add_links(-1);
        } else if gone.add_links(-1) > 0 {
            self.fs.budget.give_kernel(NODE);
        }
    }

    fn is_empty_dir(&self) -> bool {
        matches!(&self.data, Data::Directory(entries) if entries.read().is_empty())
    }
}

impl Inode for TmpInode {
    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let (size, blocks, rdev) = match &self.data {
            Data::Regular(regular) => {
                let content = regular.content.read();
                (content.size(), content.blocks(), 0)
            }
            Data::Directory(entries) => (entries.read().len() as u64 * 20 + 40, 0, 0),
            Data::Symlink(target) => (target.len() as u64, 0, 0),
            Data::Fifo(_) => (0, 0, 0),
            Data::Special { rdev } => (0, 0, *rdev),
        };
        let meta = *self.meta.lock();
        Ok(Attrs {
            dev: self.fs.dev,
            ino: self.ino,
            mode: self.file_type.mode_bits() | meta.mode,
            nlink: meta.nlink,
            uid: meta.uid,
            gid: meta.gid,
            rdev,
            size,
            blksize: 4096,
            blocks,
            atime: meta.atime,
            mtime: meta.mtime,
            ctime: meta.ctime,
            btime: Some(meta.btime),
        })
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        if let (Some(mode), Data::Regular(regular)) = (set.mode, &self.data)
            && (mode ^ self.meta.lock().mode) & 0o111 != 0
            && regular.content.read().seals().contains(Seals::EXEC)
        {
            return Err(Errno::EPERM);
        }
        if let Some(size) = set.size {
            self.content()?.write().resize(size)?;
        }
        let now = now_coarse();
        let at = |t: TimeSet| match t {
            TimeSet::Now => now,
            TimeSet::At(t) => t,
        };
        let mut meta = self.meta.lock();
        meta.ctime = now;
        meta.mode = set.mode.unwrap_or(meta.mode);
        meta.uid = set.uid.unwrap_or(meta.uid);
        meta.gid = set.gid.unwrap_or(meta.gid);
        meta.atime = set.atime.map_or(meta.atime, at);
        meta.mtime = set.mtime.map_or(meta.mtime, at);
        Ok(())
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        match &self.data {
            Data::Regular(_) => Ok(Arc::new(TmpFile(self))),
            Data::Directory(_) => Ok(Arc::new(TmpDir(self))),
            Data::Fifo(pipe) => crate::fs::pipe::open_fifo(pipe, flags),
            Data::Special { rdev } if self.file_type == FileType::CharDevice => {
                crate::fs::dev::open(*rdev, flags)
            }
            _ => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let entries = self.entries()?.read();
        entries.get(name).map(|i| Arc::clone(i) as Arc<dyn Inode>).ok_or(Errno::ENOENT)
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        let mut entries = self.entries()?.write();
        if entries.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let inode = self.fs.make(node)?;
        entries.insert(name, Arc::clone(&inode));
        drop(entries);
        if inode.file_type == FileType::Directory {
            self.add_links(1);
        }
        self.touch_modified();
        Ok(inode)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.fs.make_unnamed(node)?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        let target = Arc::clone(target).downcast::<TmpInode>().ok_or(Errno::EXDEV)?;
        if !Arc::ptr_eq(&self.fs, &target.fs) {
            return Err(Errno::EXDEV);
        }
        let mut entries = self.entries()?.write();
        if entries.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.fs.budget.take_kernel(NODE)?;
        entries.insert(name, Arc::clone(&target));
        drop(entries);
        if target.add_links(1) == 1 {
            // Its first name (O_TMPFILE) came with it.
            self.fs.budget.give_kernel(NODE);
        }
        self.touch_modified();
        Ok(())
    }

    fn unlink(&self, name: &[u8], _child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let gone = self.take_entry(name)?;
        self.forget(&gone);
        Ok(())
    }

    fn rmdir(&self, name: &[u8], _child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let child = self.entries()?.read().get(name).cloned().ok_or(Errno::ENOENT)?;
        if !child.is_empty_dir() {
            return Err(Errno::ENOTEMPTY);
        }
        let gone = self.take_entry(name)?;
        self.forget(&gone);
        Ok(())
    }

    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        let to = new_dir.downcast_ref::<TmpInode>().ok_or(Errno::EXDEV)?;
        let same = std::ptr::eq(self, to);
        let moved = self.entries()?.read().get(name).cloned().ok_or(Errno::ENOENT)?;
        let replaced = to.entries()?.read().get(new_name).cloned();
        let is_dir = |i: &TmpInode| i.file_type == FileType::Directory;
        if flags & c::RENAME_EXCHANGE != 0 {
            let other = replaced.ok_or(Errno::ENOENT)?;
            self.entries()?.write().insert(name, Arc::clone(&other));
            to.entries()?.write().insert(new_name, Arc::clone(&moved));
            if !same && is_dir(&moved) != is_dir(&other) {
                let delta = if is_dir(&moved) { 1 } else { -1 };
                self.add_links(-delta);
                to.add_links(delta);
            }
            other.touch_changed();
        } else {
            if let Some(old) = &replaced
                && is_dir(old)
                && !old.is_empty_dir()
            {
                return Err(Errno::ENOTEMPTY);
            }
            self.entries()?.write().remove(name);
            to.entries()?.write().insert(new_name, Arc::clone(&moved));
            if let Some(old) = &replaced {
                to.forget(old);
            }
            if !same && is_dir(&moved) {
                self.add_links(-1);
                to.add_links(1);
            }
            if flags & c::RENAME_WHITEOUT != 0 {
                let node = NewNode { kind: NodeKind::CharDevice(0), mode: 0, uid: 0, gid: 0 };
                self.entries()?.write().insert(name, self.fs.make(&node)?);
            }
        }
        moved.touch_changed();
        self.touch_modified();
        to.touch_modified();
        Ok(())
    }

    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        match &self.data {
            Data::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.xattrs.lock().get(name).cloned().ok_or(Errno::ENODATA)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        let known = [&b"user."[..], b"trusted.", b"security."];
        if !known.iter().any(|p| name.starts_with(p)) {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut xattrs = self.xattrs.lock();
        let exists = xattrs.contains_key(name);
        if flags & XATTR_CREATE != 0 && exists {
            return Err(Errno::EEXIST);
        }
        if flags & XATTR_REPLACE != 0 && !exists {
            return Err(Errno::ENODATA);
        }
        let used: usize =
            xattrs.iter().filter(|(n, _)| n.as_slice() != name).map(|(n, v)| n.len() + v.len()).sum();
        if used + name.len() + value.len() > MAX_XATTRS {
            return Err(Errno::ENOSPC);
        }
        self.fs.budget.take_kernel((name.len() + value.len()) as u64)?;
        if let Some(old) = xattrs.insert(name.to_vec(), value.to_vec()) {
            self.fs.budget.give_kernel((name.len() + old.len()) as u64);
        }
        drop(xattrs);
        self.touch_changed();
        Ok(())
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        let old = self.xattrs.lock().remove(name).ok_or(Errno::ENODATA)?;
        self.fs.budget.give_kernel((name.len() + old.len()) as u64);
        self.touch_changed();
        Ok(())
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(self.xattrs.lock().keys().cloned().collect())
    }

    fn reconfigure(&self, options: &[u8]) -> Result<(), Errno> {
        let budget = &self.fs.budget;
        match Options::parse(options, budget.limit_of_whole())?.size {
            None => Ok(()),
            Some(0) => budget.resize(Budget::NO_LIMIT),
            Some(size) => budget.resize(size),
        }
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        let (limit, _) = self.fs.budget.figures();
        let free = self.fs.budget.free() / 4096;
        Ok(Statfs {
            kind: MAGIC,
            bsize: 4096,
            blocks: limit / 4096,
            bfree: free,
            bavail: free,
            files: 1 << 20,
            ffree: 1 << 19,
            namelen: 255,
            frsize: 4096,
            flags: 0x20,
            ..Statfs::default()
        })
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Tmp(TmpInodeState::save(self, saver)))
    }

    fn save_pages(&self, object: PageObject, sink: &mut dyn PageSink) -> Result<(), SaveError> {
        match &self.data {
            Data::Regular(regular) => regular.content.read().save_pages(object, sink),
            _ => Ok(()),
        }
    }

    fn restore_pages(
        &self,
        object: PageObject,
        source: &mut dyn PageSource,
        kernel: &Arc<crate::task::Kernel>,
    ) -> Result<(), RestoreError> {
        match &self.data {
            Data::Regular(regular) => regular.content.write().restore_pages(object, source, kernel),
            _ => Ok(()),
        }
    }
}

impl TmpInode {
    /// Replaces the contents, for files that the kernel itself provides.
    ///
    /// # Errors
    /// ENOSPC, EINVAL if it is no regular file.
    pub fn fill(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut content = self.content()?.write();
        content.resize(0)?;
        content.write(&mut crate::io::BufSource::new(bytes), 0)?;
        Ok(())
    }

    /// Makes a range read as zeros (FALLOC_FL_PUNCH_HOLE).
    ///
    /// # Errors
    /// EPERM for what is sealed.
    pub(super) fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let mut content = self.content()?.write();
        if content.seals().intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        let end = offset.saturating_add(len).min(content.size());
        content.zero(offset, end.saturating_sub(offset))?;
        drop(content);
        self.touch_modified();
        Ok(())
    }

    /// Its seals (F_GET_SEALS).
    ///
    /// # Errors
    /// EINVAL if it is no regular file.
    pub fn seals(&self) -> Result<Seals, Errno> {
        Ok(self.content()?.read().seals())
    }

    /// Sets the first seals of a new file (memfd_create(2)).
    pub fn allow_seals(&self, seals: Seals) {
        if let Ok(content) = self.content() {
            content.write().set_seals(seals);
        }
    }

    /// Adds seals (F_ADD_SEALS).
    ///
    /// # Errors
    /// EPERM where sealing is sealed, EBUSY for F_SEAL_WRITE while there are writable shared mappings.
    pub fn add_seals(&self, mut seals: Seals) -> Result<(), Errno> {
        let regular = self.regular()?;
        let mut content = regular.content.write();
        if content.seals().contains(Seals::SEAL) {
            return Err(Errno::EPERM);
        }
        // What stays executable must not change any more.
        if seals.contains(Seals::EXEC) && self.meta.lock().mode & 0o111 != 0 {
            seals |= Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
        }
        if seals.contains(Seals::WRITE) && !content.seals().contains(Seals::WRITE) {
            regular.writable.forbid()?;
        }
        let all = content.seals() | seals;
        content.set_seals(all);
        Ok(())
    }

    /// The file as memory.
    #[must_use]
    pub fn as_mappable(self: &Arc<Self>, path: Vec<u8>) -> Arc<dyn crate::mm::Mappable> {
        Arc::new(file::Mapped { inode: Arc::clone(self), path })
    }
}
