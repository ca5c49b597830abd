//! Reads an image: everything but page data is bounded, read once and checked before any of it is believed.

mod chunks;
mod pages;
mod sections;

use crate::format::{Layout, Start, Trailer};
use crate::run::{self, Run};
use crate::{Compression, Error, Header, Key, Summary, digest};
use sections::Sections;
use std::collections::BTreeMap;
use std::fs::File;

/// Who can have written an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticity {
    /// Somebody who has the key.
    Authenticated,
    /// Anybody: there is no key, or it has not been given. Accidents have been ruled out, nothing else.
    Unknown,
}

/// An image whose header, metadata, kernel state, summary and index have been checked. Page data has not:
/// [`Image::check_pages`] does.
#[derive(Debug)]
pub struct Image {
    file: File,
    start: Start,
    trailer: Trailer,
    layout: Layout,
    header: Header,
    metadata: BTreeMap<String, String>,
    summary: Summary,
    state: Vec<u8>,
    runs: Vec<Run>,
    authenticity: Authenticity,
}

impl Image {
    /// Opens an image for restoring: one that was saved with a key with this key, any other without.
    ///
    /// # Errors
    /// When it is no image, or not whole, or of a later version, or damaged, or when the key is not the one it was saved
    /// with, or missing, or was not used.
    pub fn open(file: impl Into<File>, key: Option<&Key>) -> Result<Self, Error> {
        Self::read(file.into(), key, false)
    }

    /// Opens an image to look at it: as [`Image::open`], but without a key also one that was saved with a key.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn look(file: impl Into<File>, key: Option<&Key>) -> Result<Self, Error> {
        Self::read(file.into(), key, true)
    }

    fn read(file: File, key: Option<&Key>, is_look: bool) -> Result<Self, Error> {
        let sections = Sections::read(file)?;
        let Sections { start, trailer, .. } = &sections;
        let authenticity = match (start.is_authenticated, key) {
            (true, Some(key)) => {
                if !digest::authenticates(key, &sections.pieces(), trailer) {
                    // A key that does not fit is something else than an accident.
                    sections.check()?;
                    return Err(Error::WrongKey);
                }
                Authenticity::Authenticated
            }
            (true, None) if !is_look => return Err(Error::KeyNeeded),
            (_, key) => {
                sections.check()?;
                if key.is_some() {
                    return Err(Error::NotAuthenticated);
                }
                Authenticity::Unknown
            }
        };
        let (header, metadata) = (sections.header()?, sections.metadata()?);
        let summary: Summary = sections.summary()?;
        let runs = run::decode(sections.index())?;
        run::check(&runs, header.page_size.into(), trailer.data).map_err(Error::Damaged)?;
        let Sections { file, start, trailer, layout, state, .. } = sections;
        Ok(Self { file, start, trailer, layout, header, metadata, summary, state, runs, authenticity })
    }

    /// What a host needs to know before it can go on with it; see [`Header::check_host`].
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The version of its format.
    #[must_use]
    pub fn format(&self) -> u32 {
        self.start.version
    }

    /// The version of Stockade that wrote it, in printable ASCII.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.start.writer
    }

    /// What its owner noted.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the saver tells of it.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The kernel state.
    #[must_use]
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// Takes the kernel state out, so that its memory can be given back.
    pub fn take_state(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.state)
    }

    /// The index, by object and address.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The runs of one memory object, by address.
    #[must_use]
    pub fn runs_of(&self, object: u64) -> &[Run] {
        let start = self.runs.partition_point(|run| run.object < object);
        let rest = self.runs.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|run| run.object == object)).unwrap_or_default()
    }

    /// Who can have written it.
    #[must_use]
    pub fn authenticity(&self) -> Authenticity {
        self.authenticity
    }

    /// Whether it was saved with a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.start.is_authenticated
    }

    /// The checksum in its trailer, which tells images apart.
    #[must_use]
    pub fn checksum(&self) -> &[u8; 32] {
        &self.trailer.checksum
    }

    /// The file: what memory is mapped from, at [`Image::file_offset`].
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.trailer.size
    }

    /// Bytes of page data, uncompressed.
    #[must_use]
    pub fn data(&self) -> u64 {
        self.trailer.data
    }

    /// Where in the file an offset in page data is, a run's, say; `None` if page data is compressed
    /// ([`Image::unpack`]).
    #[must_use]
    pub fn file_offset(&self, data: u64) -> Option<u64> {
        (self.header.compression == Compression::None).then(|| self.start.pages.saturating_add(data))
    }
}

pub use chunks::Chunks;
