//! Writing the file, within bounds.

use super::entry::{Stream, write_all};
use super::{NAME, OLD};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of one file. There are two, so that between one and two times as much is kept.
const LIMIT: u64 = 16 << 20;

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct OutputLog {
    directory: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl OutputLog {
    /// Makes the file in the directory of a new sandbox.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        Self::with_limit(directory, LIMIT)
    }

    fn with_limit(directory: &Path, limit: u64) -> io::Result<Self> {
        Ok(Self { directory: directory.to_owned(), file: open(directory)?, size: 0, limit })
    }

    /// Appends what a stream gave.
    pub(super) fn append(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let time = format!("{:.9}", jiff::Timestamp::now());
        let mut text = Vec::with_capacity(bytes.len() + 64);
        write_all(bytes, stream, &time, &mut text);
        let length = text.len() as u64;
        if self.size > 0 && self.size + length > self.limit {
            std::fs::rename(self.directory.join(NAME), self.directory.join(OLD))?;
            self.file = open(&self.directory)?;
            self.size = 0;
        }
        self.size += length;
        self.file.write_all(&text)
    }
}

fn open(directory: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(directory.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_kept_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = OutputLog::with_limit(dir.path(), 1000).unwrap();
        for n in 0..100 {
            log.append(Stream::Out, format!("line {n}\n").as_bytes()).unwrap();
        }
        let size = |name: &str| dir.path().join(name).metadata().unwrap().len();
        assert!(size(NAME) <= 1000 && size(OLD) <= 1000 && size(OLD) > 900);
        assert!(std::fs::read_to_string(dir.path().join(NAME)).unwrap().ends_with("stdout F line 99\n"));
    }
}
