//! Inodes: a name in a directory of the host, and which file was there.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use rustix::fs::{self as rfs, AtFlags, Mode, OFlags, RenameFlags, Statx, Timestamps};
use serde_bytes::ByteBuf;
use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;
use stockade_platform::host::chmod_no_follow;
use stockade_platform::sync::Mutex;

use super::dir::HostDir;
use super::disk::{Disk, NODE};
use super::file::HostFile;
use super::trust::Moment;
use super::{HostFs, HostInodeState, host, open_beneath, stat_in, xattr};
use crate::fs::pipe::open_fifo;
use crate::persist::{PageObject, PageSink, PageSource, RestoreError, SaveError, Saver, Unsavable};
use crate::unravel::unravel;
use crate::vfs::lock::FileId;
use crate::vfs::persist::InodeState;
use crate::vfs::{Attrs, FileOps, FileType, HostFd, Inode, NewNode, NodeKind, SetAttrs, TimeSet};

struct Cached {
    attrs: Attrs,
    /// Where a symbolic link leads, once somebody has asked.
    target: Option<Vec<u8>>,
    at: Moment,
}

impl Cached {
    fn now(attrs: Attrs) -> Self {
        Self { attrs, target: None, at: Moment::now() }
    }
}

/// A directory and a name in it.
type Place = (Arc<HostInode>, Arc<[u8]>);

/// A file of the host.
pub struct HostInode {
    pub(super) fs: Arc<HostFs>,
    /// The directory and the name in it; none for the root.
    place: Mutex<Option<Place>>,
    pub(super) ino: u64,
    pub(super) dev: u64,
    file_type: FileType,
    dir: Mutex<Option<Arc<OwnedFd>>>,
    /// By which it is open for reading, in a tree that nobody else should change: a thousand processes that run a program map
    /// it by one descriptor.
    reading: Mutex<Weak<HostFd>>,
    /// If its name is gone: what its contents are saved from, or were restored to.
    pub(super) orphan: Mutex<Option<Arc<HostFd>>>,
    cached: Mutex<Option<Cached>>,
    /// Bytes that it takes, as far as the tree's budget knows.
    charged: AtomicU64,
    this: Weak<HostInode>,
}

impl Drop for HostInode {
    fn drop(&mut self) {
        unravel(self.take_parent(), |inode, above| above.extend(inode.take_parent()));
    }
}

impl HostInode {
    fn take_parent(&mut self) -> Option<Arc<Self>> {
        self.place.get_mut().take().map(|(dir, _)| dir)
    }

    pub(super) fn root(fs: &Arc<HostFs>, found: &Statx) -> Arc<Self> {
        let root = Self::make(fs, None, found);
        if root.file_type == FileType::Directory {
            *root.dir.lock() = Some(Arc::clone(&fs.root));
        }
        root
    }

    pub(super) fn make(fs: &Arc<HostFs>, place: Option<Place>, found: &Statx) -> Arc<Self> {
        Self::with_attrs(fs, place, fs.attrs_of(found))
    }

