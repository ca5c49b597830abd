//! Chunks on their way to the file: as many threads as there are processors hash and compress them side by side, and write
//! them one after the other. Whoever fills chunks is one of these threads: it lends a hand when it would have to wait, with
//! the chunk that comes next, so that nobody waits who could work.

use super::out::Out;
use crate::tree::Leaf;
use crate::{Compression, Error};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

/// The level that zstd(1) has by default.
const LEVEL: i32 = 3;

/// Chunks that are filled or wait, beside one for each helper.
const AHEAD: usize = 4;

/// How long something is looked for before it is slept for: hashing a chunk takes about as long, and waking up on another
/// processor costs a fifth of that here.
const SPIN: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    chunk: usize,
    workers: Vec<JoinHandle<()>>,
    press: Press,
    /// Chunks sent so far.
    sent: u64,
    /// Buffers made so far.
    buffers: usize,
}

#[derive(Debug)]
struct Shared {
    out: Out,
    state: Mutex<State>,
    /// Work has come, or there will be none.
    work: Condvar,
    /// It is another chunk's turn to be written, and a buffer is free; or nothing more will be written.
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
    pub(super) fn new(out: Out, chunk: usize, compression: Compression) -> Self {
        let shared = Shared { out, state: Mutex::default(), work: Condvar::new(), turned: Condvar::new() };
        let press = Press { compression, compressor: None, packed: Vec::new() };
        Self { shared: Arc::new(shared), chunk, workers: Vec::new(), press, sent: 0, buffers: 0 }
    }

    /// Bytes of a chunk.
    pub(super) fn chunk(&self) -> usize {
        self.chunk
    }

    /// A buffer for a chunk, of a chunk's length.
    pub(super) fn buffer(&mut self) -> Result<Vec<u8>, Error> {
        if self.buffers == 0 {
            self.start();
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
            if self.buffers < self.workers.len() + AHEAD {
                self.buffers += 1;
                return Ok(vec![0; self.chunk]);
            }
            if let Some((number, chunk)) = state.queue.pop_front() {
                drop(state);
                self.shared.put(&mut self.press, number, chunk);
                state = self.shared.state.lock();
            } else {
                drop(state);
                state = self.shared.wait(&self.shared.turned, |state| !state.free.is_empty());
            }
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
    pub(super) fn finish(mut self) -> Result<(Out, Vec<Leaf>), Error> {
        self.shared.state.lock().is_closed = true;
        self.shared.serve(&mut self.press);
        self.close();
        let mut state = self.shared.state.lock();
        if state.has_failed {
            return Err(failed(&mut state));
        }
        let leaves = std::mem::take(&mut state.leaves);
        drop(state);
        Ok((self.shared.out.try_clone()?, leaves))
    }

    fn close(&mut self) {
        self.shared.state.lock().is_closed = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // A panic has been noted as a failure.
            drop(worker.join());
        }
    }

    /// The others that help. Beyond a few, writing is what they would wait for, unless they compress.
    fn start(&mut self) {
        let most = if self.press.compression == Compression::None { 2 } else { 15 };
        let processors = available_parallelism().map_or(1, usize::from);
        for _ in 0..(processors - 1).min(most) {
            let (shared, compression) = (Arc::clone(&self.shared), self.press.compression);
            let serve = move || {
                let _guard = FailIfPanicking(&shared);
                shared.serve(&mut Press { compression, compressor: None, packed: Vec::new() });
            };
            // Without them, it takes longer.
            let Ok(worker) = Builder::new().name("image".to_owned()).spawn(serve) else { break };
            self.workers.push(worker);
        }
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

/// Makes of chunks what will stand in the file.
struct Press {
    compression: Compression,
    /// Made for the first chunk.
    compressor: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Press {
    /// Compressed, unless that is not wanted, or would not be shorter.
    fn pack<'a>(&'a mut self, chunk: &'a [u8]) -> io::Result<&'a [u8]> {
        let compressor = match (self.compression, &mut self.compressor) {
            (Compression::None, _) => return Ok(chunk),
            (Compression::Zstd, Some(compressor)) => compressor,
            (Compression::Zstd, none) => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        self.packed.resize(zstd::zstd_safe::compress_bound(chunk.len()), 0);
        let n = compressor.compress_to_buffer(chunk, self.packed.as_mut_slice())?;
        Ok(self.packed.get(..n).filter(|packed| packed.len() < chunk.len()).unwrap_or(chunk))
    }
}

impl fmt::Debug for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compression.fmt(f)
    }
}

impl Shared {
    /// Does what there is to do until nothing more comes.
    fn serve(&self, press: &mut Press) {
        while let Some((number, chunk)) = self.take() {
            self.put(press, number, chunk);
        }
    }

    /// Hashes a chunk, and writes it when all before it are written.
    fn put(&self, press: &mut Press, number: u64, chunk: Vec<u8>) {
        match self.try_put(press, number, &chunk) {
            Ok(leaf) => {
                let mut state = self.state.lock();
                state.leaves.extend(leaf);
                state.free.push(chunk);
                self.turned.notify_all();
            }
            Err(e) => self.fail(e),
        }
    }

    /// `None` if nothing more is written.
    fn try_put(&self, press: &mut Press, number: u64, chunk: &[u8]) -> io::Result<Option<Leaf>> {
        let stored = press.pack(chunk)?;
        let leaf = Leaf::of(stored);
        if !self.await_turn(number) {
            return Ok(None);
        }
        self.out.write_all(stored)?;
        Ok(Some(leaf))
    }

    fn take(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.wait(&self.work, |state| !state.queue.is_empty() || state.is_closed);
        if state.has_failed { None } else { state.queue.pop_front() }
    }

    /// Waits until all chunks before this one are written; false if they won't be.
    fn await_turn(&self, number: u64) -> bool {
        !self.wait(&self.turned, |state| state.leaves.len() as u64 >= number).has_failed
    }

    /// Waits until something is so, or nothing more will be written.
    fn wait(&self, told: &Condvar, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let end = Instant::now() + SPIN;
        let mut state = self.state.lock();
        while !state.has_failed && !is_so(&state) {
            if Instant::now() < end {
                MutexGuard::unlocked(&mut state, || (0..100).for_each(|_| std::hint::spin_loop()));
            } else {
                told.wait(&mut state);
            }
        }
        state
    }

    fn fail(&self, e: io::Error) {
        let mut state = self.state.lock();
        state.has_failed = true;
        state.error.get_or_insert(e);
        self.work.notify_all();
        self.turned.notify_all();
    }
}
