//! Waiting for descriptors of the host: one thread of the sentry for all of them, started with the first that waits.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno as HostErrno;
use stockade_platform::sync::Mutex;

use crate::diagnosis;
use crate::wait::{Readiness, WaitQueue};

/// Events taken at once.
const BATCH: usize = 16;

/// What the thread watches. There is one per process, as there is one sandbox.
struct Watcher {
    epoll: OwnedFd,
    watched: Mutex<HashMap<u64, Weak<Watched>>>,
}

/// A descriptor of the host that is watched when somebody waits for it.
pub(super) struct Watched {
    id: u64,
    fd: OwnedFd,
    /// Told when it becomes ready.
    pub(super) queue: Arc<WaitQueue>,
    /// What is waited for; none before the first time.
    wanted: Mutex<Option<EventFlags>>,
}

fn watcher() -> Option<&'static Watcher> {
    static WATCHER: OnceLock<Option<Watcher>> = OnceLock::new();
    WATCHER
        .get_or_init(|| {
            let epoll = epoll::create(CreateFlags::CLOEXEC).ok()?;
            // It waits until the cell is filled, before it looks.
            diagnosis::spawn("host-streams", 128 * 1024, || {
                if let Some(Some(watcher)) = Some(WATCHER.wait()) {
                    watcher.run();
                }
            })
            .ok()?;
            Some(Watcher { epoll, watched: Mutex::default() })
        })
        .as_ref()
}

impl Watcher {
    fn run(&self) {
        let mut events = [MaybeUninit::<Event>::uninit(); BATCH];
        loop {
            let Ok((ready, _)) = epoll::wait(&self.epoll, &mut events, None) else { continue };
            for event in ready {
                let watch = self.watched.lock().get(&event.data.u64()).and_then(Weak::upgrade);
                if let Some(watch) = watch {
                    watch.is_ready(self, event.flags);
                }
            }
        }
    }
}

impl Watched {
    pub(super) fn new(fd: OwnedFd) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, fd, queue: Arc::new(WaitQueue::new()), wanted: Mutex::new(None) })
    }

    /// Has the queue told when the descriptor becomes ready.
    pub(super) fn want(self: &Arc<Self>, flags: EventFlags) {
        let Some(watcher) = watcher() else { return };
        let mut wanted = self.wanted.lock();
        let is_new = wanted.is_none();
        let all = wanted.unwrap_or_default() | flags;
        if *wanted == Some(all) {
            return;
        }
        let data = EventData::new_u64(self.id);
        let armed = all | EventFlags::ONESHOT;
        let result = if is_new {
            watcher.watched.lock().insert(self.id, Arc::downgrade(self));
            epoll::add(&watcher.epoll, &self.fd, data, armed)
        } else {
            epoll::modify(&watcher.epoll, &self.fd, data, armed)
        };
        match result {
            Ok(()) => *wanted = Some(all),
            // What cannot be watched is always ready (epoll_ctl(2), EPERM).
            Err(HostErrno::PERM) => {
                drop(wanted);
                self.queue.notify(Readiness::READABLE | Readiness::WRITABLE);
            }
            Err(error) => tracing::warn!(%error, "a descriptor of the host cannot be waited for"),
        }
    }

    fn is_ready(&self, watcher: &Watcher, ready: EventFlags) {
        {
            let mut wanted = self.wanted.lock();
            let gone = ready.intersects(EventFlags::ERR | EventFlags::HUP);
            let rest = if gone { EventFlags::empty() } else { wanted.unwrap_or_default() - ready };
            if !rest.is_empty() {
                let armed = rest | EventFlags::ONESHOT;
                let _ = epoll::modify(&watcher.epoll, &self.fd, EventData::new_u64(self.id), armed);
            }
            *wanted = Some(rest);
        }
        self.queue.notify(Readiness::from_bits_truncate(ready.bits()));
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.wanted.lock().is_some()
            && let Some(watcher) = watcher()
        {
            watcher.watched.lock().remove(&self.id);
            // Others may hold the description open.
            let _ = epoll::delete(&watcher.epoll, &self.fd);
        }
    }
}
