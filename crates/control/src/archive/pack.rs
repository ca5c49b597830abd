//! A tree into a stream.

use std::collections::HashMap;
use std::io::{self, Write};

use super::entry::Kind;
use super::sparse::MAX_PIECES;
use super::tree::{Found, Source};
use super::write::Writer;
use super::{MAX_DEPTH, PATH_MAX, about, invalid};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// Files with several names that are remembered; others are packed once for each.
const MAX_LINKS: usize = 1 << 20;

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFIFO: u32 = 0o010_000;

/// A directory that is being packed.
struct Level<D> {
    dir: D,
    path: Vec<u8>,
    names: std::vec::IntoIter<Vec<u8>>,
}

/// Packs what is at `name` in a directory, under another name; an empty one packs the contents of a directory alone. Says how
/// many files were left out: devices, sockets, and what went away meanwhile.
///
/// # Errors
/// What reading or writing fails with, with the path.
pub fn pack<S: Source>(
    source: &S,
    dir: &S::Dir,
    name: &[u8],
    under: &[u8],
    out: impl Write,
) -> io::Result<u64> {
    let mut packer = Packer {
        source,
        writer: Writer::new(out),
        links: HashMap::new(),
        skipped: 0,
        buffer: vec![0; CHUNK],
    };
    let found = source.look(dir, name).map_err(|e| about(name, &e))?;
    let top = packer.entry(dir, name, under.to_vec(), &found)?;
    let mut levels: Vec<Level<S::Dir>> = top.into_iter().collect();
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.next() else {
            levels.pop();
            continue;
        };
        let mut path = level.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        if path.len() > PATH_MAX {
            return Err(invalid(format!("{}: File name too long", String::from_utf8_lossy(&path))));
        }
        let found = match source.look(&level.dir, &name) {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                packer.skipped += 1;
                continue;
            }
            Err(e) => return Err(about(&path, &e)),
        };
        if let Some(deeper) = packer.entry(&level.dir, &name, path, &found)? {
            if levels.len() == MAX_DEPTH {
                return Err(invalid(format!("{}: nested too deep", String::from_utf8_lossy(&deeper.path))));
            }
            levels.push(deeper);
        }
    }
    packer.writer.finish()?;
    Ok(packer.skipped)
}

struct Packer<'a, S: Source, W> {
    source: &'a S,
    writer: Writer<W>,
    links: HashMap<(u64, u64), Vec<u8>>,
    skipped: u64,
    buffer: Vec<u8>,
}

impl<S: Source, W: Write> Packer<'_, S, W> {
    /// Packs one name; gives the directory that it is.
    fn entry(
        &mut self,
        dir: &S::Dir,
        name: &[u8],
        path: Vec<u8>,
        found: &Found,
    ) -> io::Result<Option<Level<S::Dir>>> {
        let on_path = |e: io::Error| about(&path, &e);
        match found.file_type & S_IFMT {
            S_IFDIR => {
                if !path.is_empty() {
                    self.writer.begin(&[&path[..], b"/"].concat(), &found.meta, &Kind::Directory)?;
                }
                if found.is_virtual {
                    return Ok(None);
                }
                let dir = self.source.open_dir(dir, name).map_err(on_path)?;
                let mut names = self.source.list(&dir).map_err(on_path)?;
                names.sort_unstable();
                return Ok(Some(Level { dir, path, names: names.into_iter() }));
            }
            S_IFREG => self.file(dir, name, path, found)?,
            S_IFLNK => {
                let target = self.source.read_link(dir, name).map_err(on_path)?;
                self.writer.begin(&path, &found.meta, &Kind::Symlink(target))?;
            }
            S_IFIFO => self.writer.begin(&path, &found.meta, &Kind::Fifo)?,
            _ => self.skipped += 1,
        }
        Ok(None)
    }

    fn file(&mut self, dir: &S::Dir, name: &[u8], path: Vec<u8>, found: &Found) -> io::Result<()> {
        let (device, inode, names) = found.identity;
        if names > 1 {
            if let Some(first) = self.links.get(&(device, inode)) {
                let kind = Kind::HardLink(first.clone());
                return self.writer.begin(&path, &found.meta, &kind);
            }
            if self.links.len() < MAX_LINKS {
                self.links.insert((device, inode), path.clone());
            }
        }
        let on_path = |e: io::Error| about(&path, &e);
        let file = self.source.open_file(dir, name).map_err(on_path)?;
        let pieces = self.pieces(&file, found.size).map_err(on_path)?;
        let kind = Kind::File { size: found.size, pieces };
        self.writer.begin(&path, &found.meta, &kind)?;
        let Kind::File { pieces, .. } = kind else { return Ok(()) };
        for (offset, len) in pieces.unwrap_or_else(|| vec![(0, found.size)]) {
            self.piece(&file, offset, len).map_err(on_path)?;
        }
        self.writer.end()
    }

    /// Where there is data, if that is not everywhere.
    fn pieces(&self, file: &S::File, size: u64) -> io::Result<Option<Vec<(u64, u64)>>> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < size {
            let Some((start, end)) = self.source.next_data(file, at, size)? else { break };
            let (start, end) = (start.clamp(at, size), end.clamp(at, size));
            if end <= start {
                break;
            }
            // What has more holes than can be told is packed with the rest of them filled.
            let end = if pieces.len() + 1 == MAX_PIECES { size } else { end };
            pieces.push((start, end - start));
            at = end;
        }
        let is_whole = size == 0 || pieces == [(0, size)];
        Ok((!is_whole).then_some(pieces))
    }

    /// Exactly so many bytes: zeros for those that are not there any more.
    fn piece(&mut self, file: &S::File, mut offset: u64, len: u64) -> io::Result<()> {
        let mut rest = len;
        while rest > 0 {
            let most = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
            let mut n = self.source.read_at(file, &mut self.buffer[..most], offset)?;
            if n == 0 {
                self.buffer[..most].fill(0);
                n = most;
            }
            self.writer.data(&self.buffer[..n])?;
            offset += n as u64;
            rest -= n as u64;
        }
        Ok(())
    }
}
