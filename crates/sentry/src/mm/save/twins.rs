//! Pages that several address spaces have, found again.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::lazy::Place;

/// What a page is known again by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// What is in it. A guest must not be able to make two of the same.
    Content([u8; blake3::OUT_LEN]),
    /// Where it is in an image.
    Place(usize, u64),
}

impl Key {
    pub(super) fn of_content(page: &[u8]) -> Self {
        Self::Content(blake3::hash(page).into())
    }

    pub(super) fn of_place(place: &Place, by: u64) -> Self {
        Self::Place(Arc::as_ptr(&place.file) as usize, place.offset + by)
    }
}

/// Pages that were saved and that another address space may have too.
pub(crate) struct Twins {
    data: HashMap<Key, u64>,
    are_wanted: bool,
}

impl Twins {
    /// For so many address spaces.
    pub(crate) fn among(spaces: usize) -> Self {
        Self { data: HashMap::new(), are_wanted: spaces > 1 }
    }

    pub(super) fn are_wanted(&self) -> bool {
        self.are_wanted
    }

    /// Which data a page has that was saved already.
    pub(super) fn find(&self, key: &Key) -> Option<u64> {
        self.data.get(key).copied()
    }

    /// A page was saved.
    pub(super) fn note(&mut self, key: Key, data: u64) {
        self.data.insert(key, data);
    }
}
