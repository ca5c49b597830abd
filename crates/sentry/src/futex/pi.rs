//! Mutexes that the kernel hands over (futex(2), "Priority-inheritance futexes").
//!
//! The word holds the owner's thread id. Who finds it taken waits here, and gets it from the one before: the owner when
//! it unlocks, or its end. Priorities are recorded in this kernel and do not decide who runs, so none is passed on; the
//! order is that of coming.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::AtomicOp;
use stockade_platform::sync::Mutex;

use super::{Bucket, Entry, FutexTable, Key, key_of, wake_in};
use crate::mm::MemoryManager;
use crate::task::Task;
use crate::wait::{Waiter, block_on};

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub enum PiWait {
    /// Not at all (FUTEX_TRYLOCK_PI).
    Try,
    /// Until a time, or forever.
    Until(Option<Instant>),
}

/// The mutexes of a task that others wait for, and the one that it waits for itself.
#[derive(Default)]
pub struct Held {
    keys: Mutex<Vec<Key>>,
    waits: Mutex<Option<Arc<PiEntry>>>,
}

/// How many owners are followed from one to the next (`/proc/sys/kernel/max_lock_depth`).
const MAX_DEPTH: usize = 1024;

const WAITS: u32 = 0;
/// The mutex is its own.
const OWNS: u32 = 1;
/// The owner has ended: it looks again.
const AGAIN: u32 = 2;

struct PiEntry {
    waiter: Arc<Waiter>,
    /// Who has the mutex.
    holder: Mutex<Weak<Task>>,
    /// Its number, as the word has it.
    tid: u32,
    task: Weak<Task>,
    state: AtomicU32,
}

/// Those who wait for a mutex.
pub(super) struct Queue {
    owner: Weak<Task>,
    waiters: VecDeque<Arc<PiEntry>>,
}

fn owner_of(value: u32) -> u32 {
    value & c::FUTEX_TID_MASK
}

/// Changes a word that has `old`; false if it has not.
fn change(mm: &MemoryManager, addr: u64, old: u32, new: u32) -> Result<bool, Errno> {
    Ok(mm.space().atomic_u32(addr, AtomicOp::CompareExchange(old, new))? == old)
}

/// What came of an attempt.
enum Attempt {
    Locked,
    Waits(Arc<PiEntry>),
}

impl FutexTable {
    /// FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI.
    ///
    /// # Errors
    /// EDEADLK if it is the caller's, or its owner waits for a mutex of the caller's; ESRCH if the owner does not exist, EAGAIN if it is taken and the caller does not
    /// wait, ETIMEDOUT, ERESTARTNOINTR, EINVAL, EFAULT.
    pub fn lock_pi(
        &self,
        task: &Arc<Task>,
        mm: &MemoryManager,
        addr: u64,
        private: bool,
        how: PiWait,
    ) -> Result<(), Errno> {
        let key = key_of(mm, addr, private)?;
        task.waiter.bind_current();
        let mut dead = 0;
        loop {
            let attempt = self
                .attempt(task, mm, addr, &key, dead, matches!(how, PiWait::Until(_)))
                .inspect_err(|_| {
                    if dead != 0 {
                        self.pass_on(&key);
                    }
                })?;
            let (Attempt::Waits(entry), PiWait::Until(deadline)) = (attempt, how) else { return Ok(()) };
            let _waiting = Waiting(task);
            let result = block_on(
                &task.waiter,
                deadline,
                || task.is_interrupted(),
                || match entry.state.load(Ordering::Acquire) {
                    WAITS => Err(Errno::EAGAIN),
                    state => Ok(state),
                },
            );
            match result {
                Ok(OWNS) => return Ok(()),
                Ok(_) => dead = owner_of(mm.space().load_u32(addr)?),
                Err(e) => match self.leave(&key, &entry) {
                    OWNS => return Ok(()),
                    // The others rely on this one to look.
                    AGAIN => dead = owner_of(mm.space().load_u32(addr)?),
                    _ => return Err(if e == Errno::ERESTARTSYS { Errno::ERESTARTNOINTR } else { e }),
                },
            }
        }
    }