    pub(super) fn with_attrs(fs: &Arc<HostFs>, place: Option<Place>, attrs: Attrs) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            fs: Arc::clone(fs),
            place: Mutex::new(place),
            ino: attrs.ino,
            dev: attrs.dev,
            file_type: attrs.file_type(),
            dir: Mutex::new(None),
            reading: Mutex::default(),
            orphan: Mutex::default(),
            cached: Mutex::new(Some(Cached::now(attrs))),
            charged: AtomicU64::new(attrs.blocks * 512),
        })
    }

    pub(super) fn attrs_of(&self, found: &Statx) -> Attrs {
        self.fs.attrs_of(found)
    }

    pub(super) fn close_dir(&self) {
        if self.place.lock().is_some() {
            *self.dir.lock() = None;
        }
    }

    /// Whether it may grow.
    ///
    /// # Errors
    /// ENOSPC
    pub(super) fn may_grow(&self) -> Result<(), Errno> {
        self.fs.disk.as_ref().map_or(Ok(()), Disk::check)
    }

    /// Its contents have changed: what it takes now counts.
    pub(super) fn settle(&self, fd: impl AsFd) {
        if let Some(disk) = &self.fs.disk
            && let Ok(found) = stat_in(fd, b"")
        {
            let old = self.charged.load(Ordering::Relaxed);
            self.charged.store(disk.settle(old, found.stx_blocks * 512), Ordering::Relaxed);
        }
    }

    /// It has lost a name; if that was the last one, what it takes is free as soon as nobody has it open.
    fn lost_name(&self, before: &Attrs) {
        if let Some(disk) = &self.fs.disk
            && (before.nlink <= 1 || self.file_type == FileType::Directory)
        {
            disk.give(NODE + self.charged.swap(0, Ordering::Relaxed));
        }
    }

    /// What [`Inode::create`] makes.
    fn make_entry(&self, dir: &OwnedFd, name: &[u8], node: &NewNode, mode: Mode) -> Result<(), Errno> {
        match &node.kind {
            NodeKind::Regular => {
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let resolve = rfs::ResolveFlags::BENEATH | rfs::ResolveFlags::NO_SYMLINKS;
                rfs::openat2(dir, name, flags, mode, resolve).map_err(host)?;
            }
            NodeKind::Directory => rfs::mkdirat(dir, name, mode).map_err(host)?,
            NodeKind::Symlink(target) => rfs::symlinkat(target.as_slice(), dir, name).map_err(host)?,
            NodeKind::Fifo => rfs::mknodat(dir, name, rfs::FileType::Fifo, mode, 0).map_err(host)?,
            NodeKind::Socket => rfs::mknodat(dir, name, rfs::FileType::Socket, mode, 0).map_err(host)?,
            // No device is made on the host on a guest's behalf.
            NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => return Err(Errno::EPERM),
        }
        Ok(())
    }

    /// Its attributes, if they matter for what a tree may take.
    fn attrs_to_count(&self) -> Option<Attrs> {
        self.fs.disk.as_ref().and_then(|_| self.attrs().ok())
    }

    pub(super) fn forget_attrs(&self) {
        *self.cached.lock() = None;
    }

    /// What is known of it, in a tree that nobody else should change, for as long as that is believed.
    pub(super) fn trusted_attrs(&self) -> Option<Attrs> {
        self.trusted(|c| c.attrs)
    }

    fn trusted<T>(&self, get: impl FnOnce(&Cached) -> T) -> Option<T> {
        if self.fs.shared {
            return None;
        }
        self.cached.lock().as_ref().filter(|c| c.at.is_recent()).map(get)
    }

    /// Takes in what has just been learnt, if it is about the file that this was when it was looked up.
    pub(super) fn note(&self, attrs: Attrs) -> bool {
        let same = self.is_same(&attrs);
        if same {
            *self.cached.lock() = Some(Cached::now(attrs));
        }
        same
    }

    pub(super) fn is_same(&self, attrs: &Attrs) -> bool {
        attrs.ino == self.ino && attrs.dev == self.dev && attrs.file_type() == self.file_type
    }

    pub(super) fn location(&self) -> Result<Place, Errno> {
        self.place.lock().clone().ok_or(Errno::EBUSY)
    }

    /// The descriptor of a directory.
    pub(super) fn dir_fd(&self) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(fd) = self.open_dir_fd() {
            return Ok(fd);
        }
        if self.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let (mut above, name) = self.location()?;
        let mut closed = Vec::new();
        let mut fd = loop {
            if let Some(fd) = above.open_dir_fd() {
                break fd;
            }
            let (dir, name) = above.location()?;
            closed.push((std::mem::replace(&mut above, dir), name));
        };
        for (dir, name) in closed.iter().rev() {
            fd = dir.reopen_dir(&fd, name)?;
        }
        self.reopen_dir(&fd, &name)
    }

    fn open_dir_fd(&self) -> Option<Arc<OwnedFd>> {
        self.dir.lock().clone()
    }

    /// Opens a directory by its name in the one above.
    fn reopen_dir(&self, above: &OwnedFd, name: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        let fd = Arc::new(open_beneath(above, name, OFlags::PATH | OFlags::DIRECTORY)?);
        if !self.is_same(&self.fs.attrs_of(&stat_in(&fd, b"")?)) {
            return Err(Errno::ENOENT);
        }
        *self.dir.lock() = Some(Arc::clone(&fd));
        self.fs.note_open(&self.this);
        Ok(fd)
    }

    /// Opens the file itself.
    fn open_fd(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.location() {
            Ok((parent, name)) => {
                open_beneath(&*parent.dir_fd()?, &name, flags | OFlags::NONBLOCK | OFlags::NOCTTY)
            }
            Err(_) => match &self.fs.proc {
                None => open_beneath(&self.fs.root, b".", flags),
                Some(proc) => {
                    let name = format!("self/fd/{}", self.fs.root.as_raw_fd());
                    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                    rfs::openat(proc, name, flags, Mode::empty()).map_err(host)
                }
            },
        }
    }

    /// Opens it as a directory.
    pub(super) fn open_dir(self: Arc<Self>) -> Result<HostDir, Errno> {
        let fd = self.open_fd(OFlags::RDONLY | OFlags::DIRECTORY)?;
        HostDir::new(self, fd)
    }

    /// Its path, for messages.
    pub(super) fn display(&self) -> String {
        let mut names = Vec::new();
        let mut at = self.place.lock().clone();
        while let Some((dir, name)) = at {
            names.push(String::from_utf8_lossy(&name).into_owned());
            at = dir.place.lock().clone();
        }
        names.reverse();
        let below = if self.fs.label == "root" { "" } else { &*self.fs.label };
        if names.is_empty() { self.fs.label.clone() } else { format!("{below}/{}", names.join("/")) }
    }

    /// A descriptor of the file or directory that this was when it was looked up.
    fn open_itself(&self) -> Result<OwnedFd, Errno> {
        if !matches!(self.file_type, FileType::Regular | FileType::Directory) {
            return Err(Errno::EOPNOTSUPP);
        }
        let fd = self.open_fd(OFlags::RDONLY)?;
        if self.is_same(&self.fs.attrs_of(&stat_in(&fd, b"")?)) { Ok(fd) } else { Err(Errno::ENOENT) }
    }

    /// Does something with the directory and name of this inode; the flags make that name mean it and nothing else.
    fn in_place<T>(
        &self,
        act: impl FnOnce(&OwnedFd, &[u8], AtFlags) -> rustix::io::Result<T>,
    ) -> Result<T, Errno> {
        let result = match self.location() {
            Ok((parent, name)) => act(&*parent.dir_fd()?, &name, AtFlags::SYMLINK_NOFOLLOW),
            Err(_) => act(&self.fs.root, b"", AtFlags::EMPTY_PATH),
        };
        self.forget_attrs();
        result.map_err(host)
    }

    fn child(&self, name: &[u8]) -> Result<Arc<HostInode>, Errno> {
        let found = stat_in(&*self.dir_fd()?, name)?;
        Ok(Self::make(&self.fs, Some((self.me()?, Arc::from(name))), &found))
    }

    fn me(&self) -> Result<Arc<Self>, Errno> {
        self.this.upgrade().ok_or(Errno::EIO)
    }
}

