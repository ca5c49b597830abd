//! Directories: the entries of both.

use std::collections::BTreeSet;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

use super::OverlayFileState;
use super::inode::OverlayInode;
use crate::fs::entries::Entries;
use crate::io::Sink;
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{DirEntry, File, FileOps, FileType, Inode, Seek, anon};

/// Gives the entries of a directory of one layer, without `.` and `..`.
fn for_each(dir: &Arc<dyn Inode>, mut see: impl FnMut(DirEntry<'_>)) -> Result<(), Errno> {
    let ops = Arc::clone(dir).open(c::O_RDONLY | c::O_DIRECTORY)?;
    let file = File::new(anon::wrap(b"overlay", Arc::clone(dir)), Arc::clone(&ops), c::O_RDONLY);
    let mut position = 0;
    loop {
        let before = position;
        position = ops.iterate(&file, position, &mut |entry| {
            if entry.name != b"." && entry.name != b".." {
                see(entry);
            }
            true
        })?;
        if position == before {
            return Ok(());
        }
    }
}

/// The names in a directory of one layer.
pub(super) fn names(dir: &Arc<dyn Inode>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for_each(dir, |entry| names.push(entry.name.to_vec()))?;
    Ok(names)
}

/// Adds the entries of both layers, without `.` and `..`.
pub(super) fn merge(dir: &OverlayInode, into: &mut Entries) -> Result<(), Errno> {
    let (upper, lower) = (dir.upper(), dir.lower());
    let mut seen = BTreeSet::new();
    let marks = dir.fs.whiteouts;
    let mut opaque = false;
    if let Some(upper) = &upper {
        opaque = marks.is_opaque(upper);
        let mut above = Entries::default();
        for_each(upper, |e| above.push(e.name, e.ino, e.file_type))?;
        for entry in above.iter() {
            if let Some(hidden) = marks.hidden_by(upper, entry.name, entry.file_type)? {
                seen.insert(hidden);
                continue;
            }
            if marks.is_reserved(entry.name) {
                continue;
            }
            seen.insert(entry.name.to_vec());
            // The number that stat(2) gives: only a copied-up or merged entry differs, and needs a look.
            let ino = dir.lookup(entry.name).and_then(|i| i.id()).map_or(entry.ino, |(_, ino)| ino);
            into.push(entry.name, ino, entry.file_type);
        }
    }
    if let Some(lower) = lower.filter(|l| l.is_dir() && !opaque) {
        let (dev, _) = lower.id()?;
        for_each(&lower, |e| {
            if !seen.contains(e.name) {
                into.push(e.name, dir.fs.lower_ino(dev, e.ino), e.file_type);
            }
        })?;
    }
    Ok(())
}

/// An open directory.
pub(super) struct OverlayDir {
    pub(super) inode: Arc<OverlayInode>,
    pub(super) entries: Mutex<Entries>,
}

impl OverlayDir {
    pub(super) fn new(inode: Arc<OverlayInode>) -> Self {
        Self { inode, entries: Mutex::default() }
    }
}

impl FileOps for OverlayDir {
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
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
        let mut entries = self.entries.lock();
        if from == 0 {
            let parent = file.path.dentry.parent().and_then(|p| p.inode.id().ok());
            let own = self.inode.ino();
            let mut merged = Entries::default();
            merged.push(b".", own, FileType::Directory);
            merged.push(b"..", parent.map_or(own, |(_, ino)| ino), FileType::Directory);
            merge(&self.inode, &mut merged)?;
            *entries = merged;
        }
        Ok(entries.emit(from, emit))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Overlay(OverlayFileState::save_dir(self, saver)))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }
}