    /// Takes the mutex, or gets into the queue for it. `dead` is an owner known to have ended.
    fn attempt(
        &self,
        task: &Arc<Task>,
        mm: &MemoryManager,
        addr: u64,
        key: &Key,
        dead: u32,
        waits: bool,
    ) -> Result<Attempt, Errno> {
        let me = task.local_tid() as u32;
        let mut bucket = self.bucket(key);
        loop {
            let value = mm.space().load_u32(addr)?;
            let owner = owner_of(value);
            if owner == me {
                return Err(Errno::EDEADLK);
            }
            if owner == 0 || owner == dead {
                let died = if owner == 0 { value & c::FUTEX_OWNER_DIED } else { c::FUTEX_OWNER_DIED };
                let waiters = if bucket.mutexes.contains_key(key) { c::FUTEX_WAITERS } else { 0 };
                if change(mm, addr, value, me | died | waiters)? {
                    if let Some(queue) = bucket.mutexes.get_mut(key) {
                        queue.set_owner(*key, task);
                    }
                    return Ok(Attempt::Locked);
                }
                continue;
            }
            // From here on the owner cannot unlock by itself.
            if value & c::FUTEX_WAITERS == 0 && !change(mm, addr, value, value | c::FUTEX_WAITERS)? {
                continue;
            }
            let root = task.tg.pidns.root_of(owner as i32).ok_or(Errno::ESRCH)?;
            let holder = Arc::clone(task.kernel.tree.lock().task(root)?);
            if holder.exiting.load(Ordering::Acquire) {
                // What its end changes of its mutexes has been changed by now.
                if mm.space().load_u32(addr)? == value | c::FUTEX_WAITERS {
                    return Err(Errno::ESRCH);
                }
                continue;
            }
            if !waits {
                return Err(Errno::EAGAIN);
            }
            let entry = Arc::new(PiEntry {
                waiter: Arc::clone(&task.waiter),
                holder: Mutex::new(Arc::downgrade(&holder)),
                tid: me,
                task: Arc::downgrade(task),
                state: AtomicU32::new(WAITS),
            });
            // Noted first: of two who look at the same time, one sees the other.
            *task.pi_held.waits.lock() = Some(Arc::clone(&entry));
            if waits_for(&holder, task) {
                *task.pi_held.waits.lock() = None;
                return Err(Errno::EDEADLK);
            }
            let queue = bucket
                .mutexes
                .entry(*key)
                .or_insert_with(|| Queue { owner: Weak::new(), waiters: VecDeque::new() });
            queue.set_owner(*key, &holder);
            queue.waiters.push_back(Arc::clone(&entry));
            // It may have ended meanwhile, and looked for those who wait before this one did.
            if holder.exiting.load(Ordering::SeqCst) {
                queue.hand_to_nobody();
            }
            return Ok(Attempt::Waits(entry));
        }
    }

    /// Who was to look for an owner cannot: the next does.
    fn pass_on(&self, key: &Key) {
        let mut bucket = self.bucket(key);
        if let Some(queue) = bucket.mutexes.get_mut(key) {
            queue.hand_to_nobody();
            bucket.forget_if_empty(key);
        }
    }

    /// Waits no more; returns what had been decided before.
    fn leave(&self, key: &Key, entry: &Arc<PiEntry>) -> u32 {
        let mut bucket = self.bucket(key);
        let state = entry.state.load(Ordering::Acquire);
        if state == WAITS
            && let Some(queue) = bucket.mutexes.get_mut(key)
        {
            queue.waiters.retain(|e| !Arc::ptr_eq(e, entry));
            bucket.forget_if_empty(key);
        }
        state
    }

    /// FUTEX_UNLOCK_PI: the first who waits gets it.
    ///
    /// # Errors
    /// EPERM if it is not the caller's, EAGAIN if the word changes meanwhile, EINVAL, EFAULT.
    pub fn unlock_pi(&self, task: &Task, mm: &MemoryManager, addr: u64, private: bool) -> Result<(), Errno> {
        let key = key_of(mm, addr, private)?;
        let me = task.local_tid() as u32;
        let mut bucket = self.bucket(&key);
        loop {
            let value = mm.space().load_u32(addr)?;
            if owner_of(value) != me {
                return Err(Errno::EPERM);
            }
            let next = bucket.mutexes.get(&key).and_then(|q| q.waiters.front()).map_or(0, |e| e.tid);
            let new = if next == 0 { 0 } else { next | c::FUTEX_WAITERS };
            if change(mm, addr, value, new)? {
                break;
            }
        }
        if let Some(queue) = bucket.mutexes.get_mut(&key) {
            queue.hand_over(key);
            bucket.forget_if_empty(&key);
        }
        Ok(())
    }

    /// A task ends, or executes another program: those who wait for its mutexes look again.
    pub fn exit_pi(&self, task: &Task) {
        let held = std::mem::take(&mut *task.pi_held.keys.lock());
        for key in held {
            let mut bucket = self.bucket(&key);
            if let Some(queue) = bucket.mutexes.get_mut(&key)
                && std::ptr::eq(queue.owner.as_ptr(), task)
            {
                queue.hand_to_nobody();
                bucket.forget_if_empty(&key);
            }
        }
    }

