//! Inodes: one above, one below, or both.

use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general as c;
use stockade_platform::sync::{Mutex, RwLock};

use super::dir::OverlayDir;
use super::file::OverlayFile;
use super::whiteout::Entry;
use super::{ORIGIN, OverlayFs, OverlayInodeState, UPPER_INO};
use crate::fs::entries::Entries;
use crate::persist::{Saver, Unsavable};
use crate::unravel::unravel;
use crate::vfs::lock::FileId;
use crate::vfs::persist::InodeState;
use crate::vfs::{Attrs, FileOps, FileType, Inode, NewNode, NodeKind, SetAttrs};

/// Where an inode is now.
#[derive(Clone)]
pub(super) struct Layers {
    pub(super) upper: Option<Arc<dyn Inode>>,
    pub(super) lower: Option<Arc<dyn Inode>>,
}

/// An inode of an overlay.
pub struct OverlayInode {
    pub(super) fs: Arc<OverlayFs>,
    this: Weak<OverlayInode>,
    pub(super) place: Mutex<Option<(Arc<OverlayInode>, Vec<u8>)>>,
    pub(super) layers: RwLock<Layers>,
    file_type: FileType,
    ino: u64,
    /// Held while it is copied up.
    pub(super) copying: Mutex<()>,
}

impl Drop for OverlayInode {
    fn drop(&mut self) {
        unravel(self.take_parent(), |inode, above| above.extend(inode.take_parent()));
    }
}

impl OverlayInode {
    fn take_parent(&mut self) -> Option<Arc<Self>> {
        self.place.get_mut().take().map(|(dir, _)| dir)
    }

    pub(super) fn make(
        fs: &Arc<OverlayFs>,
        place: Option<(Arc<OverlayInode>, Vec<u8>)>,
        upper: Option<Arc<dyn Inode>>,
        lower: Option<Arc<dyn Inode>>,
    ) -> Result<Arc<Self>, Errno> {
        let source = upper.as_ref().or(lower.as_ref()).ok_or(Errno::ENOENT)?;
        let file_type = source.file_type();
        let ino = match (&upper, &lower) {
            (_, Some(lower)) => {
                let (dev, ino) = lower.id()?;
                fs.lower_ino(dev, ino)
            }
            (Some(upper), None) => {
                let origin = upper.get_xattr(ORIGIN).ok().and_then(|v| v.try_into().ok());
                origin.map_or(upper.id()?.1 | UPPER_INO, u64::from_ne_bytes)
            }
            (None, None) => return Err(Errno::ENOENT),
        };
        Ok(Self::with_ino(fs, place, Layers { upper, lower }, file_type, ino))
    }

