//! The master: what a terminal emulator has.

use std::sync::Arc;

use stockade_abi::Errno;

use super::{Pty, PtyMasterState, feed};
use crate::io::{Sink, Source};
use crate::mm::MemoryManager;
use crate::persist::{Saver, Unsavable};
use crate::tty::discipline::{Discipline, Effects};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps, Seek};
use crate::wait::{Readiness, WaitQueue};

/// Bytes copied at once.
const CHUNK: usize = 4096;

pub(super) struct Master(pub(super) Arc<Pty>);

impl Drop for Master {
    fn drop(&mut self) {
        self.0.master_closed();
    }
}

impl FileOps for Master {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let mut state = self.0.state.lock();
        let mut start = 0;
        if let Some(status) = &mut state.packet {
            if *status != 0 {
                return dst.put(&[std::mem::take(status)]);
            }
            start = 1;
        }
        let output = state.line.output();
        if output.is_empty() {
            return Err(if state.slave_has_gone() { Errno::EIO } else { Errno::EAGAIN });
        }
        let mut bytes = vec![0; start];
        bytes.extend(output.iter().take(dst.remaining().min(CHUNK) - start));
        let n = dst.put(&bytes)?;
        state.line.consume_output(n.saturating_sub(start));
        drop(state);
        self.0.slave_queue.notify(Readiness::WRITABLE);
        Ok(n)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let mut state = self.0.state.lock();
        // Before the first opening it is there, and takes what comes.
        if state.slave_has_gone() {
            return Err(Errno::EIO);
        }
        let mut effects = Effects::default();
        let input = |line: &mut Discipline, byte| line.input(byte, &mut effects);
        let done = feed(&mut state.line, src, CHUNK, Discipline::input_room, input)?;
        state.tell(effects.packet);
        drop(state);
        if done == 0 && src.remaining() > 0 {
            return Err(Errno::EAGAIN);
        }
        self.0.follow_up(&effects);
        Ok(done)
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::ESPIPE)
    }

    fn poll(&self) -> Readiness {
        let state = self.0.state.lock();
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, !state.line.output().is_empty());
        ready.set(Readiness::WRITABLE, state.line.input_room() > 0);
        if state.packet.is_some_and(|status| status != 0) {
            ready |= Readiness::PRI | Readiness::READABLE;
        }
        if state.slave_has_gone() {
            ready |= Readiness::HUP;
        }
        ready
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.0.master_queue)
    }

    fn ioctl(&self, file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        self.0.master_ioctl(file, mem, request, arg)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PtyMaster(PtyMasterState::save(&self.0, saver)))
    }
}