    /// FUTEX_WAIT_REQUEUE_PI: waits on a word, to be moved to a mutex, and returns with that locked.
    ///
    /// # Errors
    /// EAGAIN if the word has another value or the wake was no move, ETIMEDOUT, EINTR kinds, EINVAL, EFAULT.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    pub fn wait_requeue_pi(
        &self,
        task: &Arc<Task>,
        mm: &MemoryManager,
        addr: u64,
        private: bool,
        value: u32,
        mutex: u64,
        deadline: Option<Instant>,
    ) -> Result<(), Errno> {
        let (key, then) = (key_of(mm, addr, private)?, key_of(mm, mutex, private)?);
        if key == then {
            return Err(Errno::EINVAL);
        }
        let entry = Entry::new(task, key, u32::MAX, Some(then));
        self.wait_as(task, mm, addr, value, &entry, deadline).map_err(|e| match e {
            Errno::ERESTARTSYS => Errno::ERESTARTNOINTR,
            e => e,
        })?;
        // Its turn among those who want the mutex is decided there, not where it waited before.
        self.lock_pi(task, mm, mutex, private, PiWait::Until(deadline))
    }

    /// FUTEX_CMP_REQUEUE_PI: moves those who wait on a word to a mutex; returns how many.
    ///
    /// # Errors
    /// EAGAIN if the word has another value, EINVAL if they wait for something else, EFAULT.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own")]
    pub fn requeue_pi(
        &self,
        mm: &MemoryManager,
        addr: u64,
        wake: u32,
        requeue: u32,
        mutex: u64,
        expected: u32,
        private: bool,
    ) -> Result<u64, Errno> {
        let (key, then) = (key_of(mm, addr, private)?, key_of(mm, mutex, private)?);
        if wake != 1 || key == then {
            return Err(Errno::EINVAL);
        }
        let mut bucket = self.bucket(&key);
        if mm.space().load_u32(addr)? != expected {
            return Err(Errno::EAGAIN);
        }
        let count = requeue.saturating_add(wake);
        let waiting = bucket.waiting.get(&key).map_or(&[][..], Vec::as_slice);
        if waiting.iter().take(count as usize).any(|e| e.then != Some(then)) {
            return Err(Errno::EINVAL);
        }
        Ok(wake_in(&mut bucket, &key, count, u32::MAX))
    }
}

/// While it lives, a task waits for a mutex.
struct Waiting<'a>(&'a Task);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.pi_held.waits.lock() = None;
    }
}

/// Whether a task waits, by way of however many others, for one of another's mutexes.
fn waits_for(task: &Arc<Task>, other: &Arc<Task>) -> bool {
    let mut at = Arc::clone(task);
    for _ in 0..MAX_DEPTH {
        if Arc::ptr_eq(&at, other) {
            return true;
        }
        let waits = at.pi_held.waits.lock().clone();
        let next = waits.filter(|entry| entry.state.load(Ordering::Acquire) == WAITS);
        let Some(holder) = next.and_then(|entry| entry.holder.lock().upgrade()) else { return false };
        at = holder;
    }
    true
}

impl Bucket {
    fn forget_if_empty(&mut self, key: &Key) {
        if self.mutexes.get(key).is_some_and(|q| q.waiters.is_empty())
            && let Some(queue) = self.mutexes.remove(key)
        {
            queue.release(key);
        }
    }
}

impl Queue {
    fn set_owner(&mut self, key: Key, owner: &Arc<Task>) {
        if std::ptr::eq(self.owner.as_ptr(), Arc::as_ptr(owner)) {
            return;
        }
        self.release(&key);
        owner.pi_held.keys.lock().push(key);
        self.owner = Arc::downgrade(owner);
        for entry in &self.waiters {
            *entry.holder.lock() = Arc::downgrade(owner);
        }
    }

    /// The owner has it no more, or nobody waits for it.
    fn release(&self, key: &Key) {
        if let Some(owner) = self.owner.upgrade() {
            owner.pi_held.keys.lock().retain(|k| k != key);
        }
    }

    /// The first becomes the owner; the word says so already.
    fn hand_over(&mut self, key: Key) {
        let Some(first) = self.waiters.pop_front() else { return };
        if let Some(task) = first.task.upgrade() {
            self.set_owner(key, &task);
        }
        first.state.store(OWNS, Ordering::Release);
        first.waiter.wake();
    }

    /// The first looks for itself.
    fn hand_to_nobody(&mut self) {
        let Some(first) = self.waiters.pop_front() else { return };
        first.state.store(AGAIN, Ordering::Release);
        first.waiter.wake();
    }
}
