//! Saving the pages of an address space.
//!
//! Those are saved that are its own: written to, or of the image that it was restored from; what the host does not have, and
//! zeros where memory begins with them, are not. Small gaps are filled with zeros, so that what is restored has few mappings.

mod twins;
mod writer;

use std::ops::Range;

use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{MemoryOp, OwnPages, Prot};

use self::writer::Writer;
use super::lazy::{Lazy, Place};
use super::manager::{MemoryManager, host_prot};
use super::vma::{VmFlags, Vma};
use crate::persist::{PageObject, PageSink, SaveError};

pub(crate) use twins::Twins;

/// The longest gap that is filled: what a mapping costs against what the image grows by.
const GAP: u64 = 4 * PAGE_SIZE;

/// Where pages come from.
#[derive(Clone)]
enum Origin {
    /// Memory, which other address spaces have too or not.
    Memory { is_shared: bool },
    /// An image, where nobody has written to since.
    Image(Place),
    /// Nowhere: zeros.
    Gap,
}

/// Pages of one area that come from one place.
#[derive(Clone)]
struct Piece {
    range: Range<u64>,
    origin: Origin,
}

impl Vma {
    /// Whether its pages are its address space's own, and kept. What is wiped in a fork is wiped in a copy of another kind
    /// too.
    pub(super) fn has_kept_pages(&self) -> bool {
        !self.flags.intersects(VmFlags::SHARED | VmFlags::VDSO | VmFlags::WIPEONFORK)
    }
}

impl MemoryManager {
    /// Gives its own pages to `sink`; those that an address space before it had too, once more. The kernel stands still.
    pub(crate) fn save_pages(
        &self,
        object: PageObject,
        sink: &mut dyn PageSink,
        twins: &mut Twins,
    ) -> Result<(), SaveError> {
        let state = self.state.lock();
        let failed = |at| move |error| SaveError::Memory { object, at, error };
        let own = self.space.own_pages(self.layout.usable.clone(), twins.are_wanted());
        let own = own.map_err(failed(self.layout.usable.start))?;
        let mut hidden = Vec::new();
        let mut areas = Vec::new();
        let mut rest = &*own;
        for (range, vma) in state.vmas.iter().filter(|(_, vma)| vma.has_kept_pages()) {
            let pieces = pieces(&mut rest, &state.lazy, &range, vma.is_anonymous());
            let is_read = pieces.iter().any(|piece| matches!(piece.origin, Origin::Memory { .. }));
            if is_read && !vma.prot.contains(Prot::READ) {
                hidden.push((range, vma.prot));
            }
            if !pieces.is_empty() {
                areas.push((pieces, vma.is_anonymous()));
            }
        }
        let protect = |range: &Range<u64>, prot| {
            let change = MemoryOp::Protect(range.clone(), host_prot(prot));
            self.space.apply(&[change]).map_err(|(_, e)| failed(range.start)(e))
        };
        let shown = hidden.iter().try_for_each(|(range, prot)| protect(range, *prot | Prot::READ));
        let mut writer = Writer { object, space: &*self.space, sink, twins };
        let saved =
            shown.and_then(|()| areas.iter().try_for_each(|(pieces, zeros)| writer.area(pieces, *zeros)));
        // Whatever happens, the guest finds its memory as it was.
        let back = hidden.iter().map(|(range, prot)| protect(range, *prot));
        back.fold(saved, |first, next| first.and(next))
    }
}

/// The pieces of an area, in order, while they are found.
struct Plan<'a> {
    pieces: Vec<Piece>,
    lazy: &'a Lazy,
    /// How far all is found.
    at: u64,
    fills_gaps: bool,
}

impl Plan<'_> {
    fn push(&mut self, range: Range<u64>, origin: Origin) {
        let last = self.pieces.last().map_or(range.start, |last| last.range.end);
        if self.fills_gaps && last < range.start && range.start - last <= GAP {
            self.pieces.push(Piece { range: last..range.start, origin: Origin::Gap });
        }
        self.pieces.push(Piece { range, origin });
    }

    /// What nobody has touched is the image's.
    fn untouched(&mut self, until: u64) {
        let lazy = self.lazy;
        for (range, place) in lazy.within(self.at..until) {
            self.push(range, Origin::Image(place));
        }
        self.at = until;
    }

    fn touched(&mut self, range: Range<u64>, is_shared: bool) {
        self.untouched(range.start);
        self.at = range.end;
        self.push(range, Origin::Memory { is_shared });
    }
}

/// The pieces of an area. `own` are pages in order, of which those before the end of the area are taken out.
fn pieces(own: &mut &[OwnPages], lazy: &Lazy, area: &Range<u64>, fills_gaps: bool) -> Vec<Piece> {
    let mut plan = Plan { pieces: Vec::new(), lazy, at: area.start, fills_gaps };
    while let [next, rest @ ..] = *own
        && next.range.start < area.end
    {
        let range = next.range.start.max(area.start)..next.range.end.min(area.end);
        if !range.is_empty() {
            plan.touched(range, next.is_shared);
        }
        if next.range.end > area.end {
            break;
        }
        *own = rest;
    }
    plan.untouched(area.end);
    plan.pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn pieces_of_areas() {
        const P: u64 = PAGE_SIZE;
        let file = Arc::new(std::fs::File::open("/dev/null").unwrap());
        let mut lazy = Lazy::default();
        lazy.insert(10 * P..20 * P, Place { file, offset: 100 * P });
        let own = [(1, 3), (12, 13), (22, 31), (40, 41)];
        let own = own.map(|(start, end)| OwnPages { range: start * P..end * P, is_shared: false });
        let mut rest = &own[..];
        let mut found = |area: Range<u64>, fills_gaps| {
            let pieces = pieces(&mut rest, &lazy, &(area.start * P..area.end * P), fills_gaps);
            let piece = |piece: Piece| {
                let place = match piece.origin {
                    Origin::Memory { .. } => 0,
                    Origin::Image(place) => place.offset / P,
                    Origin::Gap => 1,
                };
                (piece.range.start / P, piece.range.end / P, place)
            };
            pieces.into_iter().map(piece).collect::<Vec<_>>()
        };
        assert_eq!(found(2..5, true), [(2, 3, 0)]);
        assert_eq!(found(5..11, true), [(10, 11, 100)]);
        let expected = [(11, 12, 101), (12, 13, 0), (13, 20, 103), (20, 22, 1), (22, 25, 0)];
        assert_eq!(found(11..25, true), expected);
        assert_eq!(found(25..30, false), [(25, 30, 0)]);
        assert_eq!(found(30..50, true), [(30, 31, 0), (40, 41, 0)]);
        assert_eq!(found(50..60, true), []);
    }
}
