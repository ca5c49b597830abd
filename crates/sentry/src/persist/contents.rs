//! The contents of files that a descriptor of the host holds.

use std::os::fd::AsFd;
use stockade_abi::misc::PAGE_SIZE as PAGE;
use stockade_platform::host::errno as host;

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno as HostErrno, pread, pwrite};

use super::{PageObject, PageRun, PageSink, PageSource, RestoreError, SaveError};

/// Bytes read at once.
const STEP: u64 = 256 * 1024;

/// Gives the pages of a file of this size that are no holes.
///
/// # Errors
/// Why they cannot be read or kept.
pub(crate) fn save_file(
    fd: impl AsFd,
    size: u64,
    object: PageObject,
    sink: &mut dyn PageSink,
) -> Result<(), SaveError> {
    let fd = fd.as_fd();
    let mut at = 0;
    while at < size {
        let start = at;
        let error = |error| SaveError::Memory { object, at: start, error: host(error) };
        at = match seek(fd, SeekFrom::Data(at)) {
            Err(HostErrno::NXIO) => break,
            data => data.map_err(error)? / PAGE * PAGE,
        };
        let end = seek(fd, SeekFrom::Hole(at)).map_err(error)?.min(size);
        while at < end {
            let space = sink.space()?;
            let want = (space.len() as u64).min(end.next_multiple_of(PAGE) - at) as usize;
            let Some(space) = space.get_mut(..want) else { break };
            let n = pread(fd, &mut *space, at).map_err(error)?;
            if n == 0 {
                // It has become shorter.
                return Ok(());
            }
            // The last page ends with the file.
            let whole = n.next_multiple_of(PAGE as usize);
            space[n..whole].fill(0);
            sink.fill(object, at, whole)?;
            at += whole as u64;
        }
    }
    Ok(())
}

/// Puts a run of pages back into a file of this size. What is beyond its end stays away.
///
/// # Errors
/// What is wrong with them, or what the host refuses.
pub(crate) fn restore_run(
    fd: impl AsFd,
    size: u64,
    run: PageRun,
    source: &mut dyn PageSource,
) -> Result<(), RestoreError> {
    let fd = fd.as_fd();
    let mut buf = Vec::new();
    let mut at = run.address;
    while at < run.end() {
        buf.resize((run.end() - at).min(STEP) as usize, 0);
        let read = source.read(run.data.saturating_add(at - run.address), &mut buf);
        read.map_err(|e| RestoreError::new(format!("contents at {at:#x}: {e}")))?;
        let len = (buf.len() as u64).min(size.saturating_sub(at)) as usize;
        let mut rest = &buf[..len];
        while !rest.is_empty() {
            let n = pwrite(fd, rest, at + (len - rest.len()) as u64);
            let n = n.map_err(|e| RestoreError::refused("contents of a file", host(e)))?;
            rest = &rest[n..];
        }
        at += buf.len() as u64;
    }
    Ok(())
}

/// Whether a run lies in a file of this size.
///
/// # Errors
/// If not.
pub(crate) fn check_run(run: &PageRun, size: u64) -> Result<(), RestoreError> {
    let inside = run.end() <= size.next_multiple_of(PAGE) && run.address.is_multiple_of(PAGE);
    if inside {
        Ok(())
    } else {
        Err(RestoreError::new(format!("contents at {:#x} lie beyond its end", run.address)))
    }
}
