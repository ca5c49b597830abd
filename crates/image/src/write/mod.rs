//! Writes an image, strictly forward.

mod out;
mod pipeline;

use crate::digest::Digest;
use crate::format::{self, Layout, Start, Trailer};
use crate::run::{self, Run};
use crate::{Compression, Error, Header, Key, Summary, tree};
use out::Out;
use pipeline::Pipeline;
use std::collections::BTreeMap;
use std::fs::File;

/// What an image begins with.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a host needs to know before it can go on with the image.
    pub header: Header,
    /// The version of Stockade that writes it; at most 32 bytes are kept.
    pub version: String,
    /// What the owner notes; readable without the key.
    pub metadata: BTreeMap<String, String>,
    /// With it, the image is authenticated.
    pub key: Option<Key>,
}

impl Options {
    /// For an image of this host, without metadata and key.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self {
            header: Header::of_this_host(compression),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            metadata: BTreeMap::new(),
            key: None,
        }
    }
}

/// An image that is being written: first pages, then, with [`Writer::finish`], everything else. It is valid only then.
///
/// Pages go into the buffer that [`Writer::space`] lends, and [`Writer::fill`] says which they are:
///
/// ```
/// # use stockade_image::{Compression, Options, Summary, Writer};
/// # fn main() -> Result<(), stockade_image::Error> {
/// # let file = tempfile::tempfile()?;
/// let mut writer = Writer::new(file, Options::new(Compression::None))?;
/// let (object, address) = (1, 0x7000_0000);
/// let space = writer.space()?;
/// space[..4096].fill(7); // process_vm_readv(2), say
/// writer.fill(object, address, 4096)?;
/// let written = writer.finish(b"kernel state", &Summary::default())?;
/// # assert_eq!(written.data, 4096);
/// # Ok(())
/// # }
/// ```
///
/// Chunks are hashed, compressed and written by other threads meanwhile. After an error there is nothing left to do but
/// to drop it.
#[derive(Debug)]
pub struct Writer {
    pipeline: Pipeline,
    digest: Digest,
    page: usize,
    /// Where page data begins.
    start: u64,
    runs: Vec<Run>,
    /// The chunk that is being filled, once there is one, and how much of it is.
    chunk: Vec<u8>,
    filled: usize,
    /// Bytes of page data in the chunks before.
    before: u64,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// Where to.
    pub file: File,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of page data, uncompressed.
    pub data: u64,
    /// Number of runs in the index.
    pub runs: u64,
    /// The checksum in the trailer, which tells images apart.
    pub checksum: [u8; 32],
}

impl Writer {
    /// Begins an image; what is to be its first byte goes where the file's offset is.
    ///
    /// # Errors
    /// When the host refuses, or when header or metadata are longer than the format allows.
    pub fn new(file: impl Into<File>, options: Options) -> Result<Self, Error> {
        let Options { header, version, metadata, key } = options;
        header.check().map_err(|e| Error::Invalid(e.to_string()))?;
        let texts = [
            json("header", &header, format::MAX_HEADER)?,
            json("metadata", &metadata, format::MAX_METADATA)?,
        ];
        let [header_length, metadata_length] = texts.each_ref().map(|text| text.len() as u32);
        let mut start = Start {
            version: format::VERSION,
            writer: version,
            header: header_length,
            metadata: metadata_length,
            is_authenticated: key.is_some(),
            pages: 0,
        };
        start.pages = start.texts_end().next_multiple_of(header.page_size.into());
        let mut bytes = Vec::with_capacity(start.pages as usize);
        bytes.extend_from_slice(&start.bytes());
        texts.iter().for_each(|text| bytes.extend_from_slice(text));
        bytes.resize(start.pages as usize, 0);
        let mut digest = Digest::new(key.as_ref());
        digest.update(&bytes);
        let out = Out::new(file.into())?;
        out.write_all(&bytes)?;
        Ok(Self {
            pipeline: Pipeline::new(out, header.chunk_size as usize, header.compression),
            digest,
            page: header.page_size as usize,
            start: start.pages,
            runs: Vec::new(),
            chunk: Vec::new(),
            filled: 0,
            before: 0,
        })
    }

    /// Where the next pages go: at least one, at most a chunk. It may hold old bytes.
    ///
    /// # Errors
    /// When an earlier chunk could not be written.
    pub fn space(&mut self) -> Result<&mut [u8], Error> {
        if self.filled == self.chunk.len() {
            self.send()?;
            self.chunk = self.pipeline.buffer()?;
        }
        Ok(self.chunk.get_mut(self.filled..).unwrap_or_default())
    }

