//! The bytes of a regular file.
//!
//! They lie in large chunks on the sentry's heap, with holes where nothing was written, until the file is first mapped:
//! from then on they are a memfd of the host, so that mappings, reads and writes see the same pages.

mod chunk;
mod persist;

use std::collections::BTreeMap;
use std::sync::Arc;
use stockade_abi::misc::PAGE_SIZE as PAGE;
use stockade_platform::host::errno as host;

use rustix::fs::{FallocateFlags, MemfdFlags, SeekFrom, fallocate, ftruncate, memfd_create, seek};
use rustix::io::{pread, pwrite};
use stockade_abi::Errno;

use self::chunk::{Chunk, page_bits};
use super::{Budget, Seals};
use crate::io::{Sink, Source};
use crate::vfs::{HostFd, Seek};

pub(super) use persist::ContentState;

/// Bytes of a chunk.
const CHUNK: u64 = 128 * 1024;
/// The largest file (`MAX_LFS_FILESIZE`).
const MAX_SIZE: u64 = i64::MAX as u64;
/// Bytes moved at once through a buffer.
const BOUNCE: usize = 64 * 1024;

enum Storage {
    Chunks(BTreeMap<u64, Chunk>),
    Memfd(Arc<HostFd>),
}

/// A file's bytes and size.
pub struct Content {
    size: u64,
    storage: Storage,
    budget: Arc<Budget>,
    charged: u64,
    seals: Seals,
}

