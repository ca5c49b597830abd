//! What a file system implements for each thing it stores.

use std::any::Any;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Statfs;

use super::attrs::{Attrs, FileType, NewNode, SetAttrs};
use super::file_ops::FileOps;
use super::lock::FileId;
use super::mount::Path;
use super::persist::InodeState;
use crate::persist::{PageObject, PageSink, PageSource, RestoreError, SaveError, Saver, Unsavable};
use crate::task::Kernel;

/// A file, directory, link or device of a file system. Names and permissions were checked by the caller; an
/// implementation keeps its own data consistent. What it does not have answers as Linux does.
pub trait Inode: Any + Send + Sync {
    /// Its type, which never changes.
    fn file_type(&self) -> FileType;

    /// All attributes.
    ///
    /// # Errors
    /// What the storage says.
    fn attrs(&self) -> Result<Attrs, Errno>;

    /// Device and number, which never change.
    ///
    /// # Errors
    /// What the storage says.
    fn id(&self) -> Result<FileId, Errno> {
        self.attrs().map(|attrs| (attrs.dev, attrs.ino))
    }

    /// Changes attributes, and the times that change with them.
    ///
    /// # Errors
    /// EPERM unless implemented, EROFS, ENOSPC, EFBIG.
    fn set_attrs(&self, _set: &SetAttrs) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Opens it; `flags` are open(2)'s, truncation is done by the caller.
    ///
    /// # Errors
    /// ENXIO for what cannot be opened.
    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Err(Errno::ENXIO)
    }

    /// The entry of a directory.
    ///
    /// # Errors
    /// ENOENT
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }

    /// Whether a cached entry still is what `lookup` would find; for file systems that change by themselves.
    fn is_current(&self, _name: &[u8], _child: &Arc<dyn Inode>) -> bool {
        true
    }

    /// Makes an entry.
    ///
    /// # Errors
    /// EEXIST, EPERM for kinds the file system has not, ENOSPC.
    fn create(&self, _name: &[u8], _node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }

    /// Makes a file without a name in a directory's file system (O_TMPFILE).
    ///
    /// # Errors
    /// EOPNOTSUPP
    fn create_unnamed(&self, _node: &NewNode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Makes an entry for an inode that exists.
    ///
    /// # Errors
    /// EEXIST, EMLINK, EXDEV, EPERM.
    fn link(&self, _name: &[u8], _target: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Removes an entry that is no directory.
    ///
    /// # Errors
    /// EPERM, EROFS.
    fn unlink(&self, _name: &[u8], _child: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOTEMPTY, EPERM, EROFS.
    fn rmdir(&self, _name: &[u8], _child: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Moves an entry to `new_name` of `new_dir`, an inode of the same file system, replacing what is there (which the
    /// caller found to be replaceable, but for a directory being empty). `flags` are renameat2(2)'s.
    ///
    /// # Errors
    /// ENOTEMPTY, EXDEV, EPERM, EINVAL for flags it has not.
    fn rename(
        &self,
        _name: &[u8],
        _new_dir: &Arc<dyn Inode>,
        _new_name: &[u8],
        _flags: u32,
    ) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Gets ready to be moved: what of it lies in a layer that stays is copied. Names the entries of a directory that have
    /// to get ready too; [`Inode::ready_to_move`] is called once they all are.
    ///
    /// # Errors
    /// ENOSPC, EIO, EROFS.
    fn prepare_move(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(Vec::new())
    }

    /// All entries are ready to be moved.
    ///
    /// # Errors
    /// ENOSPC, EIO.
    fn ready_to_move(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// A rename has moved this inode to `name` of `dir`; for those that remember where they are.
    fn moved_to(&self, _dir: &Arc<dyn Inode>, _name: &[u8]) {}

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// EINVAL if it is none.
    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    /// Where a magic link leads (`/proc/PID/fd/N`), if it is one.
    fn magic_link(&self) -> Option<Result<Path, Errno>> {
        None
    }

    /// An extended attribute.
    ///
    /// # Errors
    /// ENODATA, EOPNOTSUPP.
    fn get_xattr(&self, _name: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Sets an extended attribute; `flags` are setxattr(2)'s.
    ///
    /// # Errors
    /// EEXIST, ENODATA, ENOSPC, EOPNOTSUPP.
    fn set_xattr(&self, _name: &[u8], _value: &[u8], _flags: u32) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// ENODATA, EOPNOTSUPP.
    fn remove_xattr(&self, _name: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The names of all extended attributes.
    ///
    /// # Errors
    /// EOPNOTSUPP
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Changes its file system by other options (MS_REMOUNT, mount(2)).
    ///
    /// # Errors
    /// EINVAL for options that it does not know, or that cannot be changed.
    fn reconfigure(&self, _options: &[u8]) -> Result<(), Errno> {
        Ok(())
    }

    /// The file system's figures.
    ///
    /// # Errors
    /// ENOSYS unless implemented.
    fn statfs(&self) -> Result<Statfs, Errno> {
        Err(Errno::ENOSYS)
    }

    /// Its saved form, one of the variants of [`InodeState`].
    ///
    /// # Errors
    /// What of it cannot be saved; all of it, unless implemented.
    fn save(&self, _saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Err(Unsavable::kind::<Self>("inode"))
    }

    /// Gives its contents, if they are in memory, to `sink` as the pages of `object`. The kernel stands still.
    ///
    /// # Errors
    /// Why they cannot be read or kept.
    fn save_pages(&self, _object: PageObject, _sink: &mut dyn PageSink) -> Result<(), SaveError> {
        Ok(())
    }

    /// Takes them back, when all objects have been made anew and before anything is mapped. What `source` has for `object`
    /// is hostile. `kernel` ends if what is only read later is gone then.
    ///
    /// # Errors
    /// What is wrong with them, or what the host refuses.
    fn restore_pages(
        &self,
        _object: PageObject,
        _source: &mut dyn PageSource,
        _kernel: &Arc<Kernel>,
    ) -> Result<(), RestoreError> {
        Ok(())
    }
}

impl dyn Inode {
    /// The implementation, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: Inode>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The implementation, if it is a `T`.
    #[must_use]
    pub fn downcast<T: Inode>(self: Arc<Self>) -> Option<Arc<T>> {
        (self as Arc<dyn Any + Send + Sync>).downcast().ok()
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }
}
