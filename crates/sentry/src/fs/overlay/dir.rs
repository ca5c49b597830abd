//! Directories: the entries of both.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_abi::Errno;
use stockade_abi::general as c;

use super::inode::OverlayInode;
use crate::io::Sink;
use crate::vfs::{DirEntry, File, FileOps, FileType, Inode, Seek, anon};

/// An entry of the merged directory.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    ino: u64,
    file_type: FileType,
}

/// The entries of a directory of one layer, without `.` and `..`.
fn entries_of(dir: &Arc<dyn Inode>) -> Result<Vec<Entry>, Errno> {
    let ops = Arc::clone(dir).open(c::O_RDONLY | c::O_DIRECTORY)?;
    let file = File::new(anon::wrap(b"overlay", Arc::clone(dir)), Arc::clone(&ops), c::O_RDONLY);
    let mut entries = Vec::new();
    let mut position = 0;
    loop {
        let before = entries.len();
        position = ops.iterate(&file, position, &mut |e| {
            entries.push(Entry { name: e.name.to_vec(), ino: e.ino, file_type: e.file_type });
            true
        })?;
        if entries.len() == before {
            break;
        }
    }
    entries.retain(|e| e.name != b"." && e.name != b"..");
    Ok(entries)
}

/// The names in a directory of one layer.
pub(super) fn names(dir: &Arc<dyn Inode>) -> Result<Vec<Vec<u8>>, Errno> {
    Ok(entries_of(dir)?.into_iter().map(|e| e.name).collect())
}

/// The entries of both layers, without `.` and `..`.
pub(super) fn merged(dir: &OverlayInode) -> Result<Vec<Entry>, Errno> {
    let (upper, lower) = (dir.upper(), dir.lower());
    let mut merged = Vec::new();
    let mut seen = BTreeSet::new();
    let marks = dir.fs.whiteouts;
    let mut opaque = false;
    if let Some(upper) = &upper {
        opaque = marks.is_opaque(upper);
        for entry in entries_of(upper)? {
            if let Some(hidden) = marks.hidden_by(upper, &entry.name, entry.file_type)? {
                seen.insert(hidden);
                continue;
            }
            if marks.is_reserved(&entry.name) {
                continue;
            }
            seen.insert(entry.name.clone());
            // The number that stat(2) gives: only a copied-up or merged entry differs, and needs a look.
            let ino = dir.lookup(&entry.name).and_then(|i| i.attrs()).map_or(entry.ino, |a| a.ino);
            merged.push(Entry { ino, ..entry });
        }
    }
    if let Some(lower) = lower.filter(|l| l.is_dir() && !opaque) {
        let dev = lower.attrs()?.dev;
        let below = entries_of(&lower)?.into_iter().filter(|e| !seen.contains(&e.name));
        merged.extend(below.map(|e| Entry { ino: dir.fs.lower_ino(dev, e.ino), ..e }));
    }
    Ok(merged)
}

/// An open directory: its entries are merged once, when reading begins, so that positions stay good.
pub(super) struct OverlayDir {
    inode: Arc<OverlayInode>,
    entries: Mutex<Vec<Entry>>,
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
            let dot = |name: &[u8], ino| Entry { name: name.to_vec(), ino, file_type: FileType::Directory };
            let parent = file.path.dentry.parent().and_then(|p| p.inode.attrs().ok());
            let own = self.inode.ino();
            *entries = vec![dot(b".", own), dot(b"..", parent.map_or(own, |a| a.ino))];
            entries.extend(merged(&self.inode)?);
        }
        let mut position = from;
        for entry in entries.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
            let next = position + 1;
            if !emit(DirEntry { name: &entry.name, ino: entry.ino, file_type: entry.file_type, next }) {
                break;
            }
            position = next;
        }
        Ok(position)
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }
}
