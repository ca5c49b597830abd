//! Events on their way from the threads that make calls to the one that reads them. Nobody waits for the reader: what finds
//! no room is lost, and counted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use stockade_platform::sync::Mutex;

use super::event::Event;

/// Events that wait at most.
const MAX_EVENTS: usize = 8192;
/// Bytes of text that they have at most.
const MAX_TEXT: usize = 4 << 20;

/// A bounded queue with one reader.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Batch>,
    /// Whether the reader waits for its descriptor.
    is_asleep: AtomicBool,
    bell: OnceLock<OwnedFd>,
}

/// What was taken at once.
#[derive(Default)]
pub struct Batch {
    /// The oldest first.
    pub events: Vec<Event>,
    /// How many did not find room after these.
    pub lost: u64,
    text: usize,
}

impl Batch {
    /// Forgets what is in it, and keeps the room.
    fn clear(&mut self) {
        self.events.clear();
        (self.lost, self.text) = (0, 0);
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lost == 0
    }
}

impl Queue {
    pub(super) fn push(&self, event: Event) {
        let text = event.extra();
        let refused = {
            let mut waiting = self.waiting.lock();
            if waiting.events.len() < MAX_EVENTS && waiting.text + text <= MAX_TEXT {
                waiting.text += text;
                waiting.events.push(event);
                None
            } else {
                waiting.lost += 1;
                Some(event)
            }
        };
        // Freed without the lock.
        drop(refused);
        if self.is_asleep.load(Ordering::SeqCst) && self.is_asleep.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Wakes the reader.
    pub fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            // Fails only when it rings already.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }

    /// The descriptor that is readable when the reader shall look again.
    ///
    /// # Errors
    /// What the host says when it has no more descriptors.
    pub fn bell(&self) -> std::io::Result<BorrowedFd<'_>> {
        if self.bell.get().is_none() {
            let _ = self.bell.set(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        }
        self.bell.get().map(AsFd::as_fd).ok_or_else(|| std::io::ErrorKind::Other.into())
    }

    /// Takes all that waits: `batch`, emptied, takes its place.
    pub fn take(&self, batch: &mut Batch) {
        batch.clear();
        std::mem::swap(&mut *self.waiting.lock(), batch);
    }

    /// Whether the reader may wait for the bell: from now on it rings for the next event.
    pub fn may_sleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        let is_empty = self.waiting.lock().is_empty();
        if !is_empty {
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        is_empty
    }

    /// The reader is awake, and silences the bell.
    pub fn wake(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
        if let Some(bell) = self.bell.get() {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
    }
}
