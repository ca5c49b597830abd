//! The entries of a directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TmpInode;

/// Entries by name, and in the order in which they were made: a position stays good whatever else comes and goes.
#[derive(Default)]
pub(super) struct Entries {
    by_name: BTreeMap<Vec<u8>, (u64, Arc<TmpInode>)>,
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

/// Positions 0 and 1 are `.` and `..`.
const FIRST: u64 = 2;

impl Entries {
    /// Without entries, where positions go on from `next`.
    pub(super) fn from_next(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// How many positions were given.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<TmpInode>> {
        self.by_name.get(name).map(|(_, inode)| inode)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn insert(&mut self, name: &[u8], inode: Arc<TmpInode>) -> Option<Arc<TmpInode>> {
        if let Some((_, old)) = self.by_name.get_mut(name) {
            return Some(std::mem::replace(old, inode));
        }
        let position = FIRST + self.next;
        self.next += 1;
        self.order.insert(position, name.to_vec());
        self.by_name.insert(name.to_vec(), (position, inode));
        None
    }

    /// Puts an entry back at the position that it had.
    ///
    /// # Errors
    /// If the name or the position is taken, or none that was given.
    pub(super) fn put_back(
        &mut self,
        position: u64,
        name: &[u8],
        inode: Arc<TmpInode>,
    ) -> Result<(), &'static str> {
        let given = (FIRST..FIRST.saturating_add(self.next)).contains(&position);
        if !given || self.order.contains_key(&position) {
            return Err("an entry has a position that none can have");
        }
        if self.by_name.insert(name.to_vec(), (position, inode)).is_some() {
            return Err("a name is there twice");
        }
        self.order.insert(position, name.to_vec());
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<TmpInode>> {
        let (position, inode) = self.by_name.remove(name)?;
        self.order.remove(&position);
        Some(inode)
    }

    /// What the entries name.
    pub(super) fn into_inodes(self) -> impl Iterator<Item = Arc<TmpInode>> {
        self.by_name.into_values().map(|(_, inode)| inode)
    }

    /// Entries from a position on, with the position after each.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = (u64, &[u8], &Arc<TmpInode>)> {
        self.order
            .range(position.max(FIRST)..)
            .filter_map(|(&at, name)| Some((at + 1, name.as_slice(), self.get(name)?)))
    }
}
