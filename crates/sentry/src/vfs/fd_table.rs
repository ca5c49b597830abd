//! FD tables: small numbers for open file descriptions.

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::RwLock;

use super::file::File;
use super::lock::release_posix;
use super::quota::OPEN_FILES;
use crate::persist::Counter;

pub use persist::FdTableState;

/// A file descriptor number, as a guest gives it.
pub type Fd = i32;

#[derive(Clone)]
struct Slot {
    file: Arc<File>,
    cloexec: bool,
}

#[derive(Clone, Default)]
struct Slots {
    slots: Vec<Option<Slot>>,
    /// No number below is free.
    lowest_free: usize,
    used: usize,
}

/// The descriptors of a process, shared by CLONE_FILES.
pub struct FdTable {
    slots: RwLock<Slots>,
    id: u64,
}

static IDS: Counter = Counter::from(1);

/// More descriptors than this nobody gets, whatever the limit (`fs.nr_open`).
pub const NR_OPEN: u64 = 1 << 20;

fn index(fd: Fd) -> Result<usize, Errno> {
    usize::try_from(fd).map_err(|_| Errno::EBADF)
}

impl Slots {
    fn free_from(&self, from: usize) -> usize {
        let from = from.max(self.lowest_free);
        (from..self.slots.len())
            .find(|&i| self.slots[i].is_none())
            .unwrap_or_else(|| self.slots.len().max(from))
    }

    fn put(&mut self, at: usize, slot: Slot) -> Option<Slot> {
        if at >= self.slots.len() {
            self.slots.resize(at + 1, None);
        }
        let old = self.slots[at].replace(slot);
        if old.is_none() {
            self.used += 1;
            if at == self.lowest_free {
                self.lowest_free = self.free_from(at + 1);
            }
        }
        old
    }

    fn take(&mut self, at: usize) -> Option<Slot> {
        let old = self.slots.get_mut(at)?.take()?;
        self.used -= 1;
        self.lowest_free = self.lowest_free.min(at);
        Some(old)
    }
}

impl Default for FdTable {
    fn default() -> Self {
        Self::with(Slots::default())
    }
}

impl FdTable {
    fn with(slots: Slots) -> Self {
        Self { slots: RwLock::new(slots), id: IDS.take() }
    }

    /// A number that no other table has had, for locks.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The description behind a descriptor.
    ///
    /// # Errors
    /// EBADF
    pub fn get(&self, fd: Fd) -> Result<Arc<File>, Errno> {
        let at = index(fd)?;
        let table = self.slots.read();
        table.slots.get(at).and_then(Option::as_ref).map(|s| Arc::clone(&s.file)).ok_or(Errno::EBADF)
    }

