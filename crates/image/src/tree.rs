//! The hash tree over page data: a leaf for each chunk, and the root over all leaves. The hash is BLAKE3.

use crate::Error;
use zerocopy::byteorder::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A chunk as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Of its bytes in the file.
    pub(crate) hash: [u8; 32],
    /// Bytes in the file.
    pub(crate) stored: u64,
}

/// Bytes of a leaf in the file.
pub(crate) const RECORD: u64 = size_of::<Record>() as u64;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    hash: [u8; 32],
    stored: U64,
}

impl Leaf {
    pub(crate) fn of(stored: &[u8]) -> Self {
        Self { hash: blake3::hash(stored).into(), stored: stored.len() as u64 }
    }
}

/// As they stand in the file.
pub(crate) fn encode(leaves: &[Leaf]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(leaves.len() * RECORD as usize);
    for leaf in leaves {
        bytes.extend_from_slice(Record { hash: leaf.hash, stored: leaf.stored.into() }.as_bytes());
    }
    bytes
}

/// From the file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Leaf>, Error> {
    let records =
        <[Record]>::ref_from_bytes(bytes).map_err(|_| Error::damaged("its hash tree ends in the middle"))?;
    Ok(records.iter().map(|r| Leaf { hash: r.hash, stored: r.stored.get() }).collect())
}

/// Of the leaves as they stand in the file.
pub(crate) fn root(leaves: &[u8]) -> [u8; 32] {
    blake3::hash(leaves).into()
}