fn timestamps(set: &SetAttrs) -> Timestamps {
    let one = |t: Option<TimeSet>| match t {
        None => rfs::Timespec { tv_sec: 0, tv_nsec: rfs::UTIME_OMIT },
        Some(TimeSet::Now) => rfs::Timespec { tv_sec: 0, tv_nsec: rfs::UTIME_NOW },
        Some(TimeSet::At(Timespec { sec, nsec })) => rfs::Timespec { tv_sec: sec, tv_nsec: nsec },
    };
    Timestamps { last_access: one(set.atime), last_modification: one(set.mtime) }
}

impl Inode for HostInode {
    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        if let Some(attrs) = self.trusted_attrs() {
            return Ok(attrs);
        }
        let found = match self.location() {
            Ok((parent, name)) => stat_in(&*parent.dir_fd()?, &name)?,
            Err(_) => stat_in(&self.fs.root, b"")?,
        };
        let attrs = self.fs.attrs_of(&found);
        if self.note(attrs) { Ok(attrs) } else { Err(Errno::ENOENT) }
    }

    fn id(&self) -> Result<FileId, Errno> {
        Ok((self.dev, self.ino))
    }

    fn is_current(&self, name: &[u8], child: &Arc<dyn Inode>) -> bool {
        let Some(child) = child.downcast_ref::<HostInode>() else { return true };
        if child.trusted(|_| ()).is_some() {
            return true;
        }
        let Ok(found) = self.dir_fd().and_then(|fd| stat_in(&fd, name)) else { return false };
        child.note(self.fs.attrs_of(&found))
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        if let Some(size) = set.size {
            let fd = self.open_fd(OFlags::WRONLY)?;
            rfs::ftruncate(&fd, size).map_err(host)?;
            self.settle(&fd);
        }
        if set.uid.is_some() || set.gid.is_some() {
            let (uid, gid) = (set.uid.map(rfs::Uid::from_raw), set.gid.map(rfs::Gid::from_raw));
            self.in_place(|dir, name, flags| rfs::chownat(dir, name, uid, gid, flags))?;
        }
        if let Some(mode) = set.mode
            && self.file_type != FileType::Symlink
        {
            // The name may have become a link meanwhile.
            match self.location() {
                Ok((parent, name)) => chmod_no_follow(parent.dir_fd()?.as_fd(), &name, mode)?,
                Err(_) => {
                    rfs::fchmod(&self.open_fd(OFlags::RDONLY)?, Mode::from_raw_mode(mode)).map_err(host)?;
                }
            }
        }
        // Truncation has set the time; who may write but is not the owner may not set this one alone.
        let is_set = set.size.is_some() && set.mtime == Some(TimeSet::Now) && set.atime.is_none();
        if !is_set && (set.atime.is_some() || set.mtime.is_some()) {
            let times = timestamps(set);
            self.in_place(|dir, name, flags| rfs::utimensat(dir, name, &times, flags))?;
        }
        self.forget_attrs();
        Ok(())
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        let access = match flags & c::O_ACCMODE {
            c::O_RDONLY => OFlags::RDONLY,
            c::O_WRONLY => OFlags::WRONLY,
            _ => OFlags::RDWR,
        };
        match self.file_type {
            FileType::Regular => {
                let may_share = access == OFlags::RDONLY && !self.fs.shared;
                let open = may_share.then(|| self.reading.lock().upgrade()).flatten();
                if let Some(fd) = open {
                    return Ok(HostFile::new(self, fd));
                }
                let fd = match self.open_fd(if access == OFlags::WRONLY { OFlags::RDWR } else { access }) {
                    // Contents are saved by it if its name goes, where that is possible.
                    Err(Errno::EACCES) if access == OFlags::WRONLY => self.open_fd(access)?,
                    fd => fd?,
                };
                if !self.note(self.fs.attrs_of(&stat_in(&fd, b"")?)) {
                    return Err(Errno::ENOENT);
                }
                let fd = HostFd::new(fd)?;
                if may_share {
                    *self.reading.lock() = Arc::downgrade(&fd);
                }
                Ok(HostFile::new(self, fd))
            }
            FileType::Directory => Ok(Arc::new(self.open_dir()?)),
            FileType::Fifo if self.fs.shared => open_fifo(&self.fs.fifos.pipe((self.dev, self.ino)), flags),
            _ => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.child(name)?)
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        let dir = self.dir_fd()?;
        let mode = Mode::from_raw_mode(node.mode);
        if let Some(disk) = &self.fs.disk {
            disk.take(NODE)?;
        }
        let made = self.make_entry(&dir, name, node, mode);
        if let (Err(_), Some(disk)) = (&made, &self.fs.disk) {
            disk.give(NODE);
        }
        made?;
        self.forget_attrs();
        let child = self.child(name)?;
        let attrs = child.attrs()?;
        if (attrs.uid, attrs.gid) != (node.uid, node.gid) {
            // Only who may give files away can; others keep what the host made.
            let set = SetAttrs { uid: Some(node.uid), gid: Some(node.gid), ..SetAttrs::default() };
            let _ = child.set_attrs(&set);
        }
        Ok(child)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        let target = target.downcast_ref::<HostInode>().ok_or(Errno::EXDEV)?;
        let (from, from_name) = target.location()?;
        let (from, to) = (from.dir_fd()?, self.dir_fd()?);
        rfs::linkat(&*from, &*from_name, &*to, name, AtFlags::empty()).map_err(host)?;
        target.forget_attrs();
        self.forget_attrs();
        Ok(())
    }

    fn unlink(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let child = child.downcast_ref::<HostInode>();
        let before = child.and_then(HostInode::attrs_to_count);
        rfs::unlinkat(&*self.dir_fd()?, name, AtFlags::empty()).map_err(host)?;
        self.fs.fifos.forget(child);
        if let Some(child) = child {
            before.inspect(|attrs| child.lost_name(attrs));
            child.forget_attrs();
        }
        self.forget_attrs();
        Ok(())
    }

    fn rmdir(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        rfs::unlinkat(&*self.dir_fd()?, name, AtFlags::REMOVEDIR).map_err(host)?;
        if let (Some(_), Some(child)) = (&self.fs.disk, child.downcast_ref::<HostInode>()) {
            child.lost_name(&Attrs::default());
        }
        self.forget_attrs();
        Ok(())
    }

    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        let to = Arc::clone(new_dir).downcast::<HostInode>().ok_or(Errno::EXDEV)?;
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        if !self.fs.fifos.is_empty()
            && let Ok(replaced) = to.child(new_name)
        {
            self.fs.fifos.forget(Some(&replaced));
        }
        rfs::renameat_with(&*self.dir_fd()?, name, &*to.dir_fd()?, new_name, flags).map_err(host)?;
        self.forget_attrs();
        to.forget_attrs();
        Ok(())
    }

    fn moved_to(&self, dir: &Arc<dyn Inode>, name: &[u8]) {
        if let Some(dir) = Arc::clone(dir).downcast::<HostInode>() {
            *self.place.lock() = Some((dir, Arc::from(name)));
            self.forget_attrs();
        }
    }

    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        if self.file_type != FileType::Symlink {
            return Err(Errno::EINVAL);
        }
        if let Some(Some(target)) = self.trusted(|c| c.target.clone()) {
            return Ok(target);
        }
        let (parent, name) = self.location()?;
        let target = rfs::readlinkat(&*parent.dir_fd()?, &*name, Vec::new()).map_err(host)?;
        let target = target.into_bytes();
        if let Some(cached) = &mut *self.cached.lock() {
            cached.target = Some(target.clone());
        }
        Ok(target)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        if !xattr::is_shown(name) {
            return Err(Errno::ENODATA);
        }
        xattr::get(&self.open_itself()?, name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        xattr::check_own(name)?;
        let flags = rfs::XattrFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
        rfs::fsetxattr(&self.open_itself()?, name, value, flags).map_err(host)?;
        self.forget_attrs();
        Ok(())
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        xattr::check_own(name)?;
        rfs::fremovexattr(&self.open_itself()?, name).map_err(host)?;
        self.forget_attrs();
        Ok(())
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        match self.file_type {
            FileType::Regular | FileType::Directory => xattr::list(&self.open_itself()?),
            _ => Ok(Vec::new()),
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        let place = self.place.lock().clone();
        let place = place.map(|(dir, name)| {
            let dir: Arc<dyn Inode> = dir;
            (saver.id(&dir), ByteBuf::from(name.to_vec()))
        });
        let (ino, dev, file_type) = (self.ino, self.dev, self.file_type);
        let (fs, is_orphan) = (saver.id(&self.fs), self.is_orphan());
        Ok(InodeState::Host(HostInodeState { fs, place, ino, dev, file_type, is_orphan }))
    }

    fn save_pages(&self, object: PageObject, sink: &mut dyn PageSink) -> Result<(), SaveError> {
        self.save_orphan_pages(object, sink)
    }

    fn restore_pages(
        &self,
        object: PageObject,
        source: &mut dyn PageSource,
        _kernel: &Arc<crate::task::Kernel>,
    ) -> Result<(), RestoreError> {
        self.restore_orphan_pages(object, source)
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        let s = rfs::fstatfs(&*self.fs.root).map_err(host)?;
        Ok(Statfs {
            kind: s.f_type,
            bsize: s.f_bsize,
            blocks: s.f_blocks,
            bfree: s.f_bfree,
            bavail: s.f_bavail,
            files: s.f_files,
            ffree: s.f_ffree,
            namelen: s.f_namelen,
            frsize: s.f_frsize,
            flags: s.f_flags,
            ..Statfs::default()
        })
    }
}
