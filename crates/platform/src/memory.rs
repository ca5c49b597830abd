//! Requests about guest memory.

use std::ops::Range;
use std::os::fd::BorrowedFd;

bitflags::bitflags! {
    /// Access to a mapping (mmap(2)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Prot: u8 {
        /// PROT_READ
        const READ = 1;
        /// PROT_WRITE
        const WRITE = 2;
        /// PROT_EXEC
        const EXEC = 4;
    }
}

/// Where the pages of a mapping come from.
#[derive(Clone, Copy, Debug)]
pub enum Backing<'a> {
    /// Private, zero-filled.
    Anonymous,
    /// A file's bytes from an offset, copied on write.
    Private(BorrowedFd<'a>, u64),
    /// A file's own pages from an offset.
    Shared(BorrowedFd<'a>, u64),
}

/// Advice that the host's kernel carries out on guest pages (madvise(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in madvise(2)")]
pub enum Advice {
    Normal,
    Random,
    Sequential,
    WillNeed,
    DontNeed,
    Free,
    DontFork,
    DoFork,
    WipeOnFork,
    KeepOnFork,
    HugePage,
    NoHugePage,
    Cold,
    PageOut,
    PopulateRead,
    PopulateWrite,
}

/// One change of an address space. Ranges are page-aligned, non-empty and inside
/// [`Layout::usable`](crate::Layout::usable); the platform refuses others with EINVAL.
#[derive(Clone, Debug)]
pub enum MemoryOp<'a> {
    /// Map `range` anew, over whatever is there (MAP_FIXED). `no_reserve`: MAP_NORESERVE; `populate`: MAP_POPULATE.
    #[expect(missing_docs, reason = "said above")]
    Map { range: Range<u64>, prot: Prot, backing: Backing<'a>, no_reserve: bool, populate: bool },
    /// munmap(2).
    Unmap(Range<u64>),
    /// mprotect(2).
    Protect(Range<u64>, Prot),
    /// mremap(2) with MREMAP_MAYMOVE|MREMAP_FIXED to another place, over whatever is there; `keep_old`: MREMAP_DONTUNMAP.
    #[expect(missing_docs, reason = "said above")]
    Move { from: Range<u64>, to: Range<u64>, keep_old: bool },
    /// mremap(2) in place, from the first length to the second.
    #[expect(missing_docs, reason = "said above")]
    Resize { start: u64, old_len: u64, new_len: u64 },
    /// madvise(2).
    Advise(Range<u64>, Advice),
}

/// An update of a guest word that must be atomic with respect to guest threads (futex(2): FUTEX_WAKE_OP, PI, robust
/// lists). All return the old value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    /// Store.
    Set(u32),
    /// Add, wrapping.
    Add(u32),
    /// Or.
    Or(u32),
    /// And not.
    AndNot(u32),
    /// Exclusive or.
    Xor(u32),
    /// Store the second value if the word holds the first.
    CompareExchange(u32, u32),
}
