//! A stub that waits for the next program: one that execve(2) would have to wait for takes a tenth of its time.
//!
//! It is forked from the zygote as any other, ahead of time and by a thread of its own, and has been nobody's. A sandbox that
//! has executed one program only has none, nor the thread.

use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::{Condvar, Mutex};
use stockade_abi::Errno;

use super::Shared;
use super::process::Stub;

/// Stack of the thread.
const STACK_SIZE: usize = 128 * 1024;

/// The stub that waits, if there is one.
#[derive(Default)]
pub(crate) struct Pool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Option<Arc<Stub>>,
    /// Stubs that were asked for.
    taken: usize,
    /// There is a thread that makes them.
    started: bool,
    /// One is to be made.
    wanted: bool,
    ended: bool,
}

impl Pool {
    /// The stub that waits, or a new one.
    pub(crate) fn take(&self, shared: &Arc<Shared>) -> Result<Arc<Stub>, Errno> {
        let mut state = self.0.state.lock();
        state.taken += 1;
        let waiting = state.waiting.take();
        if state.taken > 1 {
            state.wanted = true;
            if state.started {
                self.0.wake.notify_one();
            } else {
                state.started = self.start(shared);
            }
        }
        let started = state.started;
        drop(state);
        if !started {
            shared.reaper.reap_some(shared);
        }
        // It may have been killed from outside, as any other.
        waiting.filter(|stub| !stub.has_died()).map_or_else(|| Stub::from_zygote(shared), Ok)
    }

    fn start(&self, shared: &Arc<Shared>) -> bool {
        let (inner, shared) = (Arc::clone(&self.0), Arc::downgrade(shared));
        let work = move || inner.run(&shared);
        thread::Builder::new().name("stub-pool".into()).stack_size(STACK_SIZE).spawn(work).is_ok()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        self.0.wake.notify_one();
        // What waits holds what we are part of.
        let waiting = state.waiting.take();
        drop(state);
        drop(waiting);
    }
}

impl Inner {
    fn run(&self, shared: &Weak<Shared>) {
        loop {
            let mut state = self.state.lock();
            while !state.wanted && !state.ended {
                self.wake.wait(&mut state);
            }
            if state.ended {
                return;
            }
            state.wanted = false;
            let full = state.waiting.is_some();
            drop(state);
            let Some(shared) = shared.upgrade() else { return };
            shared.reaper.reap_some(&shared);
            if full {
                continue;
            }
            // Who needs one hears of a failure when making one.
            let Ok(stub) = Stub::from_zygote(&shared) else { continue };
            // Until it is there.
            stub.pid();
            let mut state = self.state.lock();
            if state.ended {
                return;
            }
            state.waiting = Some(stub);
        }
    }
}
