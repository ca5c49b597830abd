//! Changes of guest memory, as the helper's operations.

use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use stockade_abi::Errno;

use super::channel::Op;
use super::layout as l;
use super::process::Stub;
use crate::{Advice, AtomicOp, Backing, Layout, MemoryOp, Prot};

/// Carries out changes, as many at a time as a batch takes.
pub(crate) fn apply(stub: &Stub, changes: &[MemoryOp<'_>]) -> Result<(), (usize, Errno)> {
    let mut done = 0;
    while done < changes.len() {
        let (mut ops, mut fds, mut invalid) = (Vec::with_capacity(4), Vec::new(), None);
        for change in &changes[done..] {
            if ops.len() == l::MAX_OPS || fds.len() == l::MAX_FDS {
                break;
            }
            match encode(&stub.shared.layout, change, &mut fds) {
                Ok(op) => ops.push(op),
                Err(e) => {
                    invalid = Some(e);
                    break;
                }
            }
        }
        if !ops.is_empty() {
            stub.run(&ops, &fds).map_err(|(i, e)| (done + i, e))?;
        }
        done += ops.len();
        if let Some(e) = invalid {
            return Err((done, e));
        }
    }
    Ok(())
}

/// Length of a range that a guest may have.
fn check(layout: &Layout, range: &Range<u64>) -> Result<u64, Errno> {
    let aligned = range.start.is_multiple_of(l::PAGE) && range.end.is_multiple_of(l::PAGE);
    let inside =
        range.start < range.end && range.start >= layout.usable.start && range.end <= layout.usable.end;
    let free = layout.reserved.iter().all(|r| range.end <= r.start || range.start >= r.end);
    if aligned && inside && free { Ok(range.end - range.start) } else { Err(Errno::EINVAL) }
}

fn encode<'a>(layout: &Layout, change: &MemoryOp<'a>, fds: &mut Vec<BorrowedFd<'a>>) -> Result<Op, Errno> {
    Ok(match change {
        MemoryOp::Map { range, prot, backing, no_reserve, populate } => {
            let len = check(layout, range)?;
            let mut flags = libc::MAP_FIXED;
            let mut add = |fd: BorrowedFd<'a>| {
                let known = fds.iter().position(|other| other.as_raw_fd() == fd.as_raw_fd());
                known.unwrap_or_else(|| {
                    fds.push(fd);
                    fds.len() - 1
                }) as u64
                    + 1
            };
            let (kind, fd, offset) = match *backing {
                Backing::Anonymous => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, u64::MAX, 0),
                Backing::Private(fd, offset) => (libc::MAP_PRIVATE, add(fd), offset),
                Backing::Shared(fd, offset) => (libc::MAP_SHARED, add(fd), offset),
            };
            flags |= kind;
            if *no_reserve {
                flags |= libc::MAP_NORESERVE;
            }
            if *populate {
                flags |= libc::MAP_POPULATE;
            }
            Op::call(libc::SYS_mmap, [range.start, len, host_prot(*prot), flags as u64, fd, offset])
        }
        MemoryOp::Unmap(range) => {
            Op::call(libc::SYS_munmap, [range.start, check(layout, range)?, 0, 0, 0, 0])
        }
        MemoryOp::Protect(range, prot) => {
            Op::call(libc::SYS_mprotect, [range.start, check(layout, range)?, host_prot(*prot), 0, 0, 0])
        }
        MemoryOp::Move { from, to, keep_old } => {
            let (old, new) = (check(layout, from)?, check(layout, to)?);
            let mut flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            if *keep_old {
                flags |= libc::MREMAP_DONTUNMAP;
            }
            Op::call(libc::SYS_mremap, [from.start, old, new, flags as u64, to.start, 0])
        }
        MemoryOp::Resize { start, old_len, new_len } => {
            let end = |len: u64| start.checked_add(len).ok_or(Errno::EINVAL);
            check(layout, &(*start..end(*old_len)?))?;
            check(layout, &(*start..end(*new_len)?))?;
            Op::call(libc::SYS_mremap, [*start, *old_len, *new_len, 0, 0, 0])
        }
        MemoryOp::Advise(range, advice) => {
            Op::call(libc::SYS_madvise, [range.start, check(layout, range)?, host_advice(*advice), 0, 0, 0])
        }
    })
}

