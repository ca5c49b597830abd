//! FIFOs in directories of the host that guests may write to.
//!
//! The host keeps the name. What is written goes through a pipe of the sandbox's own, as a FIFO on a network file system is
//! each client's own (fifo(7) knows nothing of others): no FIFO of the host is ever opened.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use stockade_platform::sync::Mutex;

use super::HostInode;
use crate::fs::pipe::Pipe;

/// Pipes that no one has open any more are looked for when so many are known.
const FEW: usize = 64;

/// The pipes of the FIFOs that are open, by device and inode number.
#[derive(Default)]
pub(super) struct Fifos(Mutex<HashMap<(u64, u64), Weak<Pipe>>>);

impl Fifos {
    /// The pipe behind a FIFO: the one that others have open, or a new one.
    pub(super) fn pipe(&self, file: (u64, u64)) -> Arc<Pipe> {
        let mut pipes = self.0.lock();
        if let Some(pipe) = pipes.get(&file).and_then(Weak::upgrade) {
            return pipe;
        }
        if pipes.len() >= FEW && pipes.len() == pipes.capacity() {
            pipes.retain(|_, pipe| pipe.strong_count() > 0);
        }
        let pipe = Pipe::of_fifo();
        pipes.insert(file, Arc::downgrade(&pipe));
        pipe
    }

    /// The file has lost a name: the host may give its number to another one.
    pub(super) fn forget(&self, file: Option<&HostInode>) {
        if let Some(file) = file {
            self.0.lock().remove(&(file.dev, file.ino));
        }
    }

    /// Those that are open, and their files.
    pub(super) fn open(&self) -> Vec<((u64, u64), Arc<Pipe>)> {
        let pipes = self.0.lock();
        pipes.iter().filter_map(|(&file, pipe)| Some((file, pipe.upgrade()?))).collect()
    }

    /// A file has this pipe, as long as somebody has it open.
    pub(super) fn put_back(&self, file: (u64, u64), pipe: &Arc<Pipe>) {
        self.0.lock().insert(file, Arc::downgrade(pipe));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
