//! Waiting on guest words (futex(2)).

mod pi;
mod robust;
mod several;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::AtomicOp;
use stockade_platform::sync::{Mutex, MutexGuard};

use crate::mm::{MemoryManager, ObjectId};
use crate::task::Task;
use crate::wait::{Waiter, block_on};

pub use pi::{Held, PiWait};
pub use robust::exit_robust_list;
pub use several::Wanted;

/// What a word is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// In one address space, by FUTEX_PRIVATE_FLAG.
    Private(u64, u64),
    /// In one address space, although it was not said: those who say it do not meet those who do not.
    Unshared(u64, u64),
    /// In an object that several may have mapped.
    Shared(ObjectId, u64),
}

struct Entry {
    waiter: Arc<Waiter>,
    bitset: u32,
    woken: AtomicBool,
    key: Mutex<Key>,
    /// The mutex that it wants when it is woken (FUTEX_WAIT_REQUEUE_PI).
    then: Option<Key>,
}

impl Entry {
    fn new(task: &Task, key: Key, bitset: u32, then: Option<Key>) -> Arc<Self> {
        let waiter = Arc::clone(&task.waiter);
        Arc::new(Self { waiter, bitset, woken: AtomicBool::new(false), key: Mutex::new(key), then })
    }
}

/// Those of some keys who wait: for a wake, and for a mutex that is handed over.
#[derive(Default)]
struct Bucket {
    waiting: HashMap<Key, Vec<Arc<Entry>>>,
    mutexes: HashMap<Key, pi::Queue>,
}

const BUCKETS: usize = 64;

/// All who wait on words.
pub struct FutexTable {
    buckets: [Mutex<Bucket>; BUCKETS],
    hasher: RandomState,
}

impl Default for FutexTable {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

/// The key of a word.
///
/// # Errors
/// EINVAL if it is not aligned, EFAULT outside of the guest's addresses.
pub fn key_of(mm: &MemoryManager, addr: u64, private: bool) -> Result<Key, Errno> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if addr >= mm.layout().usable.end {
        return Err(Errno::EFAULT);
    }
    if private {
        return Ok(Key::Private(mm.id(), addr));
    }
    Ok(match mm.shared_object(addr)? {
        Some((object, offset)) => Key::Shared(object.object_id(), offset),
        None => Key::Unshared(mm.id(), addr),
    })
}

impl FutexTable {
    fn index(&self, key: &Key) -> usize {
        self.hasher.hash_one(key) as usize % BUCKETS
    }

