//! Guest memory as pages in a map.

use crate::host::errno;
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use stockade_abi::Errno;

use crate::{Advice, Backing, Layout, MemoryOp, OwnPages, Prot, SharedMemory};

const PAGE: u64 = 4096;

/// What a page's bytes are.
#[derive(Clone)]
enum Bytes {
    /// Zeros until written.
    Private(Option<Box<[u8; PAGE as usize]>>),
    /// A page of a mapped file.
    Shared(Arc<SharedMemory>, usize),
}

#[derive(Clone)]
struct Page {
    prot: Prot,
    bytes: Bytes,
}

/// The pages of an address space, by address.
#[derive(Clone, Default)]
pub(super) struct Pages(BTreeMap<u64, Page>);

fn check(layout: &Layout, range: &Range<u64>) -> Result<(), Errno> {
    let aligned = range.start.is_multiple_of(PAGE) && range.end.is_multiple_of(PAGE);
    let inside =
        range.start < range.end && range.start >= layout.usable.start && range.end <= layout.usable.end;
    if aligned && inside { Ok(()) } else { Err(Errno::EINVAL) }
}

fn pages(range: &Range<u64>) -> impl Iterator<Item = u64> {
    range.clone().step_by(PAGE as usize)
}

impl Pages {
    pub(super) fn apply(&mut self, layout: &Layout, op: &MemoryOp<'_>) -> Result<(), Errno> {
        match op {
            MemoryOp::Map { range, prot, backing, .. } => {
                check(layout, range)?;
                self.map(range, *prot, *backing)
            }
            MemoryOp::Unmap(range) => {
                check(layout, range)?;
                self.take(range);
                Ok(())
            }
            MemoryOp::Protect(range, prot) => {
                check(layout, range)?;
                self.all_mapped(range)?;
                self.0.range_mut(range.clone()).for_each(|(_, page)| page.prot = *prot);
                Ok(())
            }
            MemoryOp::Move { from, to, keep_old } => {
                check(layout, from)?;
                check(layout, to)?;
                self.all_mapped(from).map_err(|_| Errno::EFAULT)?;
                let moved = self.take(from);
                self.take(to);
                for (at, page) in moved {
                    if *keep_old {
                        self.0.insert(at, Page { prot: page.prot, bytes: Bytes::Private(None) });
                    }
                    let new = at - from.start + to.start;
                    if new < to.end {
                        self.0.insert(new, page);
                    }
                }
                Ok(())
            }
            MemoryOp::Resize { start, old_len, new_len } => self.resize(layout, *start, *old_len, *new_len),
            MemoryOp::Advise(range, advice) => {
                check(layout, range)?;
                self.all_mapped(range)?;
                if *advice == Advice::DontNeed {
                    for (_, page) in self.0.range_mut(range.clone()) {
                        if let Bytes::Private(bytes) = &mut page.bytes {
                            *bytes = None;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn map(&mut self, range: &Range<u64>, prot: Prot, backing: Backing<'_>) -> Result<(), Errno> {
        let len = (range.end - range.start) as usize;
        let shared = match backing {
            Backing::Shared(fd, offset) => Some(Arc::new(SharedMemory::map(fd, offset, len)?)),
            _ => None,
        };
        self.take(range);
        for at in pages(range) {
            let bytes = match (&shared, backing) {
                (Some(memory), _) => Bytes::Shared(Arc::clone(memory), (at - range.start) as usize),
                (None, Backing::Private(fd, offset)) => {
                    Bytes::Private(Some(file_page(fd, offset + (at - range.start))?))
                }
                (None, _) => Bytes::Private(None),
            };
            self.0.insert(at, Page { prot, bytes });
        }
        Ok(())
    }

    fn resize(&mut self, layout: &Layout, start: u64, old_len: u64, new_len: u64) -> Result<(), Errno> {
        let end = |len: u64| start.checked_add(len).ok_or(Errno::EINVAL);
        let (old, new) = (start..end(old_len)?, start..end(new_len)?);
        check(layout, &old)?;
        check(layout, &new)?;
        self.all_mapped(&old).map_err(|_| Errno::EFAULT)?;
        if new.end < old.end {
            self.take(&(new.end..old.end));
            return Ok(());
        }
        if self.0.range(old.end..new.end).next().is_some() {
            return Err(Errno::ENOMEM);
        }
        let prot = self.0.get(&start).map_or(Prot::empty(), |page| page.prot);
        for at in pages(&(old.end..new.end)) {
            self.0.insert(at, Page { prot, bytes: Bytes::Private(None) });
        }
        Ok(())
    }

    fn take(&mut self, range: &Range<u64>) -> BTreeMap<u64, Page> {
        let mut taken = self.0.split_off(&range.start);
        self.0.append(&mut taken.split_off(&range.end));
        taken
    }

    fn all_mapped(&self, range: &Range<u64>) -> Result<(), Errno> {
        if pages(range).all(|at| self.0.contains_key(&at)) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Calls `each` with parts of a range, page by page, as long as they are accessible; returns how far that went.
    fn walk(
        &mut self,
        addr: u64,
        len: usize,
        need: Prot,
        mut each: impl FnMut(&mut Bytes, usize, Range<usize>),
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < len {
            let Some(at) = addr.checked_add(done as u64) else { break };
            let offset = (at % PAGE) as usize;
            let n = (len - done).min(PAGE as usize - offset);
            match self.0.get_mut(&(at - offset as u64)) {
                Some(page) if page.prot.contains(need) => each(&mut page.bytes, offset, done..done + n),
                _ => break,
            }
            done += n;
        }
        if done == 0 && len > 0 { Err(Errno::EFAULT) } else { Ok(done) }
    }

    pub(super) fn read(&mut self, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
        self.walk(addr, local.len(), Prot::READ, |bytes, offset, part| {
            let local = &mut local[part];
            match bytes {
                Bytes::Private(None) => local.fill(0),
                Bytes::Private(Some(page)) => local.copy_from_slice(&page[offset..offset + local.len()]),
                Bytes::Shared(memory, base) => {
                    if let Ok(slice) = memory.slice(*base + offset, local.len()) {
                        slice.read(local);
                    }
                }
            }
        })
    }

    pub(super) fn write(&mut self, addr: u64, local: &[u8]) -> Result<usize, Errno> {
        self.walk(addr, local.len(), Prot::WRITE, |bytes, offset, part| {
            let local = &local[part];
            match bytes {
                Bytes::Private(page) => {
                    let page = page.get_or_insert_with(|| Box::new([0; PAGE as usize]));
                    page[offset..offset + local.len()].copy_from_slice(local);
                }
                Bytes::Shared(memory, base) => {
                    if let Ok(slice) = memory.slice(*base + offset, local.len()) {
                        slice.write(local);
                    }
                }
            }
        })
    }

    pub(super) fn resident(&self, range: &Range<u64>) -> Result<Vec<u8>, Errno> {
        self.all_mapped(range)?;
        let resident = |page: &Page| u8::from(!matches!(page.bytes, Bytes::Private(None)));
        Ok(self.0.range(range.clone()).map(|(_, page)| resident(page)).collect())
    }

    /// Each page for itself. What is a file's is not known.
    pub(super) fn own(&self, range: &Range<u64>) -> Vec<OwnPages> {
        let own =
            self.0.range(range.clone()).filter(|(_, page)| matches!(page.bytes, Bytes::Private(Some(_))));
        own.map(|(&at, _)| OwnPages { range: at..at + PAGE, is_shared: false }).collect()
    }

    pub(super) fn resident_size(&self) -> u64 {
        self.0.values().filter(|page| !matches!(page.bytes, Bytes::Private(None))).count() as u64 * PAGE
    }
}

/// A copy of a file's page, zeros behind its end.
fn file_page(fd: BorrowedFd<'_>, offset: u64) -> Result<Box<[u8; PAGE as usize]>, Errno> {
    let mut page = Box::new([0; PAGE as usize]);
    let mut done = 0;
    while done < page.len() {
        match rustix::io::pread(fd, &mut page[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) => return Err(errno(e)),
        }
    }
    Ok(page)
}
