//! What has become of saving a sandbox, for those who wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};
use serde::de::IgnoredAny;

use super::super::methods::Nothing;
use super::super::{Error, Files, Sandbox};

/// Saves that were tried.
#[derive(Debug, Default)]
pub(in crate::server) struct Saves {
    last: Mutex<Last>,
    tried: Condvar,
    saved_away: AtomicBool,
}

#[derive(Debug, Default)]
struct Last {
    /// How many there were.
    count: u64,
    error: Option<Error>,
}

impl Saves {
    /// One has been tried, with this result.
    pub(super) fn note(&self, error: Option<&Error>) {
        let mut last = self.last.lock();
        last.count += 1;
        last.error = error.cloned();
        self.tried.notify_all();
    }

    /// Waits for the result of the next one.
    fn wait(&self) -> Result<(), Error> {
        let mut last = self.last.lock();
        let before = last.count;
        self.tried.wait_while(&mut last, |last| last.count == before);
        last.error.clone().map_or(Ok(()), Err)
    }

    /// To be called before the sandbox is ended because it was saved.
    pub(super) fn set_saved_away(&self) {
        self.saved_away.store(true, Ordering::SeqCst);
    }

    /// Whether it ends because it was saved.
    pub(in crate::server) fn is_saved_away(&self) -> bool {
        self.saved_away.load(Ordering::SeqCst)
    }
}

/// `containerManager.WaitCheckpoint`: waits until the sandbox has been saved next; fails if that did.
pub(in crate::server) fn wait_checkpoint(
    sandbox: &Arc<Sandbox>,
    _: IgnoredAny,
    _: Files,
) -> Result<Nothing, Error> {
    sandbox.saves.wait().map(|()| Nothing {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_result_is_waited_for() {
        let saves = Arc::new(Saves::default());
        saves.note(None);
        let wait = || {
            let saves = Arc::clone(&saves);
            std::thread::spawn(move || saves.wait())
        };
        let waiting = [wait(), wait()];
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(waiting.iter().all(|thread| !thread.is_finished()));
        saves.note(Some(&Error::new("full")));
        for thread in waiting {
            assert_eq!(thread.join().unwrap().unwrap_err().message, "full");
        }
        assert!(!saves.is_saved_away());
    }
}
