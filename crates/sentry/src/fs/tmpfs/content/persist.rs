//! The saved form of [`Content`], and its pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::{CHUNK, Content, MAX_SIZE, PAGE, Storage, host, page_bits};
use crate::fs::tmpfs::{Budget, Seals};
use crate::persist::contents::{check_run, restore_run, save_file};
use crate::persist::{PageObject, PageRun, PageSink, PageSource, RestoreError, SaveError};
use crate::vfs::HostFd;

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
            Storage::Memfd(fd) => save_file(fd, self.size, object, sink),
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

    /// Takes them back.
    pub(in crate::fs::tmpfs) fn restore_pages(
        &mut self,
        object: PageObject,
        source: &mut dyn PageSource,
    ) -> Result<(), RestoreError> {
        for run in source.runs(object) {
            check_run(&run, self.size)?;
            match &self.storage {
                Storage::Memfd(fd) => restore_run(fd, self.size, run, source)?,
                Storage::Chunks(_) => self.restore_chunks(run, source)?,
            }
        }
        Ok(())
    }

    fn restore_chunks(&mut self, run: PageRun, source: &mut dyn PageSource) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("files in memory", e);
        let mut at = run.address;
        while at < run.end() {
            let (within, part) = ((at % CHUNK) as usize, (run.end() - at).min(CHUNK - at % CHUNK));
            let end = within + part as usize;
            let chunk = self.chunk_for(at / CHUNK, within, part as usize).map_err(refused)?;
            let bytes = chunk.bytes.get_mut(within..end).ok_or_else(|| refused(Errno::EIO))?;
            let read = source.read(run.data.saturating_add(at - run.address), bytes);
            read.map_err(|e| RestoreError::new(format!("contents at {at:#x}: {e}")))?;
            chunk.written |= page_bits(within, end);
            at += part;
        }
        Ok(())
    }
}
