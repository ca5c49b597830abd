//! An address space: guest memory as one stub holds it.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;

use stockade_abi::Errno;

use super::ops;
use super::process::Stub;
use super::thread::Thread;
use super::{layout as l, memory, pagemap, procfs};
use crate::{AddressSpace, AtomicOp, GuestThread, MemoryOp, OwnPages, SharedSlice};

/// The handle that the kernel holds; the stub ends with it.
pub(crate) struct Space(pub(crate) Arc<Stub>);

impl Space {
    fn pid(&self) -> i32 {
        self.0.pid()
    }
}

impl AddressSpace for Space {
    fn apply(&self, changes: &[MemoryOp<'_>]) -> Result<(), (usize, Errno)> {
        ops::apply(&self.0, changes)
    }

    fn fork(&self) -> Result<Arc<dyn AddressSpace>, Errno> {
        Ok(Arc::new(Self(self.0.fork()?)))
    }

    fn new_thread(&self) -> Result<Box<dyn GuestThread>, Errno> {
        Ok(Box::new(Thread::new(&self.0)?))
    }

    fn read(&self, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
        memory::read(self.pid(), addr, local)
    }

    fn write(&self, addr: u64, local: &[u8]) -> Result<usize, Errno> {
        memory::write(self.pid(), addr, local)
    }

    fn read_vectored(&self, remote: &[(u64, usize)], local: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        memory::read_vectored(self.pid(), remote, local)
    }

    fn peek(&self, remote: &[(u64, usize)], local: &mut [u8]) -> Result<usize, Errno> {
        memory::peek(&self.0.shared.proc, self.pid(), remote, local)
    }

    fn write_vectored(&self, remote: &[(u64, usize)], local: &[IoSlice<'_>]) -> Result<usize, Errno> {
        memory::write_vectored(self.pid(), remote, local)
    }

    fn read_to_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno> {
        memory::read_to_shared(self.pid(), addr, local)
    }

    fn write_from_shared(&self, addr: u64, local: SharedSlice<'_>) -> Result<usize, Errno> {
        memory::write_from_shared(self.pid(), addr, local)
    }

    fn load_u32(&self, addr: u64) -> Result<u32, Errno> {
        memory::load_u32(self.pid(), addr)
    }

    fn atomic_u32(&self, addr: u64, op: AtomicOp) -> Result<u32, Errno> {
        ops::atomic(&self.0, addr, op)
    }

    fn resident(&self, range: Range<u64>) -> Result<Vec<u8>, Errno> {
        ops::resident(&self.0, range)
    }

    fn own_pages(&self, range: Range<u64>, sharing: bool) -> Result<Vec<OwnPages>, Errno> {
        pagemap::own_pages(&self.0.shared.proc, self.pid(), &range, sharing)
    }

    fn barrier(&self, code: bool) -> Result<(), Errno> {
        ops::barrier(&self.0, code)
    }

    fn resident_size(&self) -> u64 {
        procfs::resident_pages(&self.0.shared.proc, self.pid()).unwrap_or(0) * l::PAGE
    }

    fn private_size(&self, divided: bool) -> u64 {
        let (proc, pid) = (&self.0.shared.proc, self.pid());
        let exact = divided.then(|| procfs::divided_size(proc, pid)).flatten();
        exact.or_else(|| procfs::private_pages(proc, pid).map(|pages| pages * l::PAGE)).unwrap_or(0)
    }

    fn host_pid(&self) -> i32 {
        self.pid()
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