    /// Takes the first `length` bytes of [`Writer::space`] as the pages of a memory object from `address` on; the space
    /// begins behind them then, so that it can be filled at once with what becomes several runs. An object's pages may
    /// come in any order, but each only once.
    ///
    /// # Errors
    /// When they are not whole pages, or more than there was space for.
    pub fn fill(&mut self, object: u64, address: u64, length: usize) -> Result<(), Error> {
        let end = self
            .filled
            .checked_add(length)
            .filter(|&end| end <= self.chunk.len() && length.is_multiple_of(self.page));
        let end = end
            .ok_or_else(|| Error::Invalid(format!("{length} bytes are not pages in the space there was")))?;
        if length > 0 {
            self.run(Run { object, address, length: length as u64, data: self.position() })?;
            self.filled = end;
        }
        Ok(())
    }

    /// Copies pages of a memory object from `address` on.
    ///
    /// # Errors
    /// As [`Writer::space`] and [`Writer::fill`].
    pub fn pages(&mut self, object: u64, mut address: u64, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let n = space.len().min(bytes.len());
            let (now, rest) = bytes.split_at(n);
            space[..n].copy_from_slice(now);
            self.fill(object, address, n)?;
            address = address.wrapping_add(n as u64);
            bytes = rest;
        }
        Ok(())
    }

    /// Says that pages which were given before are also those of another object, or of another address.
    ///
    /// # Errors
    /// When there are more runs than the format allows.
    pub fn run(&mut self, run: Run) -> Result<(), Error> {
        run::push(&mut self.runs, run);
        if self.runs.len() as u64 > format::MAX_RUNS {
            return Err(Error::Invalid(format!(
                "its memory has more than {} separate runs of pages",
                format::MAX_RUNS
            )));
        }
        Ok(())
    }

    /// The offset in page data that the next pages will have.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.before + self.filled as u64
    }

    /// Writes what is left, the kernel state, and all that makes it an image. Neither syncs nor closes the file.
    ///
    /// # Errors
    /// When the host refuses, or runs overlap, or something is longer than the format allows.
    pub fn finish(mut self, state: &[u8], summary: &Summary) -> Result<Written, Error> {
        let summary = json("summary", summary, format::MAX_SUMMARY as u32)?;
        if state.len() as u64 > format::MAX_STATE {
            let (size, most) = (state.len(), format::MAX_STATE);
            return Err(Error::Invalid(format!("its kernel state has {size} bytes, and {most} can be")));
        }
        self.send()?;
        let data = self.before;
        let mut runs = std::mem::take(&mut self.runs);
        runs.sort_unstable();
        run::check(&runs, self.page as u64, data).map_err(Error::Invalid)?;
        let (out, leaves) = self.pipeline.finish()?;
        let tree = tree::encode(&leaves);
        let mut trailer = Trailer {
            stored: leaves.iter().map(|leaf| leaf.stored).sum(),
            data,
            state: state.len() as u64,
            summary: summary.len() as u64,
            runs: runs.len() as u64,
            chunks: leaves.len() as u64,
            root: tree::root(&tree),
            ..Trailer::default()
        };
        let layout =
            Layout::new(self.start, &trailer).ok_or_else(|| Error::Invalid("it is too long".to_owned()))?;
        trailer.size = layout.trailer + format::TRAILER;
        let index = run::encode(&runs);
        let mut at = self.start + trailer.stored;
        let mut put = |offset: u64, bytes: &[u8], digest: &mut Digest| {
            let zeros = [0; format::ALIGN as usize];
            let padding = zeros.get(..(offset - at) as usize).unwrap_or_default();
            out.write_all(padding)?;
            digest.update(padding);
            at = offset + bytes.len() as u64;
            out.write_all(bytes)
        };
        for (offset, bytes) in [(layout.state, state), (layout.summary, &*summary), (layout.runs, &*index)] {
            put(offset, bytes, &mut self.digest)?;
            self.digest.update(bytes);
        }
        put(layout.tree, &tree, &mut self.digest)?;
        put(layout.trailer, &[], &mut self.digest)?;
        self.digest.seal(&mut trailer);
        out.write_all(&trailer.bytes())?;
        let Trailer { size, runs, checksum, .. } = trailer;
        Ok(Written { file: out.file, size, data, runs, checksum })
    }

    /// Gives the chunk, as far as it is filled, to the other threads.
    fn send(&mut self) -> Result<(), Error> {
        let mut chunk = std::mem::take(&mut self.chunk);
        if self.filled > 0 {
            chunk.truncate(self.filled);
            self.before += std::mem::take(&mut self.filled) as u64;
            if self.before.div_ceil(self.pipeline.chunk() as u64) > format::MAX_CHUNKS {
                return Err(Error::Invalid("its memory is larger than an image can hold".to_owned()));
            }
            self.pipeline.send(chunk)?;
        }
        Ok(())
    }
}

fn json(what: &str, value: &impl serde::Serialize, most: u32) -> Result<Vec<u8>, Error> {
    let text = serde_json::to_vec(value).map_err(|e| Error::Invalid(format!("its {what}: {e}")))?;
    if text.len() > most as usize {
        return Err(Error::Invalid(format!("its {what} has {} bytes, and {most} can be", text.len())));
    }
    Ok(text)
}
