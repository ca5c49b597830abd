//! Directories that are made up when they are read (getdents64(2)).

use stockade_abi::Errno;

use crate::vfs::{DirEntry, File, FileType};

/// An entry.
pub struct Listed {
    /// Its name.
    pub name: Vec<u8>,
    /// Its inode number.
    pub ino: u64,
    /// Its type.
    pub file_type: FileType,
}

impl Listed {
    /// An entry.
    pub fn new(name: impl Into<Vec<u8>>, ino: u64, file_type: FileType) -> Self {
        Self { name: name.into(), ino, file_type }
    }
}

/// Gives the dots and then the entries from a position on, as [`crate::vfs::FileOps::iterate`] has to. Positions are
/// independent of inodes: 0 and 1 for the dots, then the place in the listing. `ino` is the directory's own.
///
/// # Errors
/// None of its own.
pub fn emit(
    file: &File,
    ino: u64,
    entries: impl IntoIterator<Item = Listed>,
    from: u64,
    emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
) -> Result<u64, Errno> {
    let parent = file.path.dentry.parent().and_then(|p| p.inode.attrs().ok()).map_or(ino, |attrs| attrs.ino);
    let dot = |name: &[u8], ino| Listed::new(name, ino, FileType::Directory);
    let all = [dot(b".", ino), dot(b"..", parent)].into_iter().chain(entries);
    let mut position = from;
    for entry in all.skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        let next = position + 1;
        if !emit(DirEntry { name: &entry.name, ino: entry.ino, file_type: entry.file_type, next }) {
            break;
        }
        position = next;
    }
    Ok(position)
}
