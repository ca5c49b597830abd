//! Files with holes: GNU's sparse format 1.0. Before the data stands a map: the number of pieces, and of each the offset and
//! the length, as decimal numbers with a line each, filled up to a block.

use std::io::{self, Read};

use super::invalid;

/// Pieces that a file may have.
pub(super) const MAX_PIECES: usize = 65536;

const BLOCK: usize = 512;

/// The map in a stream.
pub(super) fn map(pieces: &[(u64, u64)]) -> Vec<u8> {
    let mut text = format!("{}\n", pieces.len());
    for (offset, len) in pieces {
        text.push_str(&format!("{offset}\n{len}\n"));
    }
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// Reads the map of a file of `size` bytes: its pieces, in order and within the file.
pub(super) fn read_map(data: &mut impl Read, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut numbers = Numbers { data, block: [0; BLOCK], at: BLOCK };
    let count = usize::try_from(numbers.next()?).unwrap_or(usize::MAX);
    if count > MAX_PIECES {
        return Err(invalid("a file in the archive has too many holes"));
    }
    let mut pieces = Vec::new();
    let mut end = 0;
    for _ in 0..count {
        let (offset, len) = (numbers.next()?, numbers.next()?);
        let next = offset.checked_add(len).filter(|next| offset >= end && *next <= size);
        end = next.ok_or_else(|| invalid("a file in the archive has holes that cannot be"))?;
        pieces.push((offset, len));
    }
    Ok(pieces)
}

struct Numbers<'a, R> {
    data: &'a mut R,
    block: [u8; BLOCK],
    at: usize,
}

impl<R: Read> Numbers<'_, R> {
    fn next(&mut self) -> io::Result<u64> {
        let wrong = || invalid("a file in the archive has a map of holes that is none");
        let mut number: Option<u64> = None;
        loop {
            if self.at == BLOCK {
                self.data.read_exact(&mut self.block)?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            match (byte, number) {
                (b'\n', Some(number)) => return Ok(number),
                (b'0'..=b'9', so_far) => {
                    let tens = so_far.unwrap_or(0).checked_mul(10);
                    number =
                        Some(tens.and_then(|n| n.checked_add(u64::from(byte - b'0'))).ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
    }
}
