//! A directory's entries, read once when reading begins, so that positions stay good.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::misc::NAME_MAX;

use crate::persist::RestoreError;
use crate::vfs::{DirEntry, FileType};

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where its name ends among all names; it begins where the one before ends.
    end: usize,
    ino: u64,
    file_type: FileType,
}

/// Entries in their order; positions count them.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    names: Vec<u8>,
    items: Vec<Item>,
}

impl Entries {
    /// One more at the end.
    pub(super) fn push(&mut self, name: &[u8], ino: u64, file_type: FileType) {
        self.names.extend_from_slice(name);
        self.items.push(Item { end: self.names.len(), ino, file_type });
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = DirEntry<'_>> {
        self.after(0)
    }

    fn after(&self, position: u64) -> impl Iterator<Item = DirEntry<'_>> {
        let skipped = usize::try_from(position).unwrap_or(usize::MAX).min(self.items.len());
        let (before, rest) = self.items.split_at(skipped);
        let mut start = before.last().map_or(0, |item| item.end);
        rest.iter().zip(position.saturating_add(1)..).map(move |(item, next)| {
            let name = self.names.get(start..item.end).unwrap_or_default();
            start = item.end;
            DirEntry { name, ino: item.ino, file_type: item.file_type, next }
        })
    }

    /// Gives the entries after a position until `emit` says false; returns the position reached.
    pub(super) fn emit(&self, from: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> u64 {
        let mut position = from;
        for entry in self.after(from) {
            let next = entry.next;
            if !emit(entry) {
                break;
            }
            position = next;
        }
        position
    }
}

/// One of [`Entries`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryState {
    name: ByteBuf,
    ino: u64,
    file_type: FileType,
}

impl Entries {
    /// Their saved form.
    pub(super) fn save(&self) -> Vec<EntryState> {
        let state = |entry: DirEntry<'_>| EntryState {
            name: ByteBuf::from(entry.name.to_vec()),
            ino: entry.ino,
            file_type: entry.file_type,
        };
        self.iter().map(state).collect()
    }

    /// What they were saved from.
    ///
    /// # Errors
    /// Names that no file has.
    pub(super) fn restore(states: Vec<EntryState>) -> Result<Self, RestoreError> {
        let mut entries = Self::default();
        for state in states {
            if state.name.is_empty() || state.name.len() > NAME_MAX || state.name.contains(&0) {
                return Err(RestoreError::new("a directory lists no name that a file can have"));
            }
            entries.push(&state.name, state.ino, state.file_type);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entries: &Entries, from: u64, most: usize) -> (Vec<Vec<u8>>, u64) {
        let mut seen = Vec::new();
        let position = entries.emit(from, &mut |entry| {
            if seen.len() < most {
                seen.push(entry.name.to_vec());
                return true;
            }
            false
        });
        (seen, position)
    }

    #[test]
    fn reading_goes_on_where_it_ended() {
        let mut entries = Entries::default();
        assert!(entries.is_empty());
        for (name, ino) in [(&b"a"[..], 1), (b"", 2), (b"long", 3)] {
            entries.push(name, ino, FileType::Regular);
        }
        assert_eq!(names(&entries, 0, 2), (vec![b"a".to_vec(), Vec::new()], 2));
        assert_eq!(names(&entries, 2, 9), (vec![b"long".to_vec()], 3));
        assert_eq!(names(&entries, 3, 9), (Vec::new(), 3));
        // Guests may seek anywhere.
        assert_eq!(names(&entries, u64::MAX - 1, 9), (Vec::new(), u64::MAX - 1));
        assert_eq!(entries.iter().map(|e| (e.ino, e.next)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
    }
}
