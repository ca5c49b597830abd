//! Pieces of a file's contents.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};

use stockade_abi::Errno;

use super::PAGE;
use crate::io::Sink;
use crate::task::Kernel;

/// Bytes, and which of their pages are more than a hole.
#[derive(Default)]
pub(super) struct Chunk {
    /// None while they lie in an image.
    pub(super) bytes: Box<[u8]>,
    /// A bit for each page that was written.
    pub(super) written: u32,
    /// A bit for each page that was set aside.
    pub(super) reserved: u32,
    stored: Option<Box<Stored>>,
}

/// Bytes of a chunk that were restored, and that nobody has changed since: they are read from the image when they are used.
struct Stored {
    file: Arc<File>,
    /// Who cannot go on without them.
    kernel: Weak<Kernel>,
    len: usize,
    /// From where to where, and where that is in the file. The rest is zeros.
    runs: Vec<(usize, usize, u64)>,
}

/// Where bytes lie in an image.
pub(super) struct Place<'a> {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) kernel: &'a Arc<Kernel>,
}

/// The bits of the pages that hold some bytes of a chunk.
pub(super) fn page_bits(from: usize, to: usize) -> u32 {
    let (first, end) = (from as u64 / PAGE, (to as u64).div_ceil(PAGE));
    if from >= to { 0 } else { (u32::MAX >> (32 - (end - first))) << first }
}

impl Stored {
    /// Copies what it has from `within` on; `bytes` are zeros.
    fn copy(&self, within: usize, bytes: &mut [u8]) -> Result<(), Errno> {
        let wanted = within + bytes.len();
        for &(from, to, offset) in &self.runs {
            let (first, end) = (from.max(within), to.min(wanted));
            if first < end
                && let Some(part) = bytes.get_mut(first - within..end - within)
            {
                self.file
                    .read_exact_at(part, offset.saturating_add((first - from) as u64))
                    .map_err(|_| Errno::EIO)?;
            }
        }
        Ok(())
    }

    /// As [`copy`](Self::copy), for a guest: without its image, its sandbox ends.
    fn give(&self, within: usize, bytes: &mut [u8]) -> Result<(), Errno> {
        self.copy(within, bytes).inspect_err(|_| {
            self.kernel.upgrade().iter().for_each(|kernel| kernel.wait_without_image());
        })
    }
}

impl Chunk {
    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.stored.as_ref().map_or(self.bytes.len(), |stored| stored.len)
    }

    /// Whether its bytes are here.
    pub(super) fn is_loaded(&self) -> bool {
        self.stored.is_none()
    }

    /// Its bytes in this file are some of an image's. It is not loaded, or empty.
    pub(super) fn store(&mut self, place: Place<'_>, (from, to): (usize, usize), len: usize) {
        let Place { file, offset, kernel } = place;
        let stored = || Box::new(Stored { file, kernel: Arc::downgrade(kernel), len, runs: Vec::new() });
        let stored = self.stored.get_or_insert_with(stored);
        stored.len = stored.len.max(len);
        stored.runs.push((from, to, offset));
        self.written |= page_bits(from, to);
    }

    /// Gets its bytes.
    ///
    /// # Errors
    /// EIO if the image has become shorter.
    pub(super) fn load(&mut self) -> Result<(), Errno> {
        if let Some(stored) = &self.stored {
            let mut bytes = vec![0; stored.len].into_boxed_slice();
            stored.give(0, &mut bytes)?;
            (self.bytes, self.stored) = (bytes, None);
        }
        Ok(())
    }

    /// Gives bytes from `within` on, which is less than its length.
    pub(super) fn read(&self, dst: &mut dyn Sink, within: usize, want: usize) -> Result<usize, Errno> {
        let end = self.len().min(within + want);
        match &self.stored {
            None => dst.put(&self.bytes[within..end]),
            Some(stored) => {
                let mut bytes = vec![0; end - within];
                stored.give(within, &mut bytes)?;
                dst.put(&bytes)
            }
        }
    }

    /// Copies whole pages from `within` on, to be saved.
    ///
    /// # Errors
    /// As [`load`](Self::load), but the sandbox does not end.
    pub(super) fn copy(&self, within: usize, bytes: &mut [u8]) -> Result<(), Errno> {
        match &self.stored {
            None => bytes.copy_from_slice(self.bytes.get(within..within + bytes.len()).ok_or(Errno::EIO)?),
            Some(stored) => {
                bytes.fill(0);
                stored.copy(within, bytes)?;
            }
        }
        Ok(())
    }
}
