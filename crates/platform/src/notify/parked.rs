//! Threads of the host whose guest thread has ended, and which stand in their last stop until a new one needs them: an
//! answered notification is much quicker than a new thread with a filter and a listener of its own.
//!
//! They stay within their stub, so all that they could leave behind belongs to the same address space.

use std::sync::Arc;

use parking_lot::Mutex;

use super::listener::Listener;
use super::procfs::Sample;
use super::thread::Frame;

/// Threads of one stub that wait at most. Each costs a descriptor, a stack of the host's kernel and a slot.
const LIMIT: usize = 4;

/// A thread of the host that stands in a stop.
pub(crate) struct Parked {
    pub(crate) listener: Arc<Listener>,
    pub(crate) tid: i32,
    pub(crate) slot: u32,
    /// The notification by which it stopped.
    pub(crate) id: u64,
    /// Where it stands: the next frame is put there.
    pub(crate) frame: Frame,
    /// What it has used until now.
    pub(crate) used: Sample,
    /// It may not run everywhere.
    pub(crate) restricted: bool,
}

/// Those of one stub.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Vec<Parked>>);

impl Waiting {
    /// The one that came last: its memory is most likely in the caches.
    pub(crate) fn take(&self) -> Option<Parked> {
        self.0.lock().pop()
    }

    /// Takes one in; false if there are enough.
    pub(crate) fn put(&self, parked: impl FnOnce() -> Parked) -> bool {
        let mut waiting = self.0.lock();
        let room = waiting.len() < LIMIT;
        if room {
            waiting.push(parked());
        }
        room
    }
}
