//! Entries out of a stream: ustar, GNU's and pax's long names, and sparse files as modern tars write them.

use std::io::{self, Read};

use tar::{Archive, EntryType, Header, PaxExtensions};

use super::entry::{Kind, Meta};
use super::{PATH_MAX, invalid, sparse};

/// Bytes that the records before one entry may have.
const MAX_RECORDS: u64 = 1 << 20;

/// One file.
pub struct Entry<'a> {
    /// Its path, as the archive has it.
    pub path: Vec<u8>,
    /// Rights, owner and time.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
    /// The data of a file: all, or all pieces one after the other.
    pub data: &'a mut dyn Read,
}

/// What comes before an entry and is about it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    mtime: Option<(i64, u32)>,
    uid: Option<u32>,
    gid: Option<u32>,
    real_size: Option<u64>,
    is_sparse: bool,
}

/// Gives each entry of a stream to `take`, in order.
///
/// # Errors
/// What `take` fails with, and InvalidData for what is no archive, or has a form that is not known.
pub fn read(stream: impl Read, mut take: impl FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut archive = Archive::new(stream);
    let mut ahead = Ahead::default();
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let header = entry.header().clone();
        match header.entry_type() {
            EntryType::GNULongName => ahead.path = Some(long(&mut entry, PATH_MAX as u64)?),
            EntryType::GNULongLink => ahead.link = Some(long(&mut entry, PATH_MAX as u64)?),
            EntryType::XHeader => ahead.take(&long(&mut entry, MAX_RECORDS)?)?,
            EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => {
                return Err(invalid(
                    "sparse files of GNU's old format are not known: use tar --format=posix",
                ));
            }
            _ => {
                let size = header.entry_size()?;
                let before = std::mem::take(&mut ahead);
                let (path, meta) = (before.path(&header), before.meta(&header)?);
                let kind = before.kind(&header, size, &mut entry)?;
                take(Entry { path, meta, kind, data: &mut entry })?;
            }
        }
    }
    Ok(())
}

/// All data of an entry, which has no more than that.
fn long(entry: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(invalid("a name in the archive is too long"));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

impl Ahead {
    fn take(&mut self, records: &[u8]) -> io::Result<()> {
        for record in PaxExtensions::new(records) {
            let record = record?;
            let value = record.value_bytes();
            let number =
                || text(value)?.parse::<u64>().map_err(|_| invalid("a number in the archive is none"));
            match record.key_bytes() {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"mtime" => {
                    self.mtime =
                        Some(time(text(value)?).ok_or_else(|| invalid("a time in the archive is none"))?)
                }
                b"uid" => self.uid = Some(id(number()?)?),
                b"gid" => self.gid = Some(id(number()?)?),
                b"GNU.sparse.major" => self.is_sparse = value == b"1",
                b"GNU.sparse.realsize" => self.real_size = Some(number()?),
                b"GNU.sparse.map" | b"GNU.sparse.size" | b"GNU.sparse.numblocks" => {
                    return Err(invalid("sparse files of an old pax format are not known: use format 1.0"));
                }
                b"size" => return Err(invalid("a file in the archive is too large for its header")),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, header: &Header) -> Vec<u8> {
        self.path.clone().unwrap_or_else(|| header.path_bytes().into_owned())
    }

    fn meta(&self, header: &Header) -> io::Result<Meta> {
        let (mtime, mtime_nsec) = match self.mtime {
            Some(time) => time,
            None => (i64::try_from(header.mtime()?).unwrap_or(i64::MAX), 0),
        };
        let own = |given: Option<u32>, of: io::Result<u64>| given.map_or_else(|| id(of?), Ok);
        Ok(Meta {
            mode: header.mode()? & 0o7777,
            uid: own(self.uid, header.uid())?,
            gid: own(self.gid, header.gid())?,
            mtime,
            mtime_nsec,
        })
    }

    fn kind(self, header: &Header, size: u64, data: &mut impl Read) -> io::Result<Kind> {
        let link = || {
            let target = self.link.clone().or_else(|| header.link_name_bytes().map(|l| l.into_owned()));
            target
                .filter(|t| !t.is_empty() && t.len() < PATH_MAX)
                .ok_or_else(|| invalid("a link in the archive leads nowhere"))
        };
        Ok(match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(link()?),
            EntryType::Link => Kind::HardLink(link()?),
            EntryType::Fifo => Kind::Fifo,
            // Old archives mark directories by their names alone.
            EntryType::Regular if self.path(header).ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous if self.is_sparse => {
                let size =
                    self.real_size.ok_or_else(|| invalid("a sparse file in the archive has no size"))?;
                Kind::File { size, pieces: Some(sparse::read_map(data, size)?) }
            }
            EntryType::Regular | EntryType::Continuous => Kind::File { size, pieces: None },
            _ => Kind::Other,
        })
    }
}

fn text(value: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(value).map_err(|_| invalid("a number in the archive is none"))
}

/// `-1` stands for no id, and nobody has it.
fn id(number: u64) -> io::Result<u32> {
    let id = u32::try_from(number).ok().filter(|id| *id != u32::MAX);
    id.ok_or_else(|| invalid("an owner in the archive is none"))
}

/// Seconds with a fraction, as seconds and nanoseconds beyond them.
fn time(text: &str) -> Option<(i64, u32)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let seconds: i64 = whole.parse().ok().filter(|s| *s >= 0)?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{:0<9}", fraction.get(..fraction.len().min(9))?).parse().ok()?;
    match (is_negative, nanos) {
        (false, _) => Some((seconds, nanos)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanos)),
    }
}
