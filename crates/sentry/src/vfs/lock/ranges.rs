//! Locks on ranges of one file (fcntl(2), "Advisory record locking").

use serde::{Deserialize, Serialize};

/// Who has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// The FD table of a process.
    Table(u64),
    /// An open file description.
    Description(u64),
}

/// A lock on a range of a file, or one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Who has it.
    pub owner: Owner,
    /// The open file description that it was asked for through.
    pub file: u64,
    /// The process that asked for it, as numbered in the root namespace.
    pub pid: i32,
    /// Whether it keeps readers out, too.
    pub write: bool,
    /// First byte.
    pub start: u64,
    /// Last byte; [`OFFSET_MAX`] for all that may come.
    pub end: u64,
}

/// The last offset a file can have.
pub const OFFSET_MAX: u64 = i64::MAX as u64;

impl Range {
    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.start <= end && start <= self.end
    }
}

/// The locks on one file, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<Range>);

impl Ranges {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }

    /// The first lock of an owner in a range.
    pub(super) fn first_of(&self, owner: Owner, start: u64, end: u64) -> Option<Range> {
        self.0.iter().find(|r| r.owner == owner && r.overlaps(start, end)).copied()
    }

    /// The first lock that stands against one.
    pub(super) fn conflict(&self, wanted: &Range) -> Option<Range> {
        let against = |r: &&Range| {
            r.owner != wanted.owner && (r.write || wanted.write) && r.overlaps(wanted.start, wanted.end)
        };
        self.0.iter().find(against).copied()
    }

    /// Takes a range from an owner: what sticks out at its ends stays.
    pub(super) fn remove(&mut self, owner: Owner, start: u64, end: u64) {
        let mut rest = Vec::new();
        self.0.retain_mut(|r| {
            if r.owner != owner || !r.overlaps(start, end) {
                return true;
            }
            if r.end > end {
                rest.push(Range { start: end + 1, ..*r });
            }
            if r.start < start {
                r.end = start - 1;
                return true;
            }
            false
        });
        rest.into_iter().for_each(|r| self.insert(r));
    }

    /// Adds a lock that nothing stands against, over what its owner has there, and merged with what touches it.
    pub(super) fn add(&mut self, mut new: Range) {
        self.remove(new.owner, new.start, new.end);
        self.0.retain(|r| {
            let touches = r.owner == new.owner
                && r.write == new.write
                && (r.end.checked_add(1) == Some(new.start) || new.end.checked_add(1) == Some(r.start));
            if touches {
                (new.start, new.end) = (new.start.min(r.start), new.end.max(r.end));
            }
            !touches
        });
        self.insert(new);
    }

    /// Takes everything from an owner; true if there was something.
    pub(super) fn remove_all(&mut self, owner: Owner) -> bool {
        let before = self.0.len();
        self.0.retain(|r| r.owner != owner);
        self.0.len() != before
    }

    fn insert(&mut self, new: Range) {
        let at = self.0.partition_point(|r| r.start <= new.start);
        self.0.insert(at, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(owner: u64, write: bool, start: u64, end: u64) -> Range {
        Range { owner: Owner::Table(owner), file: 1, pid: 1, write, start, end }
    }

    fn shape(ranges: &Ranges) -> Vec<(u64, u64, bool)> {
        ranges.iter().map(|r| (r.start, r.end, r.write)).collect()
    }

    #[test]
    fn are_split_and_merged() {
        let mut ranges = Ranges::default();
        ranges.add(lock(1, true, 0, 29));
        ranges.remove(Owner::Table(1), 10, 19);
        assert_eq!(shape(&ranges), [(0, 9, true), (20, 29, true)]);
        ranges.add(lock(1, true, 10, 19));
        assert_eq!(shape(&ranges), [(0, 29, true)]);
        ranges.add(lock(1, false, 5, 9));
        assert_eq!(shape(&ranges), [(0, 4, true), (5, 9, false), (10, 29, true)]);
        ranges.add(lock(1, true, 0, OFFSET_MAX));
        assert_eq!(shape(&ranges), [(0, OFFSET_MAX, true)]);
    }

    #[test]
    fn only_others_stand_against_one() {
        let mut ranges = Ranges::default();
        ranges.add(lock(1, false, 10, 20));
        ranges.add(lock(2, false, 15, 30));
        assert_eq!(ranges.conflict(&lock(1, true, 0, 12)), None);
        assert_eq!(ranges.conflict(&lock(1, true, 0, 15)).map(|r| r.owner), Some(Owner::Table(2)));
        assert_eq!(ranges.conflict(&lock(3, false, 0, OFFSET_MAX)), None);
        assert!(ranges.remove_all(Owner::Table(2)));
        assert_eq!(ranges.conflict(&lock(1, true, 0, OFFSET_MAX)), None);
    }

    /// Against a plain array of who has which byte.
    #[test]
    fn agree_with_a_model() {
        let mut ranges = Ranges::default();
        let mut model = [[None::<bool>; 40]; 3];
        let mut word = 7u64;
        for _ in 0..20_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = |shift: u32, below: u64| (word >> shift) % below;
            let (owner, a, b) = (pick(33, 3), pick(40, 40), pick(48, 40));
            let new = lock(owner, pick(60, 2) == 1, a.min(b), a.max(b));
            let bytes = new.start as usize..=new.end as usize;
            if pick(57, 3) == 0 {
                ranges.remove(new.owner, new.start, new.end);
                model[owner as usize][bytes].fill(None);
                continue;
            }
            let free = (0..3).filter(|&o| o != owner as usize).all(|o| {
                model[o][bytes.clone()]
                    .iter()
                    .all(|has| !(*has == Some(true) || (has.is_some() && new.write)))
            });
            assert_eq!(ranges.conflict(&new).is_none(), free);
            if free {
                ranges.add(new);
                model[owner as usize][bytes].fill(Some(new.write));
            }
            for (owner, bytes) in model.iter().enumerate() {
                let covering = |at: usize| {
                    let mut own = ranges.iter().filter(|r| r.owner == Owner::Table(owner as u64));
                    own.find(|r| r.overlaps(at as u64, at as u64)).map(|r| r.write)
                };
                assert!((0..40).all(|at| covering(at) == bytes[at]));
            }
        }
    }
}
