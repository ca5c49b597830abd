//! Writing to whatever the destination is.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// How long the reader of a pipe or socket may take nothing: a sandbox stands still meanwhile.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// What a pipe that has room at all takes without waiting (PIPE_BUF of pipe(7)).
const PART: usize = 4096;

/// Where an image goes.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) file: File,
    /// Whether writing waits for a reader, or would if it were allowed to (`O_NONBLOCK`).
    waits: bool,
    patience: Timespec,
}

impl Out {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
        let waits = !matches!(kind, FileType::RegularFile | FileType::BlockDevice);
        Ok(Self { file, waits, patience: PATIENCE })
    }

    /// Another handle of the same.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, ..*self })
    }

    /// Writes all of it.
    pub(super) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let part = if self.waits { bytes.get(..PART).unwrap_or(bytes) } else { bytes };
            if self.waits {
                match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&self.patience)) {
                    Ok(0) => return Err(Errno::TIMEDOUT.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            match rustix::io::write(&self.file, part) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for_for_ever() {
        let (_read, write) = rustix::pipe::pipe().unwrap();
        let out = Out { file: write.into(), waits: true, patience: Timespec { tv_sec: 0, tv_nsec: 1000 } };
        assert_eq!(out.write_all(&[0; 1 << 20]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
