//! PID namespaces (pid_namespaces(7)).
//!
//! Inside the kernel a task has one number, that of the root namespace. A namespace below gives the tasks it can see
//! numbers of its own.

mod persist;

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use crate::persist::Counter;
use crate::wait::{Readiness, WaitQueue};

pub use persist::PidNamespaceState;

static IDS: Counter = Counter::from(0xf200_0000);

/// Numbers wrap here (`kernel.pid_max`).
pub const PID_MAX: i32 = 32768;
/// After wrapping, low numbers stay free (`RESERVED_PIDS`).
const RESERVED: i32 = 300;
/// Nesting that clone(2) allows at most.
pub const MAX_LEVEL: u32 = 32;

#[derive(Default)]
struct Numbers {
    last: i32,
    to_root: BTreeMap<i32, i32>,
    from_root: BTreeMap<i32, i32>,
    closed: bool,
}

/// A PID namespace.
pub struct PidNamespace {
    /// For `/proc/PID/ns/pid`.
    pub id: u64,
    /// The namespace it was made in.
    pub parent: Option<Arc<PidNamespace>>,
    level: u32,
    numbers: Mutex<Numbers>,
    departures: Arc<WaitQueue>,
}

impl PidNamespace {
    /// A namespace, the root one without a parent.
    ///
    /// # Errors
    /// ENOSPC if nested too deep.
    pub fn new(parent: Option<Arc<PidNamespace>>) -> Result<Arc<Self>, Errno> {
        let level = parent.as_ref().map_or(0, |p| p.level + 1);
        if level > MAX_LEVEL {
            return Err(Errno::ENOSPC);
        }
        let (id, numbers) = (IDS.take(), Mutex::default());
        Ok(Arc::new(Self { id, parent, level, numbers, departures: Arc::default() }))
    }

    /// How deep it is nested; 0 is the root.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Gives a new task its numbers here and in all namespaces above; returns the root one. `wanted` are numbers from
    /// here upwards (clone3(2)'s set_tid).
    ///
    /// # Errors
    /// EAGAIN if there are none left, EEXIST or EINVAL for a wanted one, ENOMEM if the namespace's init is gone.
    pub fn allocate(self: &Arc<Self>, wanted: &[i32]) -> Result<i32, Errno> {
        if self.numbers.lock().closed {
            return Err(Errno::ENOMEM);
        }
        let above = wanted.get(1..).unwrap_or_default();
        let mut numbers;
        let root = match &self.parent {
            Some(parent) => {
                let root = parent.allocate(above)?;
                numbers = self.numbers.lock();
                root
            }
            None => {
                numbers = self.numbers.lock();
                0
            }
        };
        let local = match wanted.first() {
            Some(&n) if !(1..PID_MAX).contains(&n) => Err(Errno::EINVAL),
            Some(&n) if numbers.to_root.contains_key(&n) => Err(Errno::EEXIST),
            // The first task of a namespace is its init.
            Some(&n) if n != 1 && numbers.last == 0 => Err(Errno::EINVAL),
            Some(&n) => Ok(n),
            None => next_free(&numbers),
        };
        let local = match local {
            Ok(local) => local,
            Err(e) => {
                drop(numbers);
                if let Some(parent) = &self.parent {
                    parent.release(root);
                }
                return Err(e);
            }
        };
        if wanted.is_empty() || numbers.last == 0 {
            numbers.last = local;
        }
        let root = if self.parent.is_some() { root } else { local };
        numbers.to_root.insert(local, root);
        numbers.from_root.insert(root, local);
        Ok(root)
    }

    /// Frees a task's numbers here and above.
    pub fn release(&self, root: i32) {
        let mut numbers = self.numbers.lock();
        if let Some(local) = numbers.from_root.remove(&root) {
            numbers.to_root.remove(&local);
        }
        drop(numbers);
        if let Some(parent) = &self.parent {
            parent.release(root);
        }
    }

    /// The number that was given out last.
    #[must_use]
    pub fn last_number(&self) -> i32 {
        self.numbers.lock().last
    }

    /// Lets no more tasks in: its init is gone.
    pub fn close(&self) {
        self.numbers.lock().closed = true;
    }

    /// Whether its init is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.numbers.lock().closed
    }

    /// Told when a process in it, or in one below, has ended.
    #[must_use]
    pub fn departures(&self) -> &Arc<WaitQueue> {
        &self.departures
    }

    /// A process has ended.
    pub(super) fn note_departure(&self) {
        self.departures.notify(Readiness::all());
        if let Some(parent) = &self.parent {
            parent.note_departure();
        }
    }

    /// The number here of a task, 0 if it cannot be seen.
    #[must_use]
    pub fn local(&self, root: i32) -> i32 {
        if self.level == 0 { root } else { self.numbers.lock().from_root.get(&root).copied().unwrap_or(0) }
    }

    /// The task that has a number here.
    #[must_use]
    pub fn root_of(&self, local: i32) -> Option<i32> {
        if self.level == 0 { Some(local) } else { self.numbers.lock().to_root.get(&local).copied() }
    }

    /// The root number of its init.
    #[must_use]
    pub fn init(&self) -> Option<i32> {
        self.numbers.lock().to_root.get(&1).copied()
    }

    /// Whether a process is the init of this namespace, which is not the root.
    #[must_use]
    pub fn is_init(&self, tgid: i32) -> bool {
        self.level > 0 && self.init() == Some(tgid)
    }

    /// Whether tasks of `other` can be seen from here.
    #[must_use]
    pub fn contains(self: &Arc<Self>, other: &Arc<PidNamespace>) -> bool {
        let mut at = Some(other);
        while let Some(ns) = at {
            if Arc::ptr_eq(ns, self) {
                return true;
            }
            at = ns.parent.as_ref();
        }
        false
    }
}

fn next_free(numbers: &Numbers) -> Result<i32, Errno> {
    let mut candidate = numbers.last;
    for _ in 0..PID_MAX {
        candidate += 1;
        if candidate >= PID_MAX {
            candidate = RESERVED;
        }
        if !numbers.to_root.contains_key(&candidate) {
            return Ok(candidate);
        }
    }
    Err(Errno::EAGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_per_level() {
        let root = PidNamespace::new(None).unwrap();
        assert_eq!(root.allocate(&[]), Ok(1));
        assert_eq!(root.allocate(&[]), Ok(2));
        let inner = PidNamespace::new(Some(root.clone())).unwrap();
        assert_eq!(inner.allocate(&[5]), Err(Errno::EINVAL));
        // The number that the failed attempt took and gave back is not reused at once.
        assert_eq!(inner.allocate(&[]), Ok(4));
        assert_eq!((inner.local(4), inner.local(2), inner.root_of(1)), (1, 0, Some(4)));
        assert_eq!(inner.allocate(&[9, 100]), Ok(100));
        assert_eq!(inner.local(100), 9);
        inner.release(4);
        assert_eq!(inner.root_of(1), None);
        inner.close();
        assert_eq!(inner.allocate(&[]), Err(Errno::ENOMEM));
        assert!(root.contains(&inner) && !inner.contains(&root));
    }
}
