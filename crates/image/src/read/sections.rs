//! The sections of an image, as bytes that lie where they have to.

use crate::digest::Digest;
use crate::format::{ALIGN, Layout, PROLOGUE, Start, TRAILER, Trailer};
use crate::{Error, Header};
use rustix::fs::{FileType, fstat};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// All of an image but page data and hash tree, in memory.
#[derive(Debug)]
pub(super) struct Sections {
    pub(super) file: File,
    pub(super) start: Start,
    pub(super) trailer: Trailer,
    pub(super) layout: Layout,
    /// Prologue, header, metadata, and the zeros up to page data.
    front: Vec<u8>,
    /// The zeros behind page data.
    gap: Vec<u8>,
    /// Without the zeros behind it.
    pub(super) state: Vec<u8>,
    state_gap: Vec<u8>,
    /// Summary, index, and the zeros behind each.
    back: Vec<u8>,
    /// The zeros behind the tree.
    tree_gap: Vec<u8>,
}

impl Sections {
    /// Reads them; every length is bounded, and the file's own size the sum of them, before memory is taken for it.
    pub(super) fn read(file: File) -> Result<Self, Error> {
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotAFile);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut bytes = [0; PROLOGUE as usize];
        if size < PROLOGUE + TRAILER {
            // It may be the beginning of one.
            let there = bytes.get_mut(..size.min(PROLOGUE) as usize).unwrap_or_default();
            read_exact(&file, there, 0)?;
            return Err(match Start::parse(bytes) {
                Err(e @ (Error::NotAnImage | Error::TooNew { .. })) => e,
                _ => Error::Incomplete,
            });
        }
        read_exact(&file, &mut bytes, 0)?;
        let start = Start::parse(bytes)?;
        let mut end = [0; TRAILER as usize];
        read_exact(&file, &mut end, size - TRAILER)?;
        let trailer = Trailer::parse(end, size)?;
        if !start.is_authenticated && trailer.mac != [0; 32] {
            return Err(Error::damaged("it has no key, and yet a MAC"));
        }
        let layout = Layout::new(start.pages, &trailer)
            .filter(|layout| layout.trailer.checked_add(TRAILER) == Some(size))
            .ok_or_else(|| Error::damaged("its sections are not as long as its file"))?;
        let section = |from: u64, to: u64| section(&file, from, to);
        let state_end = layout.state + trailer.state;
        let (front, gap) = (section(0, start.pages)?, section(start.pages + trailer.stored, layout.state)?);
        let (state, state_gap) = (section(layout.state, state_end)?, section(state_end, layout.summary)?);
        let tree_end = layout.tree + trailer.chunks * crate::tree::RECORD;
        let (back, tree_gap) = (section(layout.summary, layout.tree)?, section(tree_end, layout.trailer)?);
        // Read twice; the second reading is the one that is checked.
        if front.get(..PROLOGUE as usize) != Some(&bytes) {
            return Err(Error::damaged("it changes while it is read"));
        }
        Ok(Self { file, start, trailer, layout, front, gap, state, state_gap, back, tree_gap })
    }

    /// What checksum and MAC are over, in its order; the trailer comes behind it.
    pub(super) fn pieces(&self) -> [&[u8]; 6] {
        [&self.front, &self.gap, &self.state, &self.state_gap, &self.back, &self.tree_gap]
    }

    /// Whether the checksum fits.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut digest = Digest::new(None);
        self.pieces().iter().for_each(|piece| digest.update(piece));
        if digest.fits(&self.trailer) {
            Ok(())
        } else {
            Err(Error::damaged("its checksum is that of something else"))
        }
    }

    pub(super) fn header(&self) -> Result<Header, Error> {
        let header: Header = json("header", self.text(PROLOGUE, self.start.header.into()))?;
        header.check()?;
        let Trailer { stored, data, chunks, .. } = self.trailer;
        let (page, chunk) = (u64::from(header.page_size), u64::from(header.chunk_size));
        if self.start.pages != self.start.texts_end().next_multiple_of(page) || data % page != 0 {
            return Err(Error::damaged("its pages are not where pages can be"));
        }
        let is_packed = header.compression != crate::Compression::None;
        if chunks != data.div_ceil(chunk) || stored > data || (!is_packed && stored != data) {
            return Err(Error::damaged("it has not as many chunks as its pages make"));
        }
        Ok(header)
    }

    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>, Error> {
        json("metadata", self.text(PROLOGUE + u64::from(self.start.header), self.start.metadata.into()))
    }

    pub(super) fn summary<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json("summary", self.back.get(..self.trailer.summary as usize).unwrap_or_default())
    }

    /// The runs, encoded.
    pub(super) fn index(&self) -> &[u8] {
        let start = self.trailer.summary.next_multiple_of(ALIGN) as usize;
        self.back.get(start..).unwrap_or_default()
    }

    fn text(&self, from: u64, length: u64) -> &[u8] {
        self.front.get(from as usize..(from + length) as usize).unwrap_or_default()
    }
}

/// Bytes of the file from `from` to `to`.
pub(super) fn section(file: &File, from: u64, to: u64) -> Result<Vec<u8>, Error> {
    let length = to.checked_sub(from).and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| Error::damaged("a section ends before it begins"))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.resize(length, 0);
    read_exact(file, &mut bytes, from)?;
    Ok(bytes)
}

/// What ends too early has been cut off meanwhile.
pub(super) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Error::Incomplete,
        _ => e.into(),
    })
}

fn json<T: DeserializeOwned>(what: &str, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|e| Error::damaged(format!("its {what} cannot be understood: {e}")))
}
