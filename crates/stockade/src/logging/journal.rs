//! A sandbox's own log: `sentry.log` in its state directory, kept whether or not somebody asked for a log. It is bounded:
//! when the file is full, it becomes `sentry.log.1`, and the one before is forgotten.
//!
//! The sentry cannot rename files any more: it has both of them open from the start, and copies.

use crate::failure::{Failure, reason};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes of each of the two files.
const BOUND: u64 = 2 << 20;

/// Where both files are.
#[must_use]
pub fn paths(directory: &Path) -> [PathBuf; 2] {
    [directory.join("sentry.log"), directory.join("sentry.log.1")]
}

/// Both files, open.
#[derive(Debug)]
pub struct Journal {
    files: Mutex<Files>,
    bound: u64,
}

#[derive(Debug)]
struct Files {
    current: File,
    previous: File,
    size: u64,
}

impl Journal {
    /// Makes the files in a sandbox's directory, for the owner alone.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn create(directory: &Path) -> Result<Self, Failure> {
        Self::bounded(directory, BOUND)
            .map_err(|e| Failure::new(format!("{}: {}", paths(directory)[0].display(), reason(&e)), ""))
    }

    pub(super) fn bounded(directory: &Path, bound: u64) -> io::Result<Self> {
        let open =
            |path: &PathBuf| OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let [current, previous] = paths(directory);
        let files = Files { current: open(&current)?, previous: open(&previous)?, size: 0 };
        Ok(Self { files: Mutex::new(files), bound })
    }

    /// The descriptors that have to stay open in the sentry.
    pub(super) fn keep(&self) -> [RawFd; 2] {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        [files.current.as_raw_fd(), files.previous.as_raw_fd()]
    }

    pub(super) fn put(&self, line: &[u8]) -> io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // One line may be longer than all that is kept.
        let line = &line[..line.len().min(usize::try_from(self.bound).unwrap_or(usize::MAX))];
        let size = line.len() as u64;
        if files.size + size > self.bound {
            files.turn()?;
        }
        files.current.write_all(line)?;
        files.size += size;
        Ok(())
    }
}

impl Files {
    fn turn(&mut self) -> io::Result<()> {
        let mut part = vec![0; 64 << 10];
        let mut at = 0;
        self.previous.set_len(0)?;
        loop {
            let n = self.current.read_at(&mut part, at)?;
            if n == 0 {
                break;
            }
            self.previous.write_all(&part[..n])?;
            at += n as u64;
        }
        self.current.set_len(0)?;
        self.size = 0;
        Ok(())
    }
}
