//! Trees of files, as packing and unpacking need them. A directory is a handle, a name is one component, and no name is
//! followed if it is a link.

use std::io;

use super::entry::Meta;

/// What is at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Rights, owner and time.
    pub meta: Meta,
    /// S_IF bits (inode(7)).
    pub file_type: u32,
    /// Bytes.
    pub size: u64,
    /// Device, inode number, and how many names that has.
    pub identity: (u64, u64, u64),
    /// Whether its contents are made up by a kernel (`/proc`): they are left out.
    pub is_virtual: bool,
}

/// A tree to read.
pub trait Source {
    /// An open directory.
    type Dir;
    /// An open regular file.
    type File;

    /// What is at a name.
    ///
    /// # Errors
    /// As lstat(2).
    fn look(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Found>;

    /// Opens a directory.
    ///
    /// # Errors
    /// As open(2) with O_DIRECTORY and O_NOFOLLOW.
    fn open_dir(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Self::Dir>;

    /// The names in a directory, without `.` and `..`.
    ///
    /// # Errors
    /// As getdents64(2).
    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<Vec<u8>>>;

    /// Opens a regular file.
    ///
    /// # Errors
    /// As open(2) with O_NOFOLLOW.
    fn open_file(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Self::File>;

    /// Where data begins at or behind an offset, and where they end; none if there are no more.
    ///
    /// # Errors
    /// As lseek(2) with SEEK_DATA.
    fn next_data(&self, file: &Self::File, from: u64, size: u64) -> io::Result<Option<(u64, u64)>>;

    /// Reads at an offset; 0 at the end.
    ///
    /// # Errors
    /// As pread(2).
    fn read_at(&self, file: &Self::File, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// As readlink(2).
    fn read_link(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Vec<u8>>;
}

/// A tree to write. What is made is for the owner alone until its rights are set.
pub trait Target {
    /// An open directory.
    type Dir: Clone;
    /// An open regular file.
    type File;

    /// Opens a directory.
    ///
    /// # Errors
    /// ENOENT; ENOTDIR or ELOOP if it is something else, a link to a directory included.
    fn open_dir(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Self::Dir>;

    /// As mkdir(2).
    ///
    /// # Errors
    /// As mkdir(2).
    fn make_dir(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<()>;

    /// Makes a regular file where nothing is.
    ///
    /// # Errors
    /// As open(2) with O_CREAT and O_EXCL.
    fn make_file(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<Self::File>;

    /// Writes at an offset, and all of it.
    ///
    /// # Errors
    /// As pwrite(2).
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// As ftruncate(2).
    ///
    /// # Errors
    /// As ftruncate(2).
    fn set_size(&self, file: &Self::File, size: u64) -> io::Result<()>;

    /// As symlink(2).
    ///
    /// # Errors
    /// As symlink(2).
    fn make_symlink(&self, dir: &Self::Dir, name: &[u8], target: &[u8]) -> io::Result<()>;

    /// As mkfifo(3).
    ///
    /// # Errors
    /// As mkfifo(3).
    fn make_fifo(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<()>;

    /// Gives what is at the first name the second one, too; a link is not followed.
    ///
    /// # Errors
    /// As link(2).
    fn link(&self, from: (&Self::Dir, &[u8]), to: (&Self::Dir, &[u8])) -> io::Result<()>;

    /// As unlink(2): not for directories.
    ///
    /// # Errors
    /// As unlink(2).
    fn remove(&self, dir: &Self::Dir, name: &[u8]) -> io::Result<()>;

    /// Sets owner, rights and time of what was made at a name; of a link, owner and time.
    ///
    /// # Errors
    /// As chown(2), chmod(2), utimensat(2).
    fn set_meta(&self, dir: &Self::Dir, name: &[u8], meta: &Meta, is_link: bool) -> io::Result<()>;

    /// The same for an open directory.
    ///
    /// # Errors
    /// As [`set_meta`](Self::set_meta).
    fn set_dir_meta(&self, dir: &Self::Dir, meta: &Meta) -> io::Result<()>;
}
