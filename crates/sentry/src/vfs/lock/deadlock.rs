//! Finding those who would wait for each other for ever (fcntl(2), EDEADLK).

use stockade_platform::sync::Mutex;

use super::ranges::Range;
use super::table::Waiting;

/// How far a chain of waiters is followed, as on Linux.
const MAX_DEPTH: usize = 10;

/// Somebody who waits, where, and for what.
struct Blocked {
    id: u64,
    at: Waiting,
    wanted: Range,
}

#[derive(Default)]
struct All {
    next_id: u64,
    list: Vec<Blocked>,
}

/// Who waits for a lock on a range. Open file descriptions are not watched, as on Linux: theirs are not one process's.
///
/// For whom they wait is looked up anew each time: who has been let in may not have noticed yet.
#[derive(Default)]
pub struct LockWaits(Mutex<All>);

/// Somebody waits as long as this lives.
pub struct Wait<'a>(&'a LockWaits, u64);

impl LockWaits {
    /// Notes that somebody waits for a lock; none if who has it waits for them already.
    #[must_use]
    pub fn begin(&self, at: Waiting, wanted: Range) -> Option<Wait<'_>> {
        let mut all = self.0.lock();
        let mut holder = at.conflict(&wanted);
        for _ in 0..MAX_DEPTH {
            let Some(owner) = holder.map(|h| h.owner) else { break };
            if owner == wanted.owner {
                return None;
            }
            let Some(next) = all.list.iter().find(|b| b.wanted.owner == owner) else { break };
            holder = next.at.conflict(&next.wanted);
        }
        let id = all.next_id;
        all.next_id += 1;
        all.list.push(Blocked { id, at, wanted });
        Some(Wait(self, id))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut all = self.0.0.lock();
        if let Some(at) = all.list.iter().position(|b| b.id == self.1) {
            all.list.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ranges::Owner;
    use super::super::table::Locks;
    use super::*;

    const FILE: (u64, u64) = (1, 2);

    /// A lock of `owner` on the byte that is `of`'s.
    fn lock(owner: u64, of: u64) -> Range {
        Range { owner: Owner::Table(owner), file: owner, pid: 1, write: true, start: of, end: of }
    }

    #[test]
    fn circles_are_found_until_a_lock_goes() {
        let (waits, locks) = (LockWaits::default(), Arc::new(Locks::default()));
        for owner in 1..=3 {
            locks.change(FILE, |of| (of.ranges.add(lock(owner, owner)), false));
        }
        let begin = |owner, of| waits.begin(locks.wait(FILE), lock(owner, of));
        let _first = begin(1, 2).unwrap();
        let second = begin(2, 3).unwrap();
        assert!(begin(3, 1).is_none());
        drop(second);
        assert!(begin(3, 1).is_some());
        let _second = begin(2, 3).unwrap();
        // The first may have what it waits for, and only has not seen that.
        locks.change(FILE, |of| (of.ranges.remove(Owner::Table(2), 2, 2), true));
        assert!(begin(3, 1).is_some());
    }
}
