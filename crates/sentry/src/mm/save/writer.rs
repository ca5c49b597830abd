//! From pieces of memory to the sink.

use std::io::IoSliceMut;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use stockade_abi::Errno;
use stockade_abi::misc::{IOV_MAX, PAGE_SIZE};
use stockade_platform::AddressSpace;

use super::twins::Key;
use super::{GAP, Origin, Piece, Twins};
use crate::persist::{PageObject, PageRun, PageSink, SaveError};

const PAGE: usize = PAGE_SIZE as usize;

/// Gives the pages of one address space to a sink.
pub(super) struct Writer<'a> {
    pub(super) object: PageObject,
    pub(super) space: &'a dyn AddressSpace,
    pub(super) sink: &'a mut dyn PageSink,
    pub(super) twins: &'a mut Twins,
}

/// What becomes of pages that lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    /// They are zeros, where zeros need not be kept.
    Zeros,
    /// They were saved before, with this data.
    Again(u64),
}

/// Pages of a batch.
struct Segment {
    at: u64,
    /// Where they are in the buffer.
    part: Range<usize>,
    fate: Fate,
}

/// A batch, read and looked through.
#[derive(Default)]
struct Batch {
    segments: Vec<Segment>,
    /// Pages that others may have: where in the buffer, and what they are known by.
    known: Vec<(usize, Key)>,
}

impl Writer<'_> {
    /// The pieces of an area, as much at a time as the sink has space for.
    pub(super) fn area(&mut self, pieces: &[Piece], drops_zeros: bool) -> Result<(), SaveError> {
        let mut rest = pieces.iter().cloned().collect::<std::collections::VecDeque<_>>();
        while !rest.is_empty() {
            let base = self.sink.position();
            let space = self.sink.space()?;
            let mut pieces = Vec::new();
            let mut room = space.len() as u64;
            while let Some(piece) = rest.front_mut().filter(|_| room > 0) {
                let now = piece.split_off_front(room);
                room -= now.range.end - now.range.start;
                if piece.range.is_empty() {
                    rest.pop_front();
                }
                pieces.push(now);
            }
            read(self.object, self.space, &pieces, space)?;
            let mut batch = look_through(&pieces, space, self.twins, drops_zeros);
            batch.keep_small_gaps();
            batch.compact(space);
            self.give(batch, base)?;
        }
        Ok(())
    }

    fn give(&mut self, batch: Batch, base: u64) -> Result<(), SaveError> {
        let (mut data, mut known) = (base, batch.known.into_iter().peekable());
        for Segment { at, part, fate } in batch.segments {
            let length = part.len();
            // Those of what is not kept are passed over.
            while let Some((offset, key)) = known.next_if(|(offset, _)| *offset < part.end) {
                if fate == Fate::Keep {
                    let by = (offset - part.start) as u64;
                    self.twins.note(key, data + by);
                }
            }
            match fate {
                Fate::Keep => {
                    self.sink.fill(self.object, at, length)?;
                    data += length as u64;
                }
                Fate::Zeros => {}
                Fate::Again(data) => {
                    self.sink.again(self.object, PageRun { address: at, length: length as u64, data })?;
                }
            }
        }
        Ok(())
    }
}

impl Piece {
    /// The first bytes of it, up to so many; it goes on behind them.
    fn split_off_front(&mut self, most: u64) -> Self {
        let length = (self.range.end - self.range.start).min(most);
        let front = Self { range: self.range.start..self.range.start + length, origin: self.origin.clone() };
        self.range.start += length;
        if let Origin::Image(place) = &mut self.origin {
            place.offset += length;
        }
        front
    }

    fn len(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }
}

