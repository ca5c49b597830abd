//! Where a profile goes: a descriptor of the client's.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::server::{Error, Files};

/// How long the reader of a pipe or socket may take none of what there is to read.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a pipe that has room at all takes without waiting (PIPE_BUF of pipe(7)).
const PART: usize = 4096;

/// A descriptor that is open for writing.
#[derive(Debug)]
pub(super) struct Destination {
    file: OwnedFd,
    waits: bool,
}

impl Destination {
    /// The first of a call's descriptors; none if there is none.
    pub(super) fn of(files: Files) -> Result<Option<Self>, Error> {
        let Some(file) = files.0.into_iter().next() else { return Ok(None) };
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|e| refused(e.into()))?;
        let mode = flags & OFlags::RWMODE;
        if flags.contains(OFlags::PATH) || !matches!(mode, OFlags::WRONLY | OFlags::RDWR) {
            return Err(Error::new("the destination is not open for writing"));
        }
        let stat = rustix::fs::fstat(&file).map_err(|e| refused(e.into()))?;
        let waits = !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile);
        Ok(Some(Self { file, waits }))
    }

    /// Writes all of it.
    pub(super) fn finish(mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write_all(bytes).map_err(refused)
    }
}

/// What the host says to writing.
pub(super) fn refused(e: io::Error) -> Error {
    match e.raw_os_error() {
        Some(raw) => Error::on("writing to the destination", stockade_abi::Errno::from_raw(raw)),
        None => Error::new(format!("writing to the destination: {e}")),
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = if self.waits { bytes.get(..PART).unwrap_or(bytes) } else { bytes };
        loop {
            if self.waits {
                let timeout = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
                match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&timeout)) {
                    Ok(0) => return Err(Errno::TIMEDOUT.into()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            match rustix::io::write(&self.file, part) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
