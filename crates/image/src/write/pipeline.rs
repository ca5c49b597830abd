//! Chunks on their way to the file: a few threads hash and compress them side by side, and write them one after the other.
//! Whoever fills chunks, hashing and writing(2) so each have a processor, as far as there are processors.

use super::out;
use crate::tree::Leaf;
use crate::{Compression, Error};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};

/// The level that zstd(1) has by default.
const LEVEL: i32 = 3;

#[derive(Debug)]
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    chunk: usize,
    workers: Vec<JoinHandle<()>>,
    compression: Compression,
    /// Chunks sent so far.
    sent: u64,
    /// Buffers made so far.
    buffers: usize,
}

#[derive(Debug)]
struct Shared {
    file: File,
    state: Mutex<State>,
    /// Work has come, or there will be none.
    work: Condvar,
    /// It is another chunk's turn to be written, a buffer is free, or nothing more will be written.
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Chunks by their numbers, in their order.
    queue: VecDeque<(u64, Vec<u8>)>,
    free: Vec<Vec<u8>>,
    /// Of the chunks that have been written.
    leaves: Vec<Leaf>,
    error: Option<io::Error>,
    /// Whether nothing more will be written.
    has_failed: bool,
    is_closed: bool,
}

impl Pipeline {
    pub(super) fn new(file: File, chunk: usize, compression: Compression) -> Self {
        let shared = Shared { file, state: Mutex::default(), work: Condvar::new(), turned: Condvar::new() };
        Self { shared: Arc::new(shared), chunk, workers: Vec::new(), compression, sent: 0, buffers: 0 }
    }

    /// Bytes of a chunk.
    pub(super) fn chunk(&self) -> usize {
        self.chunk
    }

    /// A buffer for a chunk, of a chunk's length; waits for one.
    pub(super) fn buffer(&mut self) -> Result<Vec<u8>, Error> {
        if self.workers.is_empty() {
            self.start()?;
        }
        let mut state = self.shared.state.lock();
        loop {
            if state.has_failed {
                return Err(failed(&mut state));
            }
            if let Some(mut buffer) = state.free.pop() {
                buffer.resize(self.chunk, 0);
                return Ok(buffer);
            }
            // One that is filled, one that waits.
            if self.buffers < self.workers.len() + 2 {
                self.buffers += 1;
                return Ok(vec![0; self.chunk]);
            }
            self.shared.turned.wait(&mut state);
        }
    }

    /// The next chunk.
    pub(super) fn send(&mut self, chunk: Vec<u8>) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        if state.has_failed {
            return Err(failed(&mut state));
        }
        state.queue.push_back((self.sent, chunk));
        self.sent += 1;
        self.shared.work.notify_one();
        Ok(())
    }

    /// Waits until everything is written.
    pub(super) fn finish(mut self) -> Result<(File, Vec<Leaf>), Error> {
        self.close();
        let mut state = self.shared.state.lock();
        if state.has_failed {
            return Err(failed(&mut state));
        }
        let leaves = std::mem::take(&mut state.leaves);
        drop(state);
        Ok((self.shared.file.try_clone()?, leaves))
    }

    fn close(&mut self) {
        self.shared.state.lock().is_closed = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // A panic has been noted as a failure.
            drop(worker.join());
        }
    }

    /// Hashing keeps up with two threads beside the one that fills; compression takes all that there are.
    fn start(&mut self) -> Result<(), Error> {
        let processors = available_parallelism().map_or(1, usize::from);
        let count = match self.compression {
            Compression::None => 2,
            Compression::Zstd => processors.clamp(2, 16),
        };
        for _ in 0..count {
            let (shared, compression) = (Arc::clone(&self.shared), self.compression);
            let worker =
                Builder::new().name("image".to_owned()).spawn(move || Shared::serve(&shared, compression));
            match worker {
                Ok(worker) => self.workers.push(worker),
                // One is enough.
                Err(_) if !self.workers.is_empty() => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.shared.state.lock().has_failed = true;
            self.shared.turned.notify_all();
            self.close();
        }
    }
}

/// The first error, and for those who ask again, that there was one.
fn failed(state: &mut State) -> Error {
    state.error.take().unwrap_or_else(|| io::Error::other("an earlier part could not be written")).into()
}

/// Nobody waits for a thread that is gone.
struct FailIfPanicking<'a>(&'a Shared);

impl Drop for FailIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(io::Error::other("a thread that writes the image panicked"));
        }
    }
}

/// The chunk as it will stand in the file: compressed, unless that would not be shorter.
fn pack<'a>(
    compressor: &mut zstd::bulk::Compressor<'_>,
    chunk: &'a [u8],
    packed: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    packed.resize(zstd::zstd_safe::compress_bound(chunk.len()), 0);
    let n = compressor.compress_to_buffer(chunk, packed.as_mut_slice())?;
    Ok(packed.get(..n).filter(|packed| packed.len() < chunk.len()).unwrap_or(chunk))
}

impl Shared {
    /// What a thread does until nothing more comes.
    fn serve(&self, compression: Compression) {
        let _guard = FailIfPanicking(self);
        let mut compressor = match compression {
            Compression::None => None,
            Compression::Zstd => match zstd::bulk::Compressor::new(LEVEL) {
                Ok(compressor) => Some(compressor),
                Err(e) => return self.fail(e),
            },
        };
        let mut packed = Vec::new();
        while let Some((number, chunk)) = self.take() {
            let stored = match &mut compressor {
                Some(compressor) => match pack(compressor, &chunk, &mut packed) {
                    Ok(stored) => stored,
                    Err(e) => return self.fail(e),
                },
                None => &chunk,
            };
            let leaf = Leaf::of(stored);
            if !self.await_turn(number) {
                break;
            }
            if let Err(e) = out::write_all(&self.file, stored) {
                return self.fail(e);
            }
            let mut state = self.state.lock();
            state.leaves.push(leaf);
            state.free.push(chunk);
            self.turned.notify_all();
        }
    }

    fn take(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.state.lock();
        loop {
            if state.has_failed {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            self.work.wait(&mut state);
        }
    }

    /// Waits until all chunks before this one are written; false if they won't be.
    fn await_turn(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        while !state.has_failed && (state.leaves.len() as u64) < number {
            self.turned.wait(&mut state);
        }
        !state.has_failed
    }

    fn fail(&self, e: io::Error) {
        let mut state = self.state.lock();
        state.has_failed = true;
        state.error.get_or_insert(e);
        self.work.notify_all();
        self.turned.notify_all();
    }
}
