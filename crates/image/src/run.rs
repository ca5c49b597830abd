//! The index: which pages are where.

use crate::Error;
use zerocopy::byteorder::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Pages of one memory object that lie one behind the other in the image too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The memory object, by a number that the kernel state gives it.
    pub object: u64,
    /// Address or offset of the first page in the object; a multiple of the page size.
    pub address: u64,
    /// Bytes; a multiple of the page size, not 0.
    pub length: u64,
    /// Offset of the first page in page data; a multiple of the page size. Runs of two objects may have the same pages.
    pub data: u64,
}

/// Bytes of a run in the file.
pub(crate) const RECORD: u64 = size_of::<Record>() as u64;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    object: U64,
    address: U64,
    length: U64,
    data: U64,
}

impl Run {
    /// First address or offset behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.length)
    }

    /// Whether `next` goes on where this one ends, in the object as in page data.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.object == next.object
            && self.address.checked_add(self.length) == Some(next.address)
            && self.data.checked_add(self.length) == Some(next.data)
    }

    fn check(&self, page: u64, data: u64) -> Result<(), &'static str> {
        let Self { address, length, data: at, .. } = *self;
        if length == 0 || [address, length, at].iter().any(|n| n % page != 0) {
            return Err("is empty or not of whole pages");
        }
        if address.checked_add(length).is_none() {
            return Err("ends beyond the last address");
        }
        if at.checked_add(length).is_none_or(|end| end > data) {
            return Err("ends beyond the page data");
        }
        Ok(())
    }
}

/// Adds a run to a list, to its last one if it continues that.
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.is_continued_by(&run) => last.length += run.length,
        _ => runs.push(run),
    }
}

/// Checks runs: of whole pages, inside `data` bytes of page data, in order of object and address, none over another.
pub(crate) fn check(runs: &[Run], page: u64, data: u64) -> Result<(), String> {
    let mut last: Option<&Run> = None;
    for (n, run) in runs.iter().enumerate() {
        run.check(page, data).map_err(|what| format!("run {n} of its pages {what}"))?;
        if last.is_some_and(|last| (run.object, run.address) < (last.object, last.end())) {
            return Err(format!("run {n} of its pages overlaps or precedes the one before"));
        }
        last = Some(run);
    }
    Ok(())
}

/// As they stand in the file.
pub(crate) fn encode(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(runs.len() * RECORD as usize);
    for &Run { object, address, length, data } in runs {
        let record = Record {
            object: object.into(),
            address: address.into(),
            length: length.into(),
            data: data.into(),
        };
        bytes.extend_from_slice(record.as_bytes());
    }
    bytes
}

/// From the file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Run>, Error> {
    let records = <[Record]>::ref_from_bytes(bytes)
        .map_err(|_| Error::damaged("its index ends in the middle of a run"))?;
    let run = |r: &Record| Run {
        object: r.object.get(),
        address: r.address.get(),
        length: r.length.get(),
        data: r.data.get(),
    };
    Ok(records.iter().map(run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn run(object: u64, address: u64, length: u64, data: u64) -> Run {
        Run { object, address: address * PAGE, length: length * PAGE, data: data * PAGE }
    }

    #[test]
    fn neighbours_become_one() {
        let mut runs = Vec::new();
        for next in [run(1, 0, 1, 0), run(1, 1, 2, 1), run(1, 4, 1, 3), run(2, 5, 1, 4), run(2, 6, 1, 6)] {
            push(&mut runs, next);
        }
        assert_eq!(runs, [run(1, 0, 3, 0), run(1, 4, 1, 3), run(2, 5, 1, 4), run(2, 6, 1, 6)]);
        assert_eq!(decode(&encode(&runs)).unwrap(), runs);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |runs: &[Run]| check(runs, PAGE, 8 * PAGE);
        assert_eq!(check(&[run(1, 0, 3, 0), run(1, 3, 1, 0), run(2, 0, 8, 0)]), Ok(()));
        for bad in [
            vec![run(1, 0, 0, 0)],
            vec![run(1, 0, 3, 6)],
            vec![Run { object: 1, address: 1, length: PAGE, data: 0 }],
            vec![Run { object: 1, address: 0, length: PAGE + 1, data: 0 }],
            vec![Run { object: 1, address: 0, length: PAGE, data: 8 }],
            vec![Run { object: 1, address: u64::MAX - PAGE + 1, length: PAGE, data: 0 }],
            vec![Run { object: 1, address: 0, length: PAGE, data: u64::MAX - PAGE + 1 }],
            vec![run(1, 0, 3, 0), run(1, 2, 1, 0)],
            vec![run(2, 0, 1, 0), run(1, 0, 1, 0)],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}
