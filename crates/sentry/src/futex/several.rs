//! Waiting on several words at once (`Documentation/userspace-api/futex2.rst`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use stockade_abi::Errno;

use super::{Entry, FutexTable, key_of};
use crate::mm::MemoryManager;
use crate::task::Task;
use crate::wait::block_on;

/// A word and the value it must have.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Where it is.
    pub addr: u64,
    /// What it must be.
    pub value: u32,
    /// Whether only this address space waits on it.
    pub private: bool,
}

impl FutexTable {
    /// futex_waitv(2): returns which of the words somebody woke.
    ///
    /// # Errors
    /// EAGAIN if a word has another value, EINTR kinds, ETIMEDOUT, EINVAL, EFAULT.
    pub fn wait_several(
        &self,
        task: &Task,
        mm: &MemoryManager,
        words: &[Wanted],
        deadline: Option<Instant>,
    ) -> Result<usize, Errno> {
        let mut entries = Vec::with_capacity(words.len());
        for word in words {
            entries.push(Entry::new(task, key_of(mm, word.addr, word.private)?, u32::MAX, None));
        }
        task.waiter.bind_current();
        let woken = || entries.iter().position(|e| e.woken.load(Ordering::Acquire));
        let mut entered = 0;
        let result = loop {
            let Some(word) = words.get(entered) else {
                break block_on(
                    &task.waiter,
                    deadline,
                    || task.is_interrupted(),
                    || woken().map(|_| ()).ok_or(Errno::EAGAIN),
                );
            };
            match self.enter(mm, word.addr, word.value, &entries[entered]) {
                Ok(()) => entered += 1,
                Err(e) => break Err(e),
            }
        };
        entries[..entered].iter().for_each(|e: &Arc<Entry>| {
            self.remove(e);
        });
        // Woken at the last moment counts as woken: the waker has counted it.
        match woken() {
            Some(index) => Ok(index),
            None => result.map(|()| 0),
        }
    }
}
