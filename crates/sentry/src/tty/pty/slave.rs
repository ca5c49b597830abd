//! The slave: what a program has as its terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SIGTTIN, SIGTTOU};

use super::{Pty, PtySlaveState, feed};
use crate::io::{Sink, Source};
use crate::mm::MemoryManager;
use crate::persist::{Saver, Unsavable};
use crate::tty::Tty;
use crate::tty::discipline::Discipline;
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps, Seek};
use crate::wait::{Readiness, WaitQueue};

/// Bytes copied at once.
const CHUNK: usize = 2048;

pub(super) struct Slave {
    pub(super) pty: Arc<Pty>,
    /// A reader has found nothing, and may be waiting.
    pub(super) waits: AtomicBool,
}

impl Slave {
    /// One more open file, which was counted.
    pub(super) fn new(pty: &Arc<Pty>) -> Self {
        Self { pty: Arc::clone(pty), waits: AtomicBool::new(false) }
    }
}

impl Drop for Slave {
    fn drop(&mut self) {
        self.pty.slave_closed();
    }
}

impl FileOps for Slave {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        // Who waited for input when the master closed is told; who comes later is at the end of the file.
        if !self.pty.state.lock().master_is_open() {
            return if self.waits.swap(false, Ordering::Relaxed) { Err(Errno::EIO) } else { Ok(0) };
        }
        if dst.remaining() == 0 {
            return Ok(0);
        }
        self.pty.tty.hold_background(SIGTTIN)?;
        let mut state = self.pty.state.lock();
        let Some(bytes) = state.line.peek(dst.remaining()) else {
            self.waits.store(true, Ordering::Relaxed);
            return Err(Errno::EAGAIN);
        };
        self.waits.store(false, Ordering::Relaxed);
        let n = dst.put(&bytes)?;
        state.line.consume(n);
        drop(state);
        self.pty.master_queue.notify(Readiness::WRITABLE);
        Ok(n)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let holds = self.pty.state.lock().line.modes().modes.local(c::TOSTOP);
        if holds {
            self.pty.tty.hold_background(SIGTTOU)?;
        }
        let mut state = self.pty.state.lock();
        if !state.master_is_open() {
            return Err(Errno::EIO);
        }
        let done = feed(&mut state.line, src, CHUNK, Discipline::output_room, Discipline::write)?;
        drop(state);
        if done == 0 && src.remaining() > 0 {
            return Err(Errno::EAGAIN);
        }
        self.pty.master_queue.notify(Readiness::READABLE);
        Ok(done)
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::ESPIPE)
    }

    fn poll(&self) -> Readiness {
        let state = self.pty.state.lock();
        if !state.master_is_open() {
            return Readiness::READABLE | Readiness::WRITABLE | Readiness::ERR | Readiness::HUP;
        }
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, state.line.is_readable());
        ready.set(Readiness::WRITABLE, state.line.output_room() > 0);
        ready
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.pty.slave_queue)
    }

    fn timeout(&self, ready: Readiness) -> Option<Duration> {
        let state = self.pty.state.lock();
        let (_, tenths) = state.line.min_time();
        (ready.contains(Readiness::IN) && tenths > 0 && state.line.ends_in_time())
            .then(|| Duration::from_millis(u64::from(tenths) * 100))
    }

    fn timeout_is_end(&self) -> bool {
        true
    }

    fn ioctl(&self, file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        self.pty.slave_ioctl(file, mem, request, arg)
    }

    fn terminal(&self) -> Option<&Arc<Tty>> {
        Some(&self.pty.tty)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PtySlave(PtySlaveState::save(self, saver)))
    }
}
