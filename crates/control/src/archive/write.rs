//! Entries into a stream: ustar headers, and pax records for what these have no room for.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::entry::{Kind, Meta};
use super::sparse;

/// Blocks of a tar stream.
const BLOCK: usize = 512;

/// Bytes that a name may have in a header.
const NAME: usize = 100;

/// Writes a stream.
pub(super) struct Writer<W> {
    out: W,
    /// Bytes of the entry that is being written.
    written: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, written: 0 }
    }

    /// Begins an entry; the data of a file follow, all of it or all of its pieces.
    pub(super) fn begin(&mut self, path: &[u8], meta: &Meta, kind: &Kind) -> io::Result<()> {
        let mut records = Records::default();
        let mut header = Header::new_ustar();
        header.set_mode(meta.mode & 0o7777);
        header.set_uid(u64::from(meta.uid));
        header.set_gid(u64::from(meta.gid));
        header.set_mtime(u64::try_from(meta.mtime).unwrap_or(0));
        if meta.mtime_nsec != 0 || meta.mtime < 0 {
            records.add("mtime", time(meta).as_bytes());
        }
        let (entry_type, size, link) = match kind {
            Kind::Directory => (EntryType::Directory, 0, None),
            Kind::File { size, .. } => (EntryType::Regular, *size, None),
            Kind::Symlink(target) => (EntryType::Symlink, 0, Some(target)),
            Kind::HardLink(target) => (EntryType::Link, 0, Some(target)),
            Kind::Fifo => (EntryType::Fifo, 0, None),
            Kind::Other => return Ok(()),
        };
        header.set_entry_type(entry_type);
        let mut map = Vec::new();
        let mut stored = size;
        if let Kind::File { size, pieces: Some(pieces) } = kind {
            map = sparse::map(pieces);
            stored = map.len() as u64 + pieces.iter().map(|(_, len)| len).sum::<u64>();
            records.add("GNU.sparse.major", b"1");
            records.add("GNU.sparse.minor", b"0");
            records.add("GNU.sparse.name", path);
            records.add("GNU.sparse.realsize", size.to_string().as_bytes());
        }
        header.set_size(stored);
        if let Some(ustar) = header.as_ustar_mut() {
            if !put(&mut ustar.name, path) {
                records.add("path", path);
            }
            if let Some(link) = link
                && !put(&mut ustar.linkname, link)
            {
                records.add("linkpath", link);
            }
        }
        self.records(&records)?;
        self.header(header)?;
        self.written = 0;
        if map.is_empty() { Ok(()) } else { self.data(&map) }
    }

    /// Data of the entry.
    pub(super) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Ends an entry.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let rest = (self.written % BLOCK as u64) as usize;
        self.written = 0;
        if rest == 0 { Ok(()) } else { self.out.write_all(&[0; BLOCK][rest..]) }
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()
    }

    fn records(&mut self, records: &Records) -> io::Result<()> {
        if records.0.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_size(records.0.len() as u64);
        if let Some(ustar) = header.as_ustar_mut() {
            put(&mut ustar.name, b"PaxHeaders/record");
        }
        self.header(header)?;
        self.written = 0;
        self.data(&records.0)?;
        self.end()
    }

    fn header(&mut self, mut header: Header) -> io::Result<()> {
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }
}

/// Puts text into a field, cut off where there is no room; whether there was.
fn put(field: &mut [u8; NAME], text: &[u8]) -> bool {
    let len = text.len().min(NAME);
    field[..len].copy_from_slice(&text[..len]);
    text.len() <= NAME
}

/// Seconds with a fraction, rounded to neither side.
fn time(meta: &Meta) -> String {
    if meta.mtime >= 0 || meta.mtime_nsec == 0 {
        return format!("{}.{:09}", meta.mtime, meta.mtime_nsec);
    }
    // -1.75 is 250 million nanoseconds behind -2.
    format!("-{}.{:09}", -(meta.mtime + 1), 1_000_000_000 - meta.mtime_nsec)
}

/// Records of a pax header: `LEN KEY=VALUE\n`, where LEN counts itself.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    fn add(&mut self, key: &str, value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + 1;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        self.0.extend_from_slice(format!("{len} {key}=").as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}
