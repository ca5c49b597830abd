//! Numbers of the format, and its two fixed structures: the prologue at the start of a file and the trailer at its end.
//! docs/image-format.md is the specification.

use crate::Error;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the format that is written, and the newest that can be read.
pub const VERSION: u32 = 1;

/// Bytes of page data that are hashed, compressed and checked as one.
pub const CHUNK: usize = 1 << 20;

/// Most bytes of the header.
pub const MAX_HEADER: u32 = 64 << 10;
/// Most bytes of the metadata, as they stand in the file.
pub const MAX_METADATA: u32 = 1 << 20;
/// Most bytes of the kernel state.
pub const MAX_STATE: u64 = 1 << 30;
/// Most bytes of the summary.
pub const MAX_SUMMARY: u64 = 4 << 20;
/// Most runs of pages.
pub const MAX_RUNS: u64 = 4 << 20;
/// Most chunks of page data.
pub const MAX_CHUNKS: u64 = 1 << 20;

/// First bytes of an image: not text, and broken by whatever takes it for text.
const MAGIC: [u8; 8] = *b"\x89STKIMG\n";
/// First bytes of the trailer.
const END: [u8; 8] = *b"\x89STKEND\n";

/// The first bytes of a file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Prologue {
    magic: [u8; 8],
    version: U32,
    header: U32,
    metadata: U32,
    authentication: U32,
    pages: U64,
    writer: [u8; 32],
}

/// `authentication`: a hash without a key.
const NO_KEY: u32 = 0;
/// `authentication`: HMAC-SHA256.
const HMAC_SHA256: u32 = 1;

/// Bytes of the prologue.
pub(crate) const PROLOGUE: u64 = size_of::<Prologue>() as u64;

/// What the prologue says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) version: u32,
    /// The version of Stockade that wrote the file.
    pub(crate) writer: String,
    /// Bytes of the header.
    pub(crate) header: u32,
    /// Bytes of the metadata.
    pub(crate) metadata: u32,
    pub(crate) is_authenticated: bool,
    /// Where page data begins.
    pub(crate) pages: u64,
}

impl Start {
    pub(crate) fn bytes(&self) -> [u8; PROLOGUE as usize] {
        let mut writer = [0; 32];
        writer.iter_mut().zip(self.writer.bytes()).for_each(|(to, from)| *to = from);
        let prologue = Prologue {
            magic: MAGIC,
            version: self.version.into(),
            header: self.header.into(),
            metadata: self.metadata.into(),
            authentication: if self.is_authenticated { HMAC_SHA256 } else { NO_KEY }.into(),
            pages: self.pages.into(),
            writer,
        };
        zerocopy::transmute!(prologue)
    }

    /// Checks all that can be checked without the rest of the file.
    pub(crate) fn parse(bytes: [u8; PROLOGUE as usize]) -> Result<Self, Error> {
        let prologue: Prologue = zerocopy::transmute!(bytes);
        if prologue.magic != MAGIC {
            return Err(Error::NotAnImage);
        }
        let writer = writer(&prologue.writer);
        match prologue.version.get() {
            VERSION => {}
            0 => return Err(Error::damaged("its format has the number 0")),
            version => return Err(Error::TooNew { version, writer }),
        }
        let is_authenticated = match prologue.authentication.get() {
            NO_KEY => false,
            HMAC_SHA256 => true,
            n => return Err(Error::damaged(format!("authentication {n} does not exist"))),
        };
        let start = Self {
            version: VERSION,
            writer,
            header: prologue.header.get(),
            metadata: prologue.metadata.get(),
            is_authenticated,
            pages: prologue.pages.get(),
        };
        if start.header > MAX_HEADER || start.metadata > MAX_METADATA {
            return Err(Error::damaged("header or metadata are too long"));
        }
        let end = start.texts_end();
        // The next multiple of the page size, which is not known yet.
        if start.pages < end || start.pages - end >= MAX_PAGE {
            return Err(Error::damaged("its pages do not begin where the metadata ends"));
        }
        Ok(start)
    }

    /// Where header and metadata end.
    pub(crate) fn texts_end(&self) -> u64 {
        PROLOGUE + u64::from(self.header) + u64::from(self.metadata)
    }
}

/// Largest page size of an architecture that Linux runs on.
pub(crate) const MAX_PAGE: u64 = 64 << 10;

/// What can be printed of a version of Stockade.
fn writer(bytes: &[u8]) -> String {
    let text = bytes.iter().take_while(|&&byte| byte != 0);
    text.map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '?' }).collect()
}