/// The host's PROT_ bits have the same values.
fn host_prot(prot: Prot) -> u64 {
    u64::from(prot.bits() & 7)
}

fn host_advice(advice: Advice) -> u64 {
    let advice = match advice {
        Advice::Normal => libc::MADV_NORMAL,
        Advice::Random => libc::MADV_RANDOM,
        Advice::Sequential => libc::MADV_SEQUENTIAL,
        Advice::WillNeed => libc::MADV_WILLNEED,
        Advice::DontNeed => libc::MADV_DONTNEED,
        Advice::Free => libc::MADV_FREE,
        Advice::DontFork => libc::MADV_DONTFORK,
        Advice::DoFork => libc::MADV_DOFORK,
        Advice::WipeOnFork => libc::MADV_WIPEONFORK,
        Advice::KeepOnFork => libc::MADV_KEEPONFORK,
        Advice::HugePage => libc::MADV_HUGEPAGE,
        Advice::NoHugePage => libc::MADV_NOHUGEPAGE,
        Advice::Cold => libc::MADV_COLD,
        Advice::PageOut => libc::MADV_PAGEOUT,
        Advice::PopulateRead => libc::MADV_POPULATE_READ,
        Advice::PopulateWrite => libc::MADV_POPULATE_WRITE,
    };
    advice as u64
}

/// An atomic update by the helper's own instructions.
pub(crate) fn atomic(stub: &Stub, addr: u64, op: AtomicOp) -> Result<u32, Errno> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if addr >= stub.shared.layout.usable.end {
        return Err(Errno::EFAULT);
    }
    // What to and, xor and add; or what to compare with.
    let (and, xor, add, expected) = match op {
        AtomicOp::Set(v) => (0, v, 0, None),
        AtomicOp::Add(v) => (!0, 0, v, None),
        AtomicOp::Or(v) => (!v, v, 0, None),
        AtomicOp::AndNot(v) => (!v, 0, 0, None),
        AtomicOp::Xor(v) => (!0, v, 0, None),
        AtomicOp::CompareExchange(expected, v) => (0, v, 0, Some(expected)),
    };
    let [and, xor, add] = [and, xor, add].map(u64::from);
    let args = [addr, and, xor, add, expected.unwrap_or(0).into(), expected.is_some().into()];
    let op = Op { nr: l::OP_ATOMIC, args, kind: l::KIND_PLAIN };
    let mut old = [0; 4];
    stub.run_and_read(op, l::ATOMIC_RESULT, &mut old)?;
    Ok(u32::from_ne_bytes(old))
}

/// membarrier(2) by the helper, which shares the memory of all threads concerned. To register again costs nothing.
pub(crate) fn barrier(stub: &Stub, code: bool) -> Result<(), Errno> {
    let commands = if code { l::BARRIER_CODE } else { l::BARRIER };
    let ops = commands.map(|command| Op::call(libc::SYS_membarrier, [command.into(), 0, 0, 0, 0, 0]));
    stub.run(&ops, &[]).map_err(|(_, e)| e)
}

/// mincore(2) by the helper, into memory that guests can write: what it says is told to a guest only.
pub(crate) fn resident(stub: &Stub, range: Range<u64>) -> Result<Vec<u8>, Errno> {
    let pages = check(&stub.shared.layout, &range)? / l::PAGE;
    let mut found = Vec::new();
    let mut at = range.start;
    let mut left = pages;
    while left > 0 {
        let n = left.min(l::PAGE);
        let op = Op::call(libc::SYS_mincore, [at, n * l::PAGE, l::RESIDENT, 0, 0, 0]);
        let mut bytes = vec![0; n as usize];
        stub.run_and_read(op, l::RESIDENT, &mut bytes)?;
        found.extend(bytes.into_iter().map(|b| b & 1));
        at += n * l::PAGE;
        left -= n;
    }
    Ok(found)
}
