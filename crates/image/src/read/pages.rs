//! What is done with all page data, on all processors.

use super::chunks::Chunks;
use crate::{Compression, Error, Image};
use parking_lot::Mutex;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};

impl Image {
    /// Reads all page data and checks it. `progress` is told now and then how many bytes of the file were checked since
    /// it was told before, by any thread.
    ///
    /// # Errors
    /// [`Error::Chunk`] names a chunk that is not what was written.
    pub fn check_pages(&self, progress: impl Fn(u64) + Sync) -> Result<(), Error> {
        let chunks = self.chunks()?;
        on_all(&chunks, || {
            let (chunks, progress, mut buffer) = (&chunks, &progress, Vec::new());
            move |n| {
                progress(chunks.check(n, &mut buffer)?);
                Ok(())
            }
        })
    }

    /// Writes all page data to a file as it was before it was compressed, checked on the way; a memfd, say, from which
    /// memory can then be mapped: offsets in it are those in page data. `progress` as for [`Image::check_pages`].
    ///
    /// # Errors
    /// [`Error::Chunk`] names a chunk that is not what was written; the host's, when it cannot be written there.
    pub fn unpack(&self, to: &File, progress: impl Fn(u64) + Sync) -> Result<(), Error> {
        let chunks = self.chunks()?;
        rustix::fs::ftruncate(to, self.data())?;
        let chunk_size = self.header().chunk_size;
        on_all(&chunks, || {
            let (chunks, progress) = (&chunks, &progress);
            let (mut buffer, mut data) = (Vec::new(), Vec::new());
            let is_packed = self.header().compression == Compression::Zstd;
            move |n| {
                let stored = chunks.stored(n, &mut buffer)?;
                let length = chunks.data_length(n);
                let pages = if is_packed && stored.len() < length {
                    data.resize(length, 0);
                    let size = zstd::bulk::decompress_to_buffer(stored, data.as_mut_slice());
                    if size.ok() != Some(length) {
                        return Err(chunks.damaged(n));
                    }
                    &*data
                } else {
                    stored
                };
                to.write_all_at(pages, n * u64::from(chunk_size))?;
                progress(stored.len() as u64);
                Ok(())
            }
        })
    }
}

/// Beyond it, memory is what they wait for.
const MOST_THREADS: usize = 32;

/// Does something with each chunk, on all processors; the first error ends it.
fn on_all<'scope, F, W>(chunks: &Chunks<'_>, worker: F) -> Result<(), Error>
where
    F: Fn() -> W,
    W: FnMut(u64) -> Result<(), Error> + Send + 'scope,
{
    let (next, has_failed, error) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    let serve = |mut work: W| {
        while !has_failed.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= chunks.count() {
                break;
            }
            if let Err(e) = work(n) {
                has_failed.store(true, Ordering::Relaxed);
                error.lock().get_or_insert(e);
            }
        }
    };
    let processors = available_parallelism().map_or(1, usize::from).min(MOST_THREADS) as u64;
    scope(|scope| {
        let mut others = Vec::new();
        for _ in 1..processors.min(chunks.count()) {
            let work = worker();
            let serve = &serve;
            // Fewer threads will do.
            let spawned =
                std::thread::Builder::new().name("image".to_owned()).spawn_scoped(scope, move || serve(work));
            match spawned {
                Ok(other) => others.push(other),
                Err(_) => break,
            }
        }
        serve(worker());
        // Joined, they are gone as threads: the process may be forked then.
        others.into_iter().for_each(|other| drop(other.join()));
    });
    error.into_inner().map_or(Ok(()), Err)
}