    pub(super) fn with_ino(
        fs: &Arc<OverlayFs>,
        place: Option<(Arc<OverlayInode>, Vec<u8>)>,
        layers: Layers,
        file_type: FileType,
        ino: u64,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            fs: Arc::clone(fs),
            this: this.clone(),
            place: Mutex::new(place),
            layers: RwLock::new(layers),
            file_type,
            ino,
            copying: Mutex::new(()),
        })
    }

    fn me(&self) -> Result<Arc<Self>, Errno> {
        self.this.upgrade().ok_or(Errno::EIO)
    }

    pub(super) fn ino(&self) -> u64 {
        self.ino
    }

    /// What it is read from now.
    pub(super) fn real(&self) -> Result<Arc<dyn Inode>, Errno> {
        let layers = self.layers.read();
        layers.upper.as_ref().or(layers.lower.as_ref()).cloned().ok_or(Errno::EIO)
    }

    /// Whether it has been copied up, or is of the guest's own making.
    pub(super) fn has_upper(&self) -> bool {
        self.layers.read().upper.is_some()
    }

    pub(super) fn upper(&self) -> Option<Arc<dyn Inode>> {
        self.layers.read().upper.clone()
    }

    pub(super) fn lower(&self) -> Option<Arc<dyn Inode>> {
        self.layers.read().lower.clone()
    }

    /// The upper directory, made if need be.
    pub(super) fn upper_dir(&self) -> Result<Arc<dyn Inode>, Errno> {
        self.copy_up(true)
    }

    fn lower_entry(&self, name: &[u8]) -> Result<Option<Arc<dyn Inode>>, Errno> {
        match self.lower() {
            Some(lower) if lower.is_dir() => match lower.lookup(name) {
                Ok(found) => Ok(Some(found)),
                Err(Errno::ENOENT | Errno::ENAMETOOLONG) => Ok(None),
                Err(e) => Err(e),
            },
            _ => Ok(None),
        }
    }

    fn upper_entry(&self, name: &[u8]) -> Result<Entry, Errno> {
        match self.upper() {
            Some(upper) => self.fs.whiteouts.entry(&upper, name),
            None => Ok(Entry::None),
        }
    }

    fn child(
        &self,
        name: &[u8],
        upper: Option<Arc<dyn Inode>>,
        lower: Option<Arc<dyn Inode>>,
    ) -> Result<Arc<Self>, Errno> {
        Self::make(&self.fs, Some((self.me()?, name.to_vec())), upper, lower)
    }

    /// Hides a name of the lower directory, if it has it.
    fn cover(&self, name: &[u8]) -> Result<(), Errno> {
        if self.lower_entry(name)?.is_none() {
            return Ok(());
        }
        self.fs.whiteouts.cover(&self.upper_dir()?, name)
    }

    /// Takes a whiteout away, so that something can have its name; true if there was one.
    fn uncover(&self, name: &[u8]) -> Result<bool, Errno> {
        match self.upper() {
            Some(upper) => self.fs.whiteouts.uncover(&upper, name),
            None => Ok(false),
        }
    }

    /// EPERM for names that are the overlay's own.
    fn check_name(&self, name: &[u8]) -> Result<(), Errno> {
        if self.fs.whiteouts.is_reserved(name) { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// The entries of both layers, without `.` and `..`.
    fn merged(&self) -> Result<Entries, Errno> {
        let mut merged = Entries::default();
        super::dir::merge(self, &mut merged)?;
        Ok(merged)
    }

    fn is_empty_dir(&self) -> Result<bool, Errno> {
        Ok(self.merged()?.is_empty())
    }

    fn overlay<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a OverlayInode, Errno> {
        let other = inode.downcast_ref::<OverlayInode>().ok_or(Errno::EXDEV)?;
        if Arc::ptr_eq(&self.fs, &other.fs) { Ok(other) } else { Err(Errno::EXDEV) }
    }
}

/// Of statfs(2).
const OVERLAYFS_SUPER_MAGIC: i64 = 0x794c_7630;

impl Inode for OverlayInode {
    fn file_type(&self) -> FileType {
        self.file_type
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let layers = self.layers.read();
        let real = layers.upper.as_ref().or(layers.lower.as_ref()).ok_or(Errno::EIO)?;
        Ok(Attrs { dev: self.fs.dev, ino: self.ino, ..real.attrs()? })
    }

    fn id(&self) -> Result<FileId, Errno> {
        Ok((self.fs.dev, self.ino))
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        // What is cut to nothing need not be copied.
        self.copy_up(set.size != Some(0))?.set_attrs(set)
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        match self.file_type {
            FileType::Directory => Ok(Arc::new(OverlayDir::new(self))),
            FileType::Regular => {
                if flags & c::O_ACCMODE != c::O_RDONLY || flags & c::O_TRUNC != 0 {
                    self.copy_up(flags & c::O_TRUNC == 0)?;
                }
                Ok(Arc::new(OverlayFile::open(self, flags)?))
            }
            // FIFOs and devices of the guest's own making are above; those of the host cannot be opened.
            _ => self.upper().ok_or(Errno::ENXIO)?.open(flags),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        if self.fs.whiteouts.is_reserved(name) {
            return Err(Errno::ENOENT);
        }
        let upper = match self.upper_entry(name)? {
            Entry::Hidden => return Err(Errno::ENOENT),
            Entry::None => None,
            Entry::Here(upper) => Some(upper),
        };
        let wants_lower = match &upper {
            None => true,
            Some(upper) => upper.is_dir() && !self.fs.whiteouts.is_opaque(upper),
        };
        let mut lower = if wants_lower { self.lower_entry(name)? } else { None };
        if upper.is_some() {
            lower = lower.filter(|l| l.is_dir());
        }
        if upper.is_none() && lower.is_none() {
            return Err(Errno::ENOENT);
        }
        Ok(self.child(name, upper, lower)?)
    }

    fn is_current(&self, name: &[u8], child: &Arc<dyn Inode>) -> bool {
        let Some(child) = child.downcast_ref::<OverlayInode>() else { return false };
        let dir = self.lower();
        let theirs = child.layers.read();
        match (&theirs.upper, dir, &theirs.lower) {
            (Some(_), ..) => true,
            (None, Some(dir), Some(entry)) => dir.is_current(name, entry),
            _ => false,
        }
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        self.check_name(name)?;
        let upper_dir = self.upper_dir()?;
        let covered = self.uncover(name)? || self.lower_entry(name)?.is_some();
        let made = upper_dir.create(name, node)?;
        if covered && node.kind == NodeKind::Directory {
            self.fs.whiteouts.make_opaque(&made)?;
        }
        Ok(self.child(name, Some(made), None)?)
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        let made = self.upper_dir()?.create_unnamed(node)?;
        Ok(Self::make(&self.fs, None, Some(made), None)?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.check_name(name)?;
        let target = self.overlay(target)?.copy_up(true)?;
        let upper_dir = self.upper_dir()?;
        self.uncover(name)?;
        upper_dir.link(name, &target)
    }

    fn unlink(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let child = self.overlay(child)?;
        if matches!(self.upper_entry(name)?, Entry::Here(_))
            && let Some(upper) = child.upper()
        {
            self.upper_dir()?.unlink(name, &upper)?;
        }
        self.cover(name)
    }

    fn rmdir(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        let child = self.overlay(child)?;
        if !child.is_empty_dir()? {
            return Err(Errno::ENOTEMPTY);
        }
        if let Some(upper) = child.upper() {
            self.fs.whiteouts.clear(&upper)?;
            self.upper_dir()?.rmdir(name, &upper)?;
        }
        self.cover(name)
    }

    fn rename(
        &self,
        name: &[u8],
        new_dir: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: u32,
    ) -> Result<(), Errno> {
        self.check_name(new_name)?;
        let to = self.overlay(new_dir)?;
        let moved = self.lookup(name)?;
        let moved = self.overlay(&moved)?;
        // The caller has copied up what is below of a directory; this one has come since.
        if moved.file_type == FileType::Directory && moved.lower().is_some() {
            return Err(Errno::EXDEV);
        }
        moved.copy_up(true)?;
        let replaced = match to.lookup(new_name) {
            Ok(replaced) => Some(replaced),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        if let Some(replaced) = &replaced {
            let replaced = self.overlay(replaced)?;
            if flags & c::RENAME_EXCHANGE != 0 {
                if replaced.file_type == FileType::Directory && replaced.lower().is_some() {
                    return Err(Errno::EXDEV);
                }
                replaced.copy_up(true)?;
            } else if replaced.file_type == FileType::Directory {
                if !replaced.is_empty_dir()? {
                    return Err(Errno::ENOTEMPTY);
                }
                if let Some(upper) = replaced.upper() {
                    self.fs.whiteouts.clear(&upper)?;
                }
            }
        }
        let (from_upper, to_upper) = (self.upper_dir()?, to.upper_dir()?);
        let below = to.lower_entry(new_name)?.is_some();
        if flags & c::RENAME_EXCHANGE == 0 {
            to.uncover(new_name)?;
        }
        from_upper.rename(name, &to_upper, new_name, flags & !c::RENAME_WHITEOUT)?;
        if moved.file_type == FileType::Directory && below {
            self.fs.whiteouts.make_opaque(&to_upper.lookup(new_name)?)?;
        }
        if flags & c::RENAME_EXCHANGE == 0 {
            self.cover(name)?;
        }
        Ok(())
    }

    fn prepare_move(&self) -> Result<Vec<Vec<u8>>, Errno> {
        if self.lower().is_none() {
            return Ok(Vec::new());
        }
        self.copy_up(true)?;
        if self.file_type != FileType::Directory {
            return Ok(Vec::new());
        }
        Ok(self.merged()?.iter().map(|entry| entry.name.to_vec()).collect())
    }

    fn ready_to_move(&self) -> Result<(), Errno> {
        if self.lower().is_none() {
            return Ok(());
        }
        self.fs.whiteouts.make_opaque(&self.upper_dir()?)?;
        self.layers.write().lower = None;
        Ok(())
    }

    fn moved_to(&self, dir: &Arc<dyn Inode>, name: &[u8]) {
        if let Some(dir) = Arc::clone(dir).downcast::<OverlayInode>() {
            if let (Some(upper), Some(upper_dir)) = (self.upper(), dir.upper()) {
                upper.moved_to(&upper_dir, name);
            }
            *self.place.lock() = Some((dir, name.to_vec()));
            // What is above hides what was below its new name.
            let mut layers = self.layers.write();
            if layers.upper.is_some() {
                layers.lower = None;
            }
        }
    }

    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        self.real()?.readlink()
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        if name.starts_with(b"trusted.overlay.") {
            return Err(Errno::ENODATA);
        }
        self.real()?.get_xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<(), Errno> {
        if name.starts_with(b"trusted.overlay.") {
            return Err(Errno::EPERM);
        }
        self.copy_up(true)?.set_xattr(name, value, flags)
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        self.copy_up(true)?.remove_xattr(name)
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let names = self.real()?.list_xattr()?;
        Ok(names.into_iter().filter(|n| !n.starts_with(b"trusted.overlay.")).collect())
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        // Room is where changes go, which is where the root has them; what a file is read from says nothing of it.
        let mut dir = self.place.lock().clone();
        let mut root = None;
        while let Some((parent, _)) = dir {
            dir = parent.place.lock().clone();
            root = Some(parent);
        }
        let root = root.as_deref().unwrap_or(self);
        let statfs = root.real()?.statfs()?;
        Ok(Statfs { kind: OVERLAYFS_SUPER_MAGIC, ..statfs })
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Overlay(OverlayInodeState::save(self, saver)))
    }
}
