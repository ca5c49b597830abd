//! The saved form of [`Content`], and its pages.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SeekFrom, ftruncate, memfd_create, seek};
use rustix::io::{pread, pwrite};
use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::{CHUNK, Content, MAX_SIZE, PAGE, Storage, host, page_bits};
use crate::fs::tmpfs::{Budget, Seals};
use crate::persist::{PageObject, PageRun, PageSink, PageSource, RestoreError, SaveError};
use crate::vfs::HostFd;

/// Bytes read at once into what is mapped.
const STEP: u64 = 256 * 1024;

/// A [`Content`], but for its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContentState {
    size: u64,
    seals: u32,
    /// Whether it has been mapped.
    is_memfd: bool,
    /// Bytes that it takes of the budget; only what is mapped cannot be counted anew.
    charged: u64,
    /// Pages that were set aside, from one offset to another.
    reserved: Vec<(u64, u64)>,
}

impl Content {
    pub(in crate::fs::tmpfs) fn save(&self) -> ContentState {
        let mut reserved: Vec<(u64, u64)> = Vec::new();
        if let Storage::Chunks(chunks) = &self.storage {
            for (index, chunk) in chunks {
                for page in (0..CHUNK / PAGE).filter(|page| chunk.reserved >> page & 1 == 1) {
                    let at = index * CHUNK + page * PAGE;
                    match reserved.last_mut() {
                        Some((_, end)) if *end == at => *end += PAGE,
                        _ => reserved.push((at, at + PAGE)),
                    }
                }
            }
        }
        ContentState {
            size: self.size,
            seals: self.seals.bits(),
            is_memfd: matches!(self.storage, Storage::Memfd(_)),
            charged: self.charged,
            reserved,
        }
    }

    /// Contents of a size, all of them a hole.
    pub(in crate::fs::tmpfs) fn restore(
        state: ContentState,
        budget: Arc<Budget>,
    ) -> Result<Self, RestoreError> {
        let seals = Seals::from_bits(state.seals).ok_or_else(|| RestoreError::new("unknown seals"))?;
        if state.size > MAX_SIZE {
            return Err(RestoreError::new("a file that is too large"));
        }
        let refused = |e| RestoreError::refused("files in memory", e);
        let storage = Storage::Chunks(BTreeMap::new());
        let mut content = Self { size: state.size, storage, budget, charged: 0, seals };
        if state.is_memfd {
            content.charge(state.charged).map_err(refused)?;
            let fd = memfd_create(c"stockade-file", MemfdFlags::CLOEXEC).and_then(|fd| {
                ftruncate(&fd, state.size)?;
                Ok(fd)
            });
            let fd = fd.map_err(host).and_then(HostFd::new).map_err(refused)?;
            content.storage = Storage::Memfd(fd);
            return Ok(content);
        }
        for (from, end) in state.reserved {
            if from >= end || end > MAX_SIZE {
                return Err(RestoreError::new("pages are set aside that no file has"));
            }
            let mut at = from;
            while at < end {
                let within = (at % CHUNK) as usize;
                let part = (CHUNK - at % CHUNK).min(end - at);
                let chunk = content.chunk_for(at / CHUNK, within, part as usize).map_err(refused)?;
                chunk.reserved |= page_bits(within, within + part as usize);
                at += part;
            }
        }
        Ok(content)
    }

    /// Gives the pages that are no holes.
    pub(in crate::fs::tmpfs) fn save_pages(
        &self,
        object: PageObject,
        sink: &mut dyn PageSink,
    ) -> Result<(), SaveError> {
        match &self.storage {
            Storage::Memfd(fd) => self.save_memfd(fd, object, sink),
            Storage::Chunks(chunks) => {
                for (index, chunk) in chunks {
                    let mut at = 0;
                    while at < chunk.bytes.len() {
                        let is_written = |at: usize| chunk.written >> (at as u64 / PAGE) & 1 == 1;
                        let mut end = at;
                        while end < chunk.bytes.len() && is_written(end) {
                            end += PAGE as usize;
                        }
                        if let Some(bytes) = chunk.bytes.get(at..end).filter(|bytes| !bytes.is_empty()) {
                            sink.write(object, index * CHUNK + at as u64, bytes)?;
                        }
                        at = end + PAGE as usize;
                    }
                }
                Ok(())
            }
        }
    }

    fn save_memfd(&self, fd: &HostFd, object: PageObject, sink: &mut dyn PageSink) -> Result<(), SaveError> {
        let mut at = 0;
        while at < self.size {
            let start = at;
            let error = |error| SaveError::Memory { object, at: start, error: host(error) };
            let data = match seek(fd, SeekFrom::Data(at)) {
                Err(rustix::io::Errno::NXIO) => break,
                data => data.map_err(error)? / PAGE * PAGE,
            };
            let end = seek(fd, SeekFrom::Hole(data)).map_err(error)?.min(self.size);
            at = data;
            while at < end {
                let space = sink.space()?;
                let want = (space.len() as u64).min(end.next_multiple_of(PAGE) - at) as usize;
                let Some(space) = space.get_mut(..want) else { break };
                let n = pread(fd, &mut *space, at).map_err(error)?;
                // The last page ends with the file, or the file has become shorter.
                let whole = n.next_multiple_of(PAGE as usize);
                space[n..whole].fill(0);
                if n == 0 {
                    break;
                }
                sink.fill(object, at, whole)?;
                at += whole as u64;
            }
            if at < end {
                break;
            }
        }
        Ok(())
    }

    /// Takes them back.
    pub(in crate::fs::tmpfs) fn restore_pages(
        &mut self,
        object: PageObject,
        source: &mut dyn PageSource,
    ) -> Result<(), RestoreError> {
        for run in source.runs(object) {
            if run.end() > self.size.next_multiple_of(PAGE) || run.address % PAGE != 0 {
                return Err(RestoreError::new(format!("contents at {:#x} lie beyond its end", run.address)));
            }
            self.restore_run(run, source)?;
        }
        Ok(())
    }

    fn restore_run(&mut self, run: PageRun, source: &mut dyn PageSource) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("files in memory", e);
        let unread = |e: io::Error| RestoreError::new(format!("contents at {:#x}: {e}", run.address));
        let mut buf = Vec::new();
        let mut at = run.address;
        while at < run.end() {
            let data = run.data.saturating_add(at - run.address);
            let left = run.end() - at;
            at += match &self.storage {
                Storage::Chunks(_) => {
                    let (within, part) = ((at % CHUNK) as usize, left.min(CHUNK - at % CHUNK));
                    let end = within + part as usize;
                    let chunk = self.chunk_for(at / CHUNK, within, part as usize).map_err(refused)?;
                    let bytes = chunk.bytes.get_mut(within..end).ok_or_else(|| refused(Errno::EIO))?;
                    source.read(data, bytes).map_err(unread)?;
                    chunk.written |= page_bits(within, end);
                    part
                }
                Storage::Memfd(fd) => {
                    buf.resize(left.min(STEP) as usize, 0);
                    source.read(data, &mut buf).map_err(unread)?;
                    // What is beyond the end of the file stays away.
                    let len = (buf.len() as u64).min(self.size.saturating_sub(at)) as usize;
                    let mut rest = &buf[..len];
                    while !rest.is_empty() {
                        let done = at + (len - rest.len()) as u64;
                        let n = pwrite(fd, rest, done).map_err(|e| refused(host(e)))?;
                        rest = &rest[n..];
                    }
                    buf.len() as u64
                }
            };
        }
        Ok(())
    }
}
