//! An address space of the mock.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use stockade_abi::Errno;

use super::Programs;
use super::guest::Link;
use super::pages::Pages;
use super::thread::Thread;
use crate::{AddressSpace, AtomicOp, GuestThread, Layout, MemoryOp, OwnPages, SharedSlice};

/// What threads share.
pub(super) struct Memory {
    pub(super) layout: Layout,
    pub(super) programs: Arc<Programs>,
    pub(super) pages: Mutex<Pages>,
    pub(super) killed: AtomicBool,
    /// Threads, to be woken when all are killed.
    pub(super) links: Mutex<Vec<Arc<Link>>>,
}

impl Memory {
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        for link in self.links.lock().drain(..) {
            link.kill();
        }
    }

    fn alive(&self) -> Result<(), Errno> {
        if self.killed.load(Ordering::SeqCst) { Err(Errno::ESRCH) } else { Ok(()) }
    }
}

/// The kernel's handle.
pub(super) struct Space(Arc<Memory>);

impl Space {
    pub(super) fn new(layout: Layout, programs: Arc<Programs>) -> Self {
        Self::with(layout, programs, Pages::default())
    }

    fn with(layout: Layout, programs: Arc<Programs>, pages: Pages) -> Self {
        Self(Arc::new(Memory {
            layout,
            programs,
            pages: Mutex::new(pages),
            killed: AtomicBool::new(false),
            links: Mutex::default(),
        }))
    }
}

impl AddressSpace for Space {
    fn apply(&self, ops: &[MemoryOp<'_>]) -> Result<(), (usize, Errno)> {
        self.0.alive().map_err(|e| (0, e))?;
        let mut pages = self.0.pages.lock();
        ops.iter().enumerate().try_for_each(|(i, op)| pages.apply(&self.0.layout, op).map_err(|e| (i, e)))
    }

    fn fork(&self) -> Result<Arc<dyn AddressSpace>, Errno> {
        self.0.alive()?;
        let pages = self.0.pages.lock().clone();
        Ok(Arc::new(Self::with(self.0.layout.clone(), Arc::clone(&self.0.programs), pages)))
    }

    fn new_thread(&self) -> Result<Box<dyn GuestThread>, Errno> {
        self.0.alive()?;
        Ok(Box::new(Thread::new(&self.0)))
    }

    fn read(&self, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
        self.0.alive()?;
        self.0.pages.lock().read(addr, local)
    }

    fn write(&self, addr: u64, local: &[u8]) -> Result<usize, Errno> {
        self.0.alive()?;
        self.0.pages.lock().write(addr, local)
    }

    fn read_vectored(&self, remote: &[(u64, usize)], local: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        let wanted: usize = remote.iter().map(|r| r.1).sum();
        let mut bytes = vec![0; wanted.min(local.iter().map(|l| l.len()).sum())];
        let done = vectored(remote, bytes.len(), |addr, part| self.read(addr, &mut bytes[part]))?;
        let mut rest = &bytes[..done];
        for slice in local {
            let (now, later) = rest.split_at(rest.len().min(slice.len()));
            slice[..now.len()].copy_from_slice(now);
            rest = later;
        }
        Ok(done)
    }

    fn peek(&self, remote: &[(u64, usize)], local: &mut [u8]) -> Result<usize, Errno> {
        self.read_vectored(remote, &mut [IoSliceMut::new(local)])
    }

    fn write_vectored(&self, remote: &[(u64, usize)], local: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let bytes: Vec<u8> = local.iter().flat_map(|slice| slice.iter().copied()).collect();
        vectored(remote, bytes.len(), |addr, part| self.write(addr, &bytes[part]))
    }

    fn read_to_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno> {
        let mut bytes = vec![0; local.len()];
        let n = self.read(addr, &mut bytes)?;
        Ok(local.write(&bytes[..n]))
    }

    fn write_from_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno> {
        let mut bytes = vec![0; local.len()];
        local.read(&mut bytes);
        self.write(addr, &bytes)
    }

    fn load_u32(&self, addr: u64) -> Result<u32, Errno> {
        if !addr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 4];
        self.read(addr, &mut bytes).map(|_| u32::from_ne_bytes(bytes))
    }

    fn atomic_u32(&self, addr: u64, op: AtomicOp) -> Result<u32, Errno> {
        if !addr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        self.0.alive()?;
        let mut pages = self.0.pages.lock();
        let mut bytes = [0; 4];
        pages.read(addr, &mut bytes)?;
        let old = u32::from_ne_bytes(bytes);
        let new = match op {
            AtomicOp::Set(v) => v,
            AtomicOp::Add(v) => old.wrapping_add(v),
            AtomicOp::Or(v) => old | v,
            AtomicOp::AndNot(v) => old & !v,
            AtomicOp::Xor(v) => old ^ v,
            AtomicOp::CompareExchange(expected, v) => {
                if old == expected {
                    v
                } else {
                    old
                }
            }
        };
        pages.write(addr, &new.to_ne_bytes())?;
        Ok(old)
    }

    fn resident(&self, range: Range<u64>) -> Result<Vec<u8>, Errno> {
        self.0.pages.lock().resident(&range)
    }

    fn own_pages(&self, range: Range<u64>, _sharing: bool) -> Result<Vec<OwnPages>, Errno> {
        Ok(self.0.pages.lock().own(&range))
    }

    fn barrier(&self, _code: bool) -> Result<(), Errno> {
        // Mock guests reach their memory under a lock only.
        Ok(())
    }

    fn private_size(&self, _divided: bool) -> u64 {
        self.resident_size()
    }

    fn resident_size(&self) -> u64 {
        self.0.pages.lock().resident_size()
    }

    fn host_pid(&self) -> i32 {
        0
    }

    fn kill(&self) {
        self.0.kill();
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Goes through remote ranges while they are accessible and local bytes are left.
fn vectored(
    remote: &[(u64, usize)],
    total: usize,
    mut copy: impl FnMut(u64, Range<usize>) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut done = 0;
    for &(addr, len) in remote {
        let n = len.min(total - done);
        if n == 0 {
            continue;
        }
        match copy(addr, done..done + n) {
            Ok(copied) => {
                done += copied;
                if copied < n {
                    break;
                }
            }
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}
