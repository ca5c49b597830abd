//! Finding those who would wait for each other for ever (fcntl(2), EDEADLK).

use parking_lot::Mutex;

use super::Owner;

/// How far a chain of waiters is followed, as on Linux.
const MAX_DEPTH: usize = 10;

/// Who waits for whose lock on a range. Open file descriptions are not watched, as on Linux: theirs are not one
/// process's.
#[derive(Default)]
pub struct LockWaits(Mutex<Vec<(Owner, Owner)>>);

/// Somebody waits as long as this lives.
pub struct Wait<'a>(&'a LockWaits, (Owner, Owner));

impl LockWaits {
    /// Notes that one waits for another; none if that other waits for it already.
    #[must_use]
    pub fn begin(&self, waiter: Owner, holder: Owner) -> Option<Wait<'_>> {
        let mut waits = self.0.lock();
        let mut at = holder;
        for _ in 0..MAX_DEPTH {
            if at == waiter {
                return None;
            }
            match waits.iter().find(|(w, _)| *w == at) {
                Some((_, next)) => at = *next,
                None => break,
            }
        }
        waits.push((waiter, holder));
        Some(Wait(self, (waiter, holder)))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.0.lock();
        if let Some(at) = waits.iter().position(|w| *w == self.1) {
            waits.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found() {
        let waits = LockWaits::default();
        let [a, b, c] = [1, 2, 3].map(Owner::Table);
        let first = waits.begin(a, b).unwrap();
        let _second = waits.begin(b, c).unwrap();
        assert!(waits.begin(c, a).is_none());
        drop(first);
        assert!(waits.begin(c, a).is_some());
    }
}
