//! Which signal stacks of a stub are in use.

use std::collections::BTreeSet;

use super::layout as l;

/// The lowest free slot is always taken next, so that few pages are ever touched.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    returned: BTreeSet<u32>,
    next: u32,
}

impl Slots {
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.returned.pop_first().or_else(|| {
            let index = self.next;
            (index < l::SLOT_COUNT).then(|| {
                self.next += 1;
                index
            })
        })
    }

    pub(crate) fn give_back(&mut self, index: u32) {
        self.returned.insert(index);
    }
}

/// Lowest address of a slot.
pub(crate) const fn base(index: u32) -> u64 {
    l::SLOTS + index as u64 * l::SLOT_SIZE
}

/// Its end.
pub(crate) const fn end(index: u32) -> u64 {
    base(index) + l::SLOT_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_lowest_and_ends() {
        let mut slots = Slots::default();
        assert_eq!((slots.take(), slots.take(), slots.take()), (Some(0), Some(1), Some(2)));
        slots.give_back(1);
        slots.give_back(0);
        assert_eq!((slots.take(), slots.take(), slots.take()), (Some(0), Some(1), Some(3)));
        slots.next = l::SLOT_COUNT;
        assert_eq!(slots.take(), None);
    }
}
