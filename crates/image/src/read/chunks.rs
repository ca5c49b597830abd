//! Chunks of page data, and the hash tree they are checked by.

use super::sections::{read_exact, section};
use crate::tree::{self, Leaf};
use crate::{Error, Image};

/// Where the chunks of an image are, and what they have to be.
#[derive(Debug)]
pub struct Chunks<'a> {
    image: &'a Image,
    leaves: Vec<(Leaf, u64)>,
}

impl Image {
    /// The chunks of page data: reads and checks the hash tree.
    ///
    /// # Errors
    /// When the tree is damaged.
    pub fn chunks(&self) -> Result<Chunks<'_>, Error> {
        let end = self.layout.tree + self.trailer.chunks * tree::RECORD;
        let bytes = section(&self.file, self.layout.tree, end)?;
        if tree::root(&bytes) != self.trailer.root {
            return Err(Error::damaged("its hash tree is that of something else"));
        }
        let mut chunks = Chunks { image: self, leaves: Vec::new() };
        let mut offset = self.start.pages;
        let leaves = tree::decode(&bytes)?;
        drop(bytes);
        for (n, leaf) in (0..).zip(leaves) {
            let length = chunks.data_length(n) as u64;
            if leaf.stored > length || (self.file_offset(0).is_some() && leaf.stored != length) {
                return Err(Error::damaged(format!("chunk {n} of its pages cannot be that long")));
            }
            chunks.leaves.push((leaf, offset));
            offset += leaf.stored;
        }
        if offset != self.start.pages + self.trailer.stored {
            return Err(Error::damaged("the chunks of its pages are not as long as these"));
        }
        Ok(chunks)
    }
}

impl Chunks<'_> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Bytes of the pages in a chunk.
    pub(super) fn data_length(&self, n: u64) -> usize {
        let chunk = u64::from(self.image.header.chunk_size);
        self.image.trailer.data.saturating_sub(n.saturating_mul(chunk)).min(chunk) as usize
    }

    /// Checks one chunk as it stands in the file, and gives how many bytes it has there. `buffer` is for use by the
    /// next call too.
    ///
    /// # Errors
    /// [`Error::Chunk`], or when it cannot be read.
    pub fn check(&self, n: u64, buffer: &mut Vec<u8>) -> Result<u64, Error> {
        self.stored(n, buffer).map(|bytes| bytes.len() as u64)
    }

    /// The bytes of a chunk in the file, once they are checked.
    pub(super) fn stored<'a>(&self, n: u64, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        let (leaf, offset) = usize::try_from(n)
            .ok()
            .and_then(|n| self.leaves.get(n))
            .ok_or_else(|| Error::Invalid(format!("there is no chunk {n}")))?;
        let length = leaf.stored as usize;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        read_exact(&self.image.file, bytes, *offset)?;
        if Leaf::of(bytes) == *leaf { Ok(bytes) } else { Err(self.damaged(n)) }
    }

    pub(super) fn damaged(&self, n: u64) -> Error {
        let (stored, offset) =
            self.leaves.get(n as usize).map_or((0, 0), |(leaf, offset)| (leaf.stored, *offset));
        Error::Chunk { chunk: n, offset, end: offset + stored }
    }
}
