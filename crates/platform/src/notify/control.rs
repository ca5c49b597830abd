//! The pages in which helpers find their commands: one memfd, of which each stub maps its own page, readable only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use stockade_abi::Errno;

use super::channel::Op;
use super::error::errno;
use super::layout as l;
use crate::SharedMemory;

/// Stubs that can be at once.
const PAGES: u32 = 16384;

/// All control pages. Sparse: only pages in use take memory.
#[derive(Debug)]
pub(crate) struct ControlMemory {
    memory: SharedMemory,
    /// What stubs map: its seals let nobody write but us.
    fd: OwnedFd,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    returned: Vec<u32>,
    next: u32,
}

/// One page, given back on drop.
#[derive(Debug)]
pub(crate) struct ControlPage {
    memory: Arc<ControlMemory>,
    index: u32,
}

impl ControlMemory {
    pub(crate) fn new() -> Result<Arc<Self>, Errno> {
        let fd = memfd_create("stockade-control", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(errno)?;
        let len = u64::from(PAGES) * l::PAGE;
        ftruncate(&fd, len).map_err(errno)?;
        let memory = SharedMemory::map(&fd, 0, len as usize)?;
        // Our mapping stays writable; nobody can make another one, nor change the size.
        let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals).map_err(errno)?;
        Ok(Arc::new(Self { memory, fd, free: Mutex::default() }))
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn page(self: &Arc<Self>) -> Result<Arc<ControlPage>, Errno> {
        let mut free = self.free.lock();
        let index = match free.returned.pop() {
            Some(index) => index,
            None if free.next < PAGES => {
                free.next += 1;
                free.next - 1
            }
            None => return Err(Errno::EAGAIN),
        };
        Ok(Arc::new(ControlPage { memory: Arc::clone(self), index }))
    }
}

impl ControlPage {
    /// Its offset in the memfd.
    pub(crate) fn offset(&self) -> u64 {
        u64::from(self.index) * l::PAGE
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        // Every page lies inside the memory, and `at` inside the page.
        if let Ok(slice) = self.memory.memory.slice(self.offset() as usize + at, bytes.len()) {
            slice.write(bytes);
        }
    }

    /// Header and operations. The helper reads them after the datagram that follows, which orders the two.
    pub(crate) fn write_batch(&self, ops: &[Op], fds: usize) {
        let mut bytes = [0; l::OPS_OFFSET + l::MAX_OPS * l::OP_SIZE];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        put(0, ops.len() as u64 | (fds as u64) << 32);
        for (i, op) in ops.iter().take(l::MAX_OPS).enumerate() {
            let at = l::OPS_OFFSET + i * l::OP_SIZE;
            put(at, op.nr);
            for (j, &arg) in op.args.iter().enumerate() {
                put(at + 8 + 8 * j, arg);
            }
            put(at + 56, op.kind);
        }
        self.write(0, &bytes[..l::OPS_OFFSET + ops.len().min(l::MAX_OPS) * l::OP_SIZE]);
    }

    /// Data at an offset of the data half; returns its address in the stub.
    pub(crate) fn put(&self, at: usize, bytes: &[u8]) -> Result<u64, Errno> {
        let at = l::DATA_OFFSET + at;
        if at + bytes.len() > l::PAGE as usize {
            return Err(Errno::EINVAL);
        }
        self.write(at, bytes);
        Ok(l::CONTROL + at as u64)
    }
}

impl Drop for ControlPage {
    fn drop(&mut self) {
        self.memory.free.lock().returned.push(self.index);
    }
}
