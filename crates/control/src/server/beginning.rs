//! Empty sandboxes: what one that waits for its first use may still become.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use parking_lot::{Condvar, Mutex};
use rustix::event::{EventfdFlags, eventfd};

use super::Error;

/// How an empty sandbox goes on as one that was saved.
pub trait Successor: Send + Sync {
    /// Has another sentry, which listens at the same control socket, go on with this image in the place of this one. `key`
    /// is what it was saved with; empty for none.
    ///
    /// # Errors
    /// Why it cannot, in words. This sentry goes on then.
    fn take_over(&self, image: OwnedFd, key: &[u8]) -> Result<(), String>;
}

/// Whether a sandbox has begun to be what it is.
pub(super) struct Beginning {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable when connections are to be accepted by nobody, or by another sentry.
    stop: OwnedFd,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// Whether connections are accepted.
    accepts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is empty, and nobody has used it.
    Fresh,
    /// It is itself.
    Used,
    /// Another sentry may take over.
    Leaving,
    /// Another sentry has taken over.
    Left,
}

impl Beginning {
    pub(super) fn new(is_empty: bool) -> io::Result<Self> {
        let stage = if is_empty { Stage::Fresh } else { Stage::Used };
        Ok(Self {
            state: Mutex::new(State { stage, accepts: false }),
            changed: Condvar::new(),
            stop: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// To be called before a sandbox is changed: it is itself from then on.
    pub(super) fn used(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        match state.stage {
            Stage::Fresh | Stage::Used => {
                state.stage = Stage::Used;
                self.changed.notify_all();
                Ok(())
            }
            Stage::Leaving | Stage::Left => Err(Error::new("the sandbox is being restored from an image")),
        }
    }

    /// Waits until it is no empty sandbox any more: whether it left for another sentry.
    pub(super) fn has_left(&self) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |s| matches!(s.stage, Stage::Fresh | Stage::Leaving));
        state.stage == Stage::Left
    }

    /// Whether another sentry has taken over.
    pub(super) fn is_left(&self) -> bool {
        self.state.lock().stage == Stage::Left
    }

    /// Leaves, if `take_over` succeeds; no connections are accepted meanwhile.
    pub(super) fn leave(&self, take_over: impl FnOnce() -> Result<(), String>) -> Result<(), Error> {
        let mut state = self.state.lock();
        match state.stage {
            Stage::Fresh => state.stage = Stage::Leaving,
            Stage::Leaving | Stage::Left => return Err(Error::new("it is being restored already")),
            Stage::Used => return Err(Error::new("it is not empty, or was used: an image needs a new one")),
        }
        // Full it cannot be, and is readable in any case.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        self.changed.wait_while(&mut state, |state| state.accepts);
        drop(state);
        let left = take_over();
        self.state.lock().stage = if left.is_ok() { Stage::Left } else { Stage::Fresh };
        self.changed.notify_all();
        left.map_err(Error::new)
    }

    /// For who accepts connections, before each: waits while another sentry may take over; false if it has.
    pub(super) fn accepts(&self) -> bool {
        let mut state = self.state.lock();
        if state.stage == Stage::Leaving {
            state.accepts = false;
            self.changed.notify_all();
            self.changed.wait_while(&mut state, |state| state.stage == Stage::Leaving);
            let _ = rustix::io::read(&self.stop, &mut [0; 8]);
        }
        state.accepts = state.stage != Stage::Left;
        state.accepts
    }

    /// Becomes readable when [`accepts`](Self::accepts) is to be asked.
    pub(super) fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn message(result: Result<(), Error>) -> String {
        result.unwrap_err().message
    }

    #[test]
    fn only_what_is_unused_can_leave() {
        for beginning in [Beginning::new(false).unwrap(), Beginning::new(true).unwrap()] {
            beginning.used().unwrap();
            assert!(message(beginning.leave(|| panic!("it is used"))).contains("not empty"));
            assert!(!beginning.has_left() && beginning.accepts());
        }
        let beginning = Beginning::new(true).unwrap();
        assert_eq!(message(beginning.leave(|| Err("no".into()))), "no");
        let again = || {
            assert!(message(beginning.leave(|| Ok(()))).contains("already"));
            assert!(message(beginning.used()).contains("being restored"));
            Ok(())
        };
        beginning.leave(again).unwrap();
        assert!(beginning.has_left() && !beginning.accepts());
        assert!(message(beginning.used()).contains("being restored"));
    }

    #[test]
    fn nobody_accepts_while_it_leaves() {
        let beginning = Arc::new(Beginning::new(true).unwrap());
        assert!(beginning.accepts());
        let other = Arc::clone(&beginning);
        let accepting = std::thread::spawn(move || {
            while other.accepts() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let waiting = {
            let other = Arc::clone(&beginning);
            std::thread::spawn(move || other.has_left())
        };
        let failed = beginning.leave(|| {
            assert!(!beginning.state.lock().accepts);
            Err("no".into())
        });
        assert_eq!(message(failed), "no");
        assert!(!accepting.is_finished() && !waiting.is_finished());
        beginning.leave(|| Ok(())).unwrap();
        accepting.join().unwrap();
        assert!(waiting.join().unwrap());
    }
}