    fn bucket(&self, key: &Key) -> MutexGuard<'_, Bucket> {
        self.buckets[self.index(key)].lock()
    }

    /// FUTEX_WAIT, FUTEX_WAIT_BITSET.
    ///
    /// # Errors
    /// EAGAIN if the word has another value, EINTR kinds, ETIMEDOUT, EINVAL, EFAULT.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    pub fn wait(
        &self,
        task: &Task,
        mm: &MemoryManager,
        addr: u64,
        private: bool,
        value: u32,
        bitset: u32,
        deadline: Option<Instant>,
    ) -> Result<(), Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let key = key_of(mm, addr, private)?;
        let entry = Entry::new(task, key, bitset, None);
        self.wait_as(task, mm, addr, value, &entry, deadline)
    }

    fn wait_as(
        &self,
        task: &Task,
        mm: &MemoryManager,
        addr: u64,
        value: u32,
        entry: &Arc<Entry>,
        deadline: Option<Instant>,
    ) -> Result<(), Errno> {
        task.waiter.bind_current();
        self.enter(mm, addr, value, entry)?;
        let result = block_on(
            &task.waiter,
            deadline,
            || task.is_interrupted(),
            || if entry.woken.load(Ordering::Acquire) { Ok(()) } else { Err(Errno::EAGAIN) },
        );
        match result {
            Ok(()) => Ok(()),
            // Woken at the last moment counts as woken: the waker has counted it.
            Err(_) if !self.remove(entry) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Waits from now on, if the word has the value.
    fn enter(&self, mm: &MemoryManager, addr: u64, value: u32, entry: &Arc<Entry>) -> Result<(), Errno> {
        // Under the lock, so that a waker that changed the word afterwards finds the entry.
        let key = *entry.key.lock();
        let mut bucket = self.bucket(&key);
        if mm.space().load_u32(addr)? != value {
            return Err(Errno::EAGAIN);
        }
        bucket.waiting.entry(key).or_default().push(Arc::clone(entry));
        Ok(())
    }

    /// Takes an entry out; false if a waker did.
    fn remove(&self, entry: &Arc<Entry>) -> bool {
        loop {
            let key = *entry.key.lock();
            let mut bucket = self.bucket(&key);
            if *entry.key.lock() != key {
                continue;
            }
            if entry.woken.load(Ordering::Acquire) {
                return false;
            }
            if let Some(list) = bucket.waiting.get_mut(&key) {
                list.retain(|e| !Arc::ptr_eq(e, entry));
                if list.is_empty() {
                    bucket.waiting.remove(&key);
                }
            }
            return true;
        }
    }

    /// FUTEX_WAKE, FUTEX_WAKE_BITSET: returns how many were woken.
    ///
    /// # Errors
    /// EINVAL, EFAULT.
    pub fn wake(
        &self,
        mm: &MemoryManager,
        addr: u64,
        count: u32,
        bitset: u32,
        private: bool,
    ) -> Result<u64, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let key = key_of(mm, addr, private)?;
        let mut bucket = self.bucket(&key);
        // Those who wait for a mutex are not woken, they get it.
        if bucket.mutexes.contains_key(&key) {
            return Err(Errno::EINVAL);
        }
        Ok(wake_in(&mut bucket, &key, count, bitset))
    }

    /// FUTEX_REQUEUE, FUTEX_CMP_REQUEUE: wakes some, and has others wait elsewhere; returns how many of either.
    ///
    /// # Errors
    /// EAGAIN if the word has another value, EINVAL, EFAULT.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    pub fn requeue(
        &self,
        mm: &MemoryManager,
        addr: u64,
        wake: u32,
        requeue: u32,
        to: u64,
        expected: Option<u32>,
        private: bool,
    ) -> Result<u64, Errno> {
        let from_key = key_of(mm, addr, private)?;
        let to_key = key_of(mm, to, private)?;
        let (mut from, mut into) = self.two(&from_key, &to_key);
        if let Some(expected) = expected
            && mm.space().load_u32(addr)? != expected
        {
            return Err(Errno::EAGAIN);
        }
        let woken = wake_in(&mut from, &from_key, wake, u32::MAX);
        if from_key == to_key {
            let left = from.waiting.get(&from_key).map_or(0, Vec::len) as u64;
            return Ok(woken + left.min(u64::from(requeue)));
        }
        let mut moved = Vec::new();
        if let Some(list) = from.waiting.get_mut(&from_key) {
            let n = list.len().min(requeue as usize);
            moved.extend(list.drain(..n));
            if list.is_empty() {
                from.waiting.remove(&from_key);
            }
        }
        for entry in &moved {
            *entry.key.lock() = to_key;
        }
        let count = moved.len() as u64;
        if count > 0 {
            into.as_mut().unwrap_or(&mut from).waiting.entry(to_key).or_default().extend(moved);
        }
        Ok(woken + count)
    }

    /// FUTEX_WAKE_OP: changes the second word, wakes on the first, and on the second if its old value compares so.
    ///
    /// # Errors
    /// EINVAL, EFAULT, ENOSYS for unknown operations.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    pub fn wake_op(
        &self,
        mm: &MemoryManager,
        addr: u64,
        wake: u32,
        second: u64,
        wake_second: u32,
        op: u32,
        private: bool,
    ) -> Result<u64, Errno> {
        let key = key_of(mm, addr, private)?;
        let second_key = key_of(mm, second, private)?;
        let sign = |v: u32| ((v << 20) as i32 >> 20) as u32;
        let mut arg = sign(op >> 12 & 0xfff);
        if op >> 28 & 8 != 0 {
            arg = 1u32.wrapping_shl(arg & 31);
        }
        let cmp_arg = sign(op & 0xfff) as i32;
        let (mut first, mut other) = self.two(&key, &second_key);
        let change = match op >> 28 & 7 {
            c::FUTEX_OP_SET => AtomicOp::Set(arg),
            c::FUTEX_OP_ADD => AtomicOp::Add(arg),
            c::FUTEX_OP_OR => AtomicOp::Or(arg),
            c::FUTEX_OP_ANDN => AtomicOp::AndNot(arg),
            c::FUTEX_OP_XOR => AtomicOp::Xor(arg),
            _ => return Err(Errno::ENOSYS),
        };
        let old = mm.space().atomic_u32(second, change)? as i32;
        let holds = match op >> 24 & 0xf {
            c::FUTEX_OP_CMP_EQ => old == cmp_arg,
            c::FUTEX_OP_CMP_NE => old != cmp_arg,
            c::FUTEX_OP_CMP_LT => old < cmp_arg,
            c::FUTEX_OP_CMP_LE => old <= cmp_arg,
            c::FUTEX_OP_CMP_GT => old > cmp_arg,
            c::FUTEX_OP_CMP_GE => old >= cmp_arg,
            _ => return Err(Errno::ENOSYS),
        };
        let mut woken = wake_in(&mut first, &key, wake, u32::MAX);
        if holds {
            woken += wake_in(other.as_mut().unwrap_or(&mut first), &second_key, wake_second, u32::MAX);
        }
        Ok(woken)
    }

    /// The buckets of two keys, locked in order; `None` for the second if they are one.
    fn two<'a>(&'a self, a: &Key, b: &Key) -> (MutexGuard<'a, Bucket>, Option<MutexGuard<'a, Bucket>>) {
        let (i, j) = (self.index(a), self.index(b));
        if i == j {
            (self.buckets[i].lock(), None)
        } else if i < j {
            let first = self.buckets[i].lock();
            (first, Some(self.buckets[j].lock()))
        } else {
            let second = self.buckets[j].lock();
            (self.buckets[i].lock(), Some(second))
        }
    }
}

fn wake_in(bucket: &mut Bucket, key: &Key, count: u32, bitset: u32) -> u64 {
    let Some(list) = bucket.waiting.get_mut(key) else { return 0 };
    let mut woken = 0;
    list.retain(|entry| {
        if woken >= u64::from(count) || entry.bitset & bitset == 0 {
            return true;
        }
        woken += 1;
        entry.woken.store(true, Ordering::Release);
        entry.waiter.wake();
        false
    });
    if list.is_empty() {
        bucket.waiting.remove(key);
    }
    woken
}
