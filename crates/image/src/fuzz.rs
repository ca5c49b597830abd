//! The entry point for fuzzers: `fuzz/` calls it with libFuzzer's inputs, a test with its own.

use crate::Image;
use crate::digest::Digest;
use crate::format::{Layout, PROLOGUE, Start, TRAILER, Trailer};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// A file of these bytes as an image: as it is, and with the checksum that it would need, since nobody guesses one.
pub fn image(data: &[u8]) {
    read(data);
    if let Some(sealed) = sealed(data) {
        read(&sealed);
    }
}

fn read(data: &[u8]) {
    let Ok(file) = memfd_create("image", MemfdFlags::CLOEXEC).map(File::from) else { return };
    if file.write_all_at(data, 0).is_err() {
        return;
    }
    let Ok(image) = Image::look(file, None) else { return };
    drop(image.header().check_host());
    drop(image.check_pages(|_| {}));
    // What is compressed may be long.
    if image.data() <= 16 << 20
        && let Ok(memory) = memfd_create("pages", MemfdFlags::CLOEXEC)
    {
        drop(image.unpack(&memory.into(), |_| {}));
    }
    for run in image.runs() {
        assert!(image.runs_of(run.object).contains(run));
        assert!(run.data + run.length <= image.data());
        if let Some(offset) = image.file_offset(run.data) {
            assert!(offset + run.length <= image.size());
        }
    }
}

/// The same with size, root and checksum as they have to be in an image without a key; `None` if it is too far from one.
#[must_use]
pub fn sealed(data: &[u8]) -> Option<Vec<u8>> {
    let start = Start::parse(*data.first_chunk()?).ok()?;
    let end = data.len().checked_sub(TRAILER as usize).filter(|&end| end as u64 >= PROLOGUE)?;
    let mut raw = *data.last_chunk::<{ TRAILER as usize }>()?;
    raw.get_mut(8..16)?.copy_from_slice(&(data.len() as u64).to_le_bytes());
    let mut trailer = Trailer::parse(raw, data.len() as u64).ok()?;
    let layout = Layout::new(start.pages, &trailer).filter(|layout| layout.trailer == end as u64)?;
    let tree = layout.tree as usize..(layout.tree + trailer.chunks * crate::tree::RECORD) as usize;
    trailer.root = crate::tree::root(data.get(tree.clone())?);
    let mut digest = Digest::new(None);
    digest.update(data.get(..start.pages as usize)?);
    digest.update(data.get((start.pages + trailer.stored) as usize..tree.start)?);
    digest.update(data.get(tree.end..end)?);
    digest.seal(&mut trailer);
    let mut sealed = data.get(..end)?.to_vec();
    sealed.extend_from_slice(&trailer.bytes());
    Some(sealed)
}