/// The last bytes of a file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTrailer {
    magic: [u8; 8],
    size: U64,
    stored: U64,
    data: U64,
    state: U64,
    summary: U64,
    runs: U64,
    chunks: U64,
    root: [u8; 32],
    checksum: [u8; 32],
    mac: [u8; 32],
}

/// Bytes of the trailer.
pub(crate) const TRAILER: u64 = size_of::<RawTrailer>() as u64;
/// Bytes of the trailer that the checksum covers.
pub(crate) const CHECKED: usize = TRAILER as usize - 64;
/// Bytes of the trailer that the MAC covers.
pub(crate) const AUTHENTICATED: usize = TRAILER as usize - 32;

/// What the trailer says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailer {
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Bytes of page data as they stand in the file.
    pub(crate) stored: u64,
    /// Bytes of page data.
    pub(crate) data: u64,
    /// Bytes of kernel state.
    pub(crate) state: u64,
    /// Bytes of the summary.
    pub(crate) summary: u64,
    /// Number of runs.
    pub(crate) runs: u64,
    /// Number of chunks.
    pub(crate) chunks: u64,
    /// Root of the hash tree over page data.
    pub(crate) root: [u8; 32],
    pub(crate) checksum: [u8; 32],
    /// Zeros without a key.
    pub(crate) mac: [u8; 32],
}

impl Trailer {
    pub(crate) fn bytes(&self) -> [u8; TRAILER as usize] {
        let raw = RawTrailer {
            magic: END,
            size: self.size.into(),
            stored: self.stored.into(),
            data: self.data.into(),
            state: self.state.into(),
            summary: self.summary.into(),
            runs: self.runs.into(),
            chunks: self.chunks.into(),
            root: self.root,
            checksum: self.checksum,
            mac: self.mac,
        };
        zerocopy::transmute!(raw)
    }

    /// Of a file of `size` bytes.
    pub(crate) fn parse(bytes: [u8; TRAILER as usize], size: u64) -> Result<Self, Error> {
        let raw: RawTrailer = zerocopy::transmute!(bytes);
        if raw.magic != END {
            return Err(Error::Incomplete);
        }
        let trailer = Self {
            size: raw.size.get(),
            stored: raw.stored.get(),
            data: raw.data.get(),
            state: raw.state.get(),
            summary: raw.summary.get(),
            runs: raw.runs.get(),
            chunks: raw.chunks.get(),
            root: raw.root,
            checksum: raw.checksum,
            mac: raw.mac,
        };
        if trailer.size != size {
            return Err(Error::damaged(format!("it has {size} bytes, but says {}", trailer.size)));
        }
        let bounds = [
            (trailer.state, MAX_STATE, "bytes of kernel state"),
            (trailer.summary, MAX_SUMMARY, "bytes of summary"),
            (trailer.runs, MAX_RUNS, "runs of pages"),
            (trailer.chunks, MAX_CHUNKS, "chunks of page data"),
        ];
        for (count, most, what) in bounds {
            if count > most {
                return Err(Error::damaged(format!("{count} {what}, more than can be ({most})")));
            }
        }
        Ok(trailer)
    }
}

/// Where the sections behind page data begin and end; each begins at a multiple of 8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) state: u64,
    pub(crate) summary: u64,
    pub(crate) runs: u64,
    pub(crate) tree: u64,
    pub(crate) trailer: u64,
}

impl Layout {
    /// `None` if they would lie beyond what a file can have.
    pub(crate) fn new(pages: u64, trailer: &Trailer) -> Option<Self> {
        let after = |start: u64, length: u64| start.checked_add(length)?.checked_next_multiple_of(ALIGN);
        let state = after(pages, trailer.stored)?;
        let summary = after(state, trailer.state)?;
        let runs = after(summary, trailer.summary)?;
        let tree = after(runs, trailer.runs.checked_mul(crate::run::RECORD)?)?;
        let end = after(tree, trailer.chunks.checked_mul(crate::tree::RECORD)?)?;
        end.checked_add(TRAILER)?;
        Some(Self { state, summary, runs, tree, trailer: end })
    }
}

/// Sections behind page data begin at a multiple of this.
pub(crate) const ALIGN: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_specified() {
        assert_eq!((PROLOGUE, TRAILER), (64, 160));
    }

    #[test]
    fn versions_are_shown_without_harm() {
        assert_eq!(writer(b"1.2.3\x1b[2J\0abc"), "1.2.3?[2J");
    }
}