/// Reads pieces into a buffer, one behind the other.
fn read(
    object: PageObject,
    space: &dyn AddressSpace,
    mut pieces: &[Piece],
    mut buffer: &mut [u8],
) -> Result<(), SaveError> {
    while let Some(first) = pieces.first() {
        // What is memory, several pieces at once.
        let is_alike = |piece: &&Piece| match (&first.origin, &piece.origin) {
            (Origin::Memory { is_shared: a }, Origin::Memory { is_shared: b }) => a == b,
            _ => false,
        };
        let count = pieces.iter().take(IOV_MAX).take_while(is_alike).count().max(1);
        let (now, later) = pieces.split_at(count);
        let (bytes, rest) = std::mem::take(&mut buffer).split_at_mut(now.iter().map(Piece::len).sum());
        let failed = |error| SaveError::Memory { object, at: first.range.start, error };
        match &first.origin {
            Origin::Memory { is_shared } => {
                let remote: Vec<_> = now.iter().map(|piece| (piece.range.start, piece.len())).collect();
                let wanted = bytes.len();
                let got = match is_shared {
                    true => space.peek(&remote, bytes),
                    false => space.read_vectored(&remote, &mut [IoSliceMut::new(bytes)]),
                };
                if got.map_err(failed)? != wanted {
                    return Err(failed(Errno::EFAULT));
                }
            }
            Origin::Image(place) => {
                place.file.read_exact_at(bytes, place.offset).map_err(|_| failed(Errno::EIO))?;
            }
            Origin::Gap => bytes.fill(0),
        }
        (pieces, buffer) = (later, rest);
    }
    Ok(())
}

/// Decides what becomes of each page of a buffer.
fn look_through(pieces: &[Piece], buffer: &[u8], twins: &Twins, drops_zeros: bool) -> Batch {
    let mut batch = Batch::default();
    let mut offset = 0;
    for piece in pieces {
        let bytes = &buffer[offset..offset + piece.len()];
        for (page, by) in bytes.chunks_exact(PAGE).zip((0..).step_by(PAGE)) {
            let key = || match &piece.origin {
                Origin::Memory { is_shared: true } => Some(Key::of_content(page)),
                Origin::Image(place) if twins.are_wanted() => Some(Key::of_place(place, by as u64)),
                _ => None,
            };
            let fate = if drops_zeros && *page == [0; PAGE] {
                Fate::Zeros
            } else if let Some(key) = key() {
                let known = twins.find(&key);
                batch.known.push((offset + by, key));
                known.map_or(Fate::Keep, Fate::Again)
            } else {
                Fate::Keep
            };
            batch.push(piece.range.start + by as u64, offset + by, fate);
        }
        offset += piece.len();
    }
    batch
}

impl Batch {
    fn push(&mut self, at: u64, offset: usize, fate: Fate) {
        if let Some(last) = self.segments.last_mut() {
            let length = last.part.len() as u64;
            let goes_on = match (last.fate, fate) {
                (Fate::Again(before), Fate::Again(data)) => before + length == data,
                (before, fate) => before == fate,
            };
            if goes_on && last.at + length == at {
                last.part.end += PAGE;
                return;
            }
        }
        self.segments.push(Segment { at, part: offset..offset + PAGE, fate });
    }

    /// Zeros between pages that are kept are kept, if they are few.
    fn keep_small_gaps(&mut self) {
        for i in 1..self.segments.len().saturating_sub(1) {
            let [before, gap, after] = &self.segments[i - 1..=i + 1] else { continue };
            let end = |segment: &Segment| segment.at + segment.part.len() as u64;
            let is_gap = gap.fate == Fate::Zeros && gap.part.len() as u64 <= GAP;
            let is_between = before.fate == Fate::Keep && after.fate == Fate::Keep;
            if is_gap && is_between && end(before) == gap.at && end(gap) == after.at {
                self.segments[i].fate = Fate::Keep;
            }
        }
    }

    /// Moves what is kept to the front of the buffer. Where it was stays noted.
    fn compact(&self, buffer: &mut [u8]) {
        let mut to = 0;
        for segment in self.segments.iter().filter(|segment| segment.fate == Fate::Keep) {
            if to != segment.part.start {
                buffer.copy_within(segment.part.clone(), to);
            }
            to += segment.part.len();
        }
    }
}
