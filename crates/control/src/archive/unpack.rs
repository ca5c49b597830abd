//! A stream into a tree.

use std::io::{self, Read};

use super::entry::{Kind, Meta};
use super::read::{Entry, read};
use super::tree::Target;
use super::{MAX_DEPTH, PATH_MAX, about, invalid};

/// Bytes written at once.
const CHUNK: usize = 256 << 10;

/// Which permissions files get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// As the archive says.
    All,
    /// Without set-id and sticky bits: who wrote the archive gives nobody rights.
    WithoutSetId,
}

/// Unpacks a stream below a directory. Files take the place of files, and directories are joined; nothing takes a directory's
/// place. Says how many entries were left out: devices, and what is at no name.
///
/// # Errors
/// What reading or writing fails with, with the path; InvalidData for names that lead out (`..`) or through links.
pub fn unpack<T: Target>(target: &T, root: &T::Dir, stream: impl Read, rights: Rights) -> io::Result<u64> {
    let mut unpacker = Unpacker { target, root, rights, directories: Vec::new(), skipped: 0 };
    read(stream, |entry| unpacker.entry(entry))?;
    // Deepest first: a directory's time changes with what is put into it, and a read-only one takes nothing.
    for (dir, path, meta) in unpacker.directories.iter().rev() {
        target.set_dir_meta(dir, meta).map_err(|e| about(path, &e))?;
    }
    Ok(unpacker.skipped)
}

/// Directories whose rights and times are set at the end; of more, at once.
const MAX_DIRECTORIES: usize = 512;

struct Unpacker<'a, T: Target> {
    target: &'a T,
    root: &'a T::Dir,
    rights: Rights,
    directories: Vec<(T::Dir, Vec<u8>, Meta)>,
    skipped: u64,
}

impl<T: Target> Unpacker<'_, T> {
    fn entry(&mut self, mut entry: Entry<'_>) -> io::Result<()> {
        let path = std::mem::take(&mut entry.path);
        self.make(&path, entry)
            .map_err(|e| if e.kind() == io::ErrorKind::InvalidData { e } else { about(&path, &e) })
    }

    fn make(&mut self, path: &[u8], entry: Entry<'_>) -> io::Result<()> {
        let Entry { meta, kind, data, .. } = entry;
        let meta = Meta { mode: self.mode(meta.mode), ..meta };
        let names = components(path)?;
        let Some((name, parents)) = names.split_last() else {
            // The directory itself.
            return Ok(());
        };
        if kind == Kind::Other {
            self.skipped += 1;
            return Ok(());
        }
        let dir = self.enter(parents)?;
        if kind == Kind::Directory {
            return self.directory(&dir, name, path, meta);
        }
        match self.target.remove(&dir, name) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let is_link = matches!(kind, Kind::Symlink(_));
        match kind {
            Kind::File { size, pieces } => self.file(&dir, name, size, pieces, data)?,
            Kind::Symlink(to) => self.target.make_symlink(&dir, name, &to)?,
            Kind::Fifo => self.target.make_fifo(&dir, name)?,
            Kind::HardLink(to) => {
                let to = components(&to)?;
                let (first, parents) = to.split_last().ok_or_else(|| invalid("a link leads nowhere"))?;
                let first_dir = self.enter(parents)?;
                // It has the rights of its first name.
                return self.target.link((&first_dir, first), (&dir, name));
            }
            Kind::Directory | Kind::Other => return Ok(()),
        }
        self.target.set_meta(&dir, name, &meta, is_link)
    }

    fn mode(&self, mode: u32) -> u32 {
        if self.rights == Rights::All { mode } else { mode & 0o777 }
    }

    /// The directory with these names, one below the other; what is missing is made.
    fn enter(&self, names: &[&[u8]]) -> io::Result<T::Dir> {
        let mut dir = self.root.clone();
        for name in names {
            dir = match self.target.open_dir(&dir, name) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    self.target.make_dir(&dir, name)?;
                    self.target.open_dir(&dir, name)?
                }
                other => other?,
            };
        }
        Ok(dir)
    }

    fn directory(&mut self, dir: &T::Dir, name: &[u8], path: &[u8], meta: Meta) -> io::Result<()> {
        match self.target.make_dir(dir, name) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let made = self.target.open_dir(dir, name)?;
        if self.directories.len() < MAX_DIRECTORIES {
            self.directories.push((made, path.to_vec(), meta));
            return Ok(());
        }
        self.target.set_dir_meta(&made, &Meta { mode: meta.mode | 0o700, ..meta })
    }

    fn file(
        &self,
        dir: &T::Dir,
        name: &[u8],
        size: u64,
        pieces: Option<Vec<(u64, u64)>>,
        data: &mut dyn Read,
    ) -> io::Result<()> {
        let file = self.target.make_file(dir, name)?;
        let mut buffer = vec![0; CHUNK];
        for (mut offset, len) in pieces.unwrap_or_else(|| vec![(0, size)]) {
            let mut piece = data.take(len);
            while piece.limit() > 0 {
                let n = piece.read(&mut buffer)?;
                if n == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.target.write_at(&file, &buffer[..n], offset)?;
                offset += n as u64;
            }
        }
        self.target.set_size(&file, size)
    }
}

/// The names of a path, one below the other. An absolute one begins at the root of what is unpacked.
fn components(path: &[u8]) -> io::Result<Vec<&[u8]>> {
    let shown = || String::from_utf8_lossy(path).into_owned();
    if path.len() > PATH_MAX || path.contains(&0) {
        return Err(invalid("a path in the archive is too long, or none"));
    }
    let names: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".").collect();
    if names.contains(&&b".."[..]) {
        return Err(invalid(format!("{:?}: a path in the archive leads out of it", shown())));
    }
    if names.len() > MAX_DEPTH {
        return Err(invalid(format!("{:?}: a path in the archive is nested too deep", shown())));
    }
    Ok(names)
}