impl Content {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { size: 0, storage: Storage::Chunks(BTreeMap::new()), budget, charged: 0, seals: Seals::SEAL }
    }

    /// Bytes that the file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that it takes, in units of 512.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match &self.storage {
            Storage::Chunks(chunks) => {
                let pages: u64 =
                    chunks.values().map(|c| u64::from((c.written | c.reserved).count_ones())).sum();
                pages * (PAGE / 512)
            }
            Storage::Memfd(fd) => rustix::fs::fstat(fd).map_or(0, |s| s.st_blocks as u64),
        }
    }

    /// What can no longer be done to it (F_GET_SEALS).
    #[must_use]
    pub fn seals(&self) -> Seals {
        self.seals
    }

    pub(super) fn set_seals(&mut self, seals: Seals) {
        self.seals = seals;
    }

    fn charge(&mut self, to: u64) -> Result<(), Errno> {
        if to > self.charged {
            self.budget.take(to - self.charged)?;
        } else {
            self.budget.give(self.charged - to);
        }
        self.charged = to;
        Ok(())
    }

    /// Reads from an offset.
    pub(super) fn read(&self, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let len = self.size.saturating_sub(offset).min(dst.remaining() as u64) as usize;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let step = match &self.storage {
                Storage::Chunks(chunks) => {
                    let within = (at % CHUNK) as usize;
                    let want = (len - done).min(CHUNK as usize - within);
                    match chunks.get(&(at / CHUNK)) {
                        Some(chunk) if within < chunk.len() => chunk.read(dst, within, want),
                        _ => dst.put_zeros(want),
                    }
                }
                Storage::Memfd(fd) => {
                    let mut buf = vec![0; (len - done).min(BOUNCE)];
                    let n = pread(fd, &mut buf, at).map_err(host)?;
                    if n == 0 {
                        break;
                    }
                    dst.put(&buf[..n])
                }
            };
            match step {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// The part of a chunk that holds `len` bytes from `within` on; small files have small chunks.
    fn chunk_for(&mut self, index: u64, within: usize, len: usize) -> Result<&mut Chunk, Errno> {
        let need = within + len;
        let Storage::Chunks(chunks) = &mut self.storage else { return Err(Errno::EIO) };
        if let Some(chunk) = chunks.get_mut(&index) {
            chunk.load()?;
        }
        let have = chunks.get(&index).map_or(0, Chunk::len);
        if have < need {
            // Doubling keeps appending cheap; whole pages keep the count honest.
            let grown = if index == 0 {
                need.max(have * 2).next_multiple_of(4096).min(CHUNK as usize)
            } else {
                CHUNK as usize
            };
            let extra = (grown - have) as u64;
            self.budget.take(extra)?;
            self.charged += extra;
            let mut bytes = vec![0; grown].into_boxed_slice();
            let chunk = chunks.entry(index).or_default();
            bytes[..have].copy_from_slice(&chunk.bytes);
            chunk.bytes = bytes;
        }
        chunks.get_mut(&index).ok_or(Errno::EIO)
    }

    /// Writes at an offset.
    pub(super) fn write(&mut self, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        if offset >= MAX_SIZE && src.remaining() > 0 {
            return Err(Errno::EFBIG);
        }
        let len = src.remaining().min(usize::try_from(MAX_SIZE - offset).unwrap_or(usize::MAX));
        let len = self.seals.writable_len(self.size, offset, len)?;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let step = if matches!(self.storage, Storage::Chunks(_)) {
                let within = (at % CHUNK) as usize;
                let want = (len - done).min(CHUNK as usize - within);
                match self.chunk_for(at / CHUNK, within, want) {
                    Ok(chunk) => {
                        let taken = src.take(&mut chunk.bytes[within..within + want]);
                        chunk.written |= page_bits(within, within + taken.unwrap_or(0));
                        taken
                    }
                    Err(e) => Err(e),
                }
            } else {
                self.write_memfd(src, at, (len - done).min(BOUNCE))
            };
            match step {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
            self.size = self.size.max(offset + done as u64);
        }
        Ok(done)
    }

    fn write_memfd(&mut self, src: &mut dyn Source, at: u64, want: usize) -> Result<usize, Errno> {
        let mut buf = vec![0; want];
        let n = src.take(&mut buf)?;
        let end = (at + n as u64).next_multiple_of(4096);
        if end > self.charged {
            self.charge(end)?;
        }
        let Storage::Memfd(fd) = &self.storage else { return Err(Errno::EIO) };
        pwrite(fd, &buf[..n], at).map_err(host)
    }

    /// Changes the size; what comes back after a cut is zero.
    pub(super) fn resize(&mut self, size: u64) -> Result<(), Errno> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        self.seals.check_resize(self.size, size)?;
        if size < self.size {
            self.zero(size, self.size - size)?;
        }
        if let Storage::Memfd(fd) = &self.storage {
            ftruncate(fd, size).map_err(host)?;
            if size < self.size {
                self.charge(self.charged.min(size.next_multiple_of(4096)))?;
            }
        }
        self.size = size;
        Ok(())
    }

    /// Makes a range read as zeros, giving back what it took where possible.
    pub(super) fn zero(&mut self, offset: u64, len: u64) -> Result<(), Errno> {
        let end = offset.saturating_add(len);
        match &mut self.storage {
            Storage::Memfd(fd) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                if len > 0 {
                    fallocate(fd, flags, offset, len).map_err(host)?;
                }
            }
            Storage::Chunks(chunks) => {
                let touched: Vec<u64> =
                    chunks.range(offset / CHUNK..end.div_ceil(CHUNK)).map(|(&i, _)| i).collect();
                for index in touched {
                    let base = index * CHUNK;
                    if offset <= base && base + CHUNK <= end {
                        let gone = chunks.remove(&index).map_or(0, |c| c.len()) as u64;
                        self.budget.give(gone);
                        self.charged -= gone;
                    } else if let Some(chunk) = chunks.get_mut(&index) {
                        chunk.load()?;
                        let have = chunk.bytes.len() as u64;
                        let from = offset.saturating_sub(base).min(have) as usize;
                        let to = (end - base).min(have) as usize;
                        chunk.bytes[from..to].fill(0);
                        // Only whole pages become holes; the last one may end with the file.
                        let last = if end >= self.size {
                            CHUNK as usize
                        } else {
                            to / PAGE as usize * PAGE as usize
                        };
                        let gone = page_bits(from.next_multiple_of(PAGE as usize), last);
                        chunk.written &= !gone;
                        chunk.reserved &= !gone;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets memory aside for a range (fallocate(2)).
    pub(super) fn reserve(&mut self, offset: u64, len: u64, keep_size: bool) -> Result<(), Errno> {
        let end = offset.checked_add(len).filter(|&e| e <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        self.seals.check_resize(self.size, end.max(self.size))?;
        if len > self.budget.free() && len > self.charged {
            return Err(self.budget.full());
        }
        if let Storage::Memfd(fd) = &self.storage {
            fallocate(fd, FallocateFlags::KEEP_SIZE, offset, len).map_err(host)?;
        } else {
            let mut at = offset;
            while at < end {
                let within = at % CHUNK;
                let part = (CHUNK - within).min(end - at);
                let chunk = self.chunk_for(at / CHUNK, within as usize, part as usize)?;
                chunk.reserved |= page_bits(within as usize, (within + part) as usize);
                at += part;
            }
        }
        if !keep_size && end > self.size {
            self.resize(end)?;
        }
        Ok(())
    }

    /// The next data or hole (lseek(2)).
    pub(super) fn seek(&self, whence: Seek, offset: u64) -> Result<u64, Errno> {
        if offset >= self.size {
            return Err(Errno::ENXIO);
        }
        match &self.storage {
            Storage::Memfd(fd) => {
                let from = if whence == Seek::Data { SeekFrom::Data(offset) } else { SeekFrom::Hole(offset) };
                seek(fd, from).map_err(host)
            }
            Storage::Chunks(chunks) => {
                let mut at = offset;
                loop {
                    if at >= self.size {
                        return if whence == Seek::Data { Err(Errno::ENXIO) } else { Ok(self.size) };
                    }
                    let written = chunks.get(&(at / CHUNK)).map_or(0, |c| c.written);
                    let is_data = written >> (at % CHUNK / PAGE) & 1 == 1;
                    if is_data == (whence == Seek::Data) {
                        return Ok(at);
                    }
                    at = match written {
                        // The next chunk that there is: files can be much larger than what they hold.
                        0 => chunks
                            .range(at / CHUNK + 1..)
                            .next()
                            .map_or(self.size, |(&index, _)| index * CHUNK),
                        _ => (at / PAGE + 1) * PAGE,
                    };
                }
            }
        }
    }

    /// The memfd that holds the bytes from now on.
    pub(super) fn memfd(&mut self) -> Result<Arc<HostFd>, Errno> {
        let chunks = match &mut self.storage {
            Storage::Memfd(fd) => return Ok(Arc::clone(fd)),
            Storage::Chunks(chunks) => chunks,
        };
        let fd = memfd_create(c"stockade-file", MemfdFlags::CLOEXEC).map_err(host)?;
        ftruncate(&fd, self.size).map_err(host)?;
        for (index, chunk) in chunks {
            chunk.load()?;
            let base = index * CHUNK;
            let len = (chunk.bytes.len() as u64).min(self.size.saturating_sub(base)) as usize;
            let mut done = 0;
            while done < len {
                let page = (done + 1).next_multiple_of(PAGE as usize).min(len);
                if chunk.written & page_bits(done, page) == 0 {
                    done = page;
                    continue;
                }
                // As many pages as follow each other.
                let mut end = page;
                while end < len && chunk.written & page_bits(end, end + 1) != 0 {
                    end = (end + PAGE as usize).min(len);
                }
                while done < end {
                    done += pwrite(&fd, &chunk.bytes[done..end], base + done as u64).map_err(host)?;
                }
            }
        }
        let fd = HostFd::new(fd)?;
        self.storage = Storage::Memfd(Arc::clone(&fd));
        Ok(fd)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.budget.give(self.charged);
    }
}