    /// As [`get`](Self::get), but what was opened with O_PATH is no file to read, write or poll.
    ///
    /// # Errors
    /// EBADF
    pub fn get_open(&self, fd: Fd) -> Result<Arc<File>, Errno> {
        let file = self.get(fd)?;
        if file.is_path_only() { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// The lowest free descriptor from `from` on, below `limit` (RLIMIT_NOFILE).
    ///
    /// # Errors
    /// EMFILE; ENFILE if the sandbox has too many open files.
    pub fn add_from(&self, from: Fd, file: Arc<File>, cloexec: bool, limit: u64) -> Result<Fd, Errno> {
        let from = index(from).map_err(|_| Errno::EINVAL)?;
        // What only the caller has is new: descriptors of what is open already are only the table's to bound.
        if Arc::strong_count(&file) == 1 {
            OPEN_FILES.check()?;
        }
        let mut table = self.slots.write();
        let at = table.free_from(from);
        if at as u64 >= limit.min(NR_OPEN) {
            return Err(Errno::EMFILE);
        }
        table.put(at, Slot { file, cloexec });
        Ok(at as Fd)
    }

    /// The lowest free descriptor.
    ///
    /// # Errors
    /// EMFILE
    pub fn add(&self, file: Arc<File>, cloexec: bool, limit: u64) -> Result<Fd, Errno> {
        self.add_from(0, file, cloexec, limit)
    }

    /// Makes `fd` a descriptor of `file` (dup2(2)); returns what it was before, for the caller to close.
    ///
    /// # Errors
    /// EBADF beyond the limit.
    pub fn replace(
        &self,
        fd: Fd,
        file: Arc<File>,
        cloexec: bool,
        limit: u64,
    ) -> Result<Option<Arc<File>>, Errno> {
        let at = index(fd)?;
        if at as u64 >= limit.min(NR_OPEN) {
            return Err(Errno::EBADF);
        }
        Ok(self.slots.write().put(at, Slot { file, cloexec }).map(|s| s.file))
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// EBADF
    pub fn remove(&self, fd: Fd) -> Result<Arc<File>, Errno> {
        let at = index(fd)?;
        self.slots.write().take(at).map(|s| s.file).ok_or(Errno::EBADF)
    }

    /// Takes a range of descriptors out (close_range(2)).
    pub fn remove_range(&self, first: u32, last: u32) -> Vec<Arc<File>> {
        let mut table = self.slots.write();
        let end = (last as usize).saturating_add(1).min(table.slots.len());
        (first as usize..end).filter_map(|at| table.take(at)).map(|s| s.file).collect()
    }

    /// Sets FD_CLOEXEC for a range of descriptors (CLOSE_RANGE_CLOEXEC).
    pub fn set_cloexec_range(&self, first: u32, last: u32) {
        let mut table = self.slots.write();
        let end = (last as usize).saturating_add(1).min(table.slots.len());
        for slot in table.slots.get_mut(first as usize..end).into_iter().flatten().flatten() {
            slot.cloexec = true;
        }
    }

    /// FD_CLOEXEC
    ///
    /// # Errors
    /// EBADF
    pub fn cloexec(&self, fd: Fd) -> Result<bool, Errno> {
        let at = index(fd)?;
        self.slots.read().slots.get(at).and_then(Option::as_ref).map(|s| s.cloexec).ok_or(Errno::EBADF)
    }

    /// Sets FD_CLOEXEC.
    ///
    /// # Errors
    /// EBADF
    pub fn set_cloexec(&self, fd: Fd, cloexec: bool) -> Result<(), Errno> {
        let at = index(fd)?;
        let mut table = self.slots.write();
        let slot = table.slots.get_mut(at).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.cloexec = cloexec;
        Ok(())
    }

    /// Takes out what execve(2) closes.
    pub fn take_cloexec(&self) -> Vec<Arc<File>> {
        let mut table = self.slots.write();
        let which: Vec<usize> = table
            .slots
            .iter()
            .enumerate()
            .filter_map(|(i, s)| s.as_ref().is_some_and(|s| s.cloexec).then_some(i))
            .collect();
        which.into_iter().filter_map(|at| table.take(at)).map(|s| s.file).collect()
    }

    /// Takes everything out.
    pub fn take_all(&self) -> Vec<Arc<File>> {
        self.remove_range(0, u32::MAX)
    }

    /// A copy for clone(2) without CLONE_FILES.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::with(self.slots.read().clone())
    }

    /// All descriptors in use, in order.
    #[must_use]
    pub fn list(&self) -> Vec<Fd> {
        let table = self.slots.read();
        table.slots.iter().enumerate().filter_map(|(i, s)| s.is_some().then_some(i as Fd)).collect()
    }

    /// How many descriptors there is room for (`FDSize`).
    #[must_use]
    pub fn size(&self) -> usize {
        self.slots.read().slots.len().next_multiple_of(64)
    }
}

impl Drop for FdTable {
    /// What it still has nobody closed: the locks of its process end all the same.
    fn drop(&mut self) {
        for file in self.take_all() {
            release_posix(&file, self);
        }
    }
}
