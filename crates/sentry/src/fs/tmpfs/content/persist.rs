//! The saved form of [`Content`], and its pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::chunk::{Chunk, Place, page_bits};
use super::{CHUNK, Content, MAX_SIZE, PAGE, Storage};
use crate::fs::tmpfs::{Budget, Seals};
use crate::persist::contents::{check_run, restore_run, save_file};
use crate::persist::{PageObject, PageRun, PageSink, PageSource, RestoreError, SaveError};
use crate::task::Kernel;

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

    /// Contents of a size, all of them a hole. What is mapped has to become a memfd ([`Content::memfd`]) before its pages come.
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
            // It becomes one again when it is mapped, which may be never.
            content.charge(state.charged).map_err(refused)?;
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
                chunks.iter().try_for_each(|(index, chunk)| save_chunk(*index, chunk, object, sink))
            }
        }
    }

    /// Takes them back.
    pub(in crate::fs::tmpfs) fn restore_pages(
        &mut self,
        object: PageObject,
        source: &mut dyn PageSource,
        kernel: &Arc<Kernel>,
    ) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("files in memory", e);
        if matches!(&self.storage, Storage::Chunks(chunks) if chunks.is_empty()) && self.charged > 0 {
            // It was mapped, and is not any more. What was written through mappings nobody has counted.
            if room(&source.runs(object), self.charged).is_some() {
                self.charge(0).map_err(refused)?;
            } else {
                self.memfd().map_err(refused)?;
            }
        }
        for run in source.runs(object) {
            check_run(&run, self.size)?;
            match &self.storage {
                Storage::Memfd(fd) => restore_run(fd, self.size, run, source)?,
                Storage::Chunks(_) => self.restore_chunks(run, source, kernel)?,
            }
        }
        Ok(())
    }

    fn restore_chunks(
        &mut self,
        run: PageRun,
        source: &mut dyn PageSource,
        kernel: &Arc<Kernel>,
    ) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("files in memory", e);
        let mut at = run.address;
        while at < run.end() {
            let (within, part) = ((at % CHUNK) as usize, (run.end() - at).min(CHUNK - at % CHUNK));
            let end = within + part as usize;
            let data = run.data.saturating_add(at - run.address);
            match source.file(data) {
                Some((file, offset)) if self.is_stored(at / CHUNK) => {
                    let place = Place { file, offset, kernel };
                    self.store(at / CHUNK, place, (within, end)).map_err(refused)?;
                }
                _ => {
                    let chunk = self.chunk_for(at / CHUNK, within, part as usize).map_err(refused)?;
                    let bytes = chunk.bytes.get_mut(within..end).ok_or_else(|| refused(Errno::EIO))?;
                    let read = source.read(data, bytes);
                    read.map_err(|e| RestoreError::new(format!("contents at {at:#x}: {e}")))?;
                    chunk.written |= page_bits(within, end);
                }
            }
            at += part;
        }
        Ok(())
    }

    /// Whether the bytes of a chunk can be left in an image.
    fn is_stored(&self, index: u64) -> bool {
        let Storage::Chunks(chunks) = &self.storage else { return false };
        chunks.get(&index).is_none_or(|chunk| !chunk.is_loaded())
    }

    /// Leaves bytes of a chunk in an image until they are changed.
    fn store(&mut self, index: u64, place: Place<'_>, range: (usize, usize)) -> Result<(), Errno> {
        let Storage::Chunks(chunks) = &mut self.storage else { return Err(Errno::EIO) };
        // As large as it would be if it had been written.
        let len = if index == 0 { range.1.next_multiple_of(PAGE as usize) } else { CHUNK as usize };
        let more = len.saturating_sub(chunks.get(&index).map_or(0, Chunk::len)) as u64;
        self.budget.take(more)?;
        self.charged += more;
        chunks.entry(index).or_default().store(place, range, len);
        Ok(())
    }
}

/// Bytes that chunks of these pages take, if that is no more than there may be.
fn room(runs: &[PageRun], most: u64) -> Option<u64> {
    let within = |bytes: u64| Some(bytes).filter(|&bytes| bytes <= most);
    // Before chunks are counted one by one.
    runs.iter().try_fold(0, |sum: u64, run| within(sum.saturating_add(run.length)))?;
    let mut ends = BTreeMap::new();
    for run in runs {
        for index in run.address / CHUNK..=run.end().saturating_sub(1) / CHUNK {
            // As long as it would be if it had been written.
            ends.insert(index, if index == 0 { run.end().min(CHUNK) } else { CHUNK });
        }
    }
    within(ends.values().sum())
}

/// Gives the pages of a chunk that were written.
fn save_chunk(
    index: u64,
    chunk: &Chunk,
    object: PageObject,
    sink: &mut dyn PageSink,
) -> Result<(), SaveError> {
    let is_written = |at: usize| at < chunk.len() && chunk.written >> (at as u64 / PAGE) & 1 == 1;
    let mut at = 0;
    while at < chunk.len() {
        if !is_written(at) {
            at += PAGE as usize;
            continue;
        }
        let space = sink.space()?;
        let mut end = at;
        while end - at < space.len() && is_written(end) {
            end += PAGE as usize;
        }
        let address = index * CHUNK + at as u64;
        let error = |error| SaveError::Memory { object, at: address, error };
        let bytes = space.get_mut(..end - at).ok_or(Errno::EIO).map_err(error)?;
        chunk.copy(at, bytes).map_err(error)?;
        sink.fill(object, address, end - at)?;
        at = end;
    }
    Ok(())
}
