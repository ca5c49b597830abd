//! The saved form of [`Inotify`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::general as c;

use super::{Event, FLAGS, Inotify, MAX_QUEUED_EVENTS, Users};
use crate::persist::{RestoreError, Restorer, Saver};
use crate::vfs::FileOps;
use crate::vfs::notify::{Watch, WatchState, Watcher, note_cookie};

/// Bytes of a name at most (NAME_MAX).
const MAX_NAME: usize = 255;

/// An [`Inotify`].
#[derive(Debug, Serialize, Deserialize)]
pub struct InotifyState {
    uid: u32,
    watches: Vec<WatchState>,
    /// The watch descriptor that was given last.
    last: i32,
    events: Vec<EventState>,
    overflowed: bool,
}

/// An [`Event`].
#[derive(Debug, Serialize, Deserialize)]
struct EventState {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: ByteBuf,
}

impl InotifyState {
    pub(super) fn save(inotify: &Inotify, saver: &mut Saver) -> Self {
        let marks = inotify.marks.lock();
        let mut watches: Vec<&Arc<Watch>> = marks.by_wd.values().collect();
        watches.sort_by_key(|watch| watch.wd);
        let watches = watches.into_iter().filter_map(|watch| WatchState::save(watch, saver)).collect();
        let queue = inotify.queue.lock();
        let events = queue.events.iter().map(|event| EventState {
            wd: event.wd,
            mask: event.mask,
            cookie: event.cookie,
            name: ByteBuf::from(event.name.to_vec()),
        });
        Self {
            uid: inotify.uid,
            watches,
            last: marks.last,
            events: events.collect(),
            overflowed: queue.overflowed,
        }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let wrong = RestoreError::new;
        // One more says that some were lost.
        if self.events.len() > MAX_QUEUED_EVENTS + 1 || self.last < 0 {
            return Err(wrong("more events than a queue can hold, or a watch that there is not"));
        }
        let users: &Arc<Users> = &restorer.kernel().inotify_users;
        let inotify =
            Inotify::new(users, self.uid).map_err(|e| RestoreError::refused("an instance of inotify", e))?;
        for watch in self.watches {
            if watch.mask() & !FLAGS != 0 {
                return Err(wrong("a watch for events that there are not"));
            }
            let me: Arc<dyn Watcher> = inotify.clone();
            let watch = watch.restore(Arc::downgrade(&me), restorer)?;
            inotify.put_restored(watch)?;
        }
        inotify.marks.lock().last = self.last;
        let mut queue = inotify.queue.lock();
        for EventState { wd, mask, cookie, name } in self.events {
            let is_lost = mask == c::IN_Q_OVERFLOW;
            if name.len() > MAX_NAME || name.contains(&0) || (wd <= 0) != is_lost {
                return Err(wrong("an event that cannot have been"));
            }
            note_cookie(cookie);
            queue.events.push_back(Event { wd, mask, cookie, name: name.into_vec().into() });
        }
        queue.overflowed = self.overflowed;
        let count = queue.events.len();
        queue.counted.set(count);
        drop(queue);
        Ok(inotify)
    }
}

impl Inotify {
    fn put_restored(&self, watch: Arc<Watch>) -> Result<(), RestoreError> {
        let mut marks = self.marks.lock();
        if watch.wd <= 0 || marks.by_wd.contains_key(&watch.wd) {
            return Err(RestoreError::new("a watch is there twice, or has a descriptor that none has"));
        }
        self.take_watch().map_err(|e| RestoreError::refused("a watch", e))?;
        watch.attach();
        marks.by_wd.insert(watch.wd, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::tests::restoring;

    #[test]
    fn queues_that_lie_are_refused() {
        let event = |wd, mask, len| EventState { wd, mask, cookie: 1, name: ByteBuf::from(vec![b'x'; len]) };
        let state = |events| InotifyState { uid: 5, watches: Vec::new(), last: 3, events, overflowed: false };
        restoring(|restorer| {
            assert!(
                state(vec![event(3, c::IN_CREATE, 255), event(-1, c::IN_Q_OVERFLOW, 0)])
                    .restore(restorer)
                    .is_ok()
            );
            for bad in [event(0, c::IN_CREATE, 1), event(-5, c::IN_MODIFY, 1), event(1, c::IN_CREATE, 256)] {
                assert!(state(vec![bad]).restore(restorer).is_err());
            }
            assert!(InotifyState { last: -1, ..state(Vec::new()) }.restore(restorer).is_err());
            let many = (0..MAX_QUEUED_EVENTS + 2).map(|_| event(1, c::IN_OPEN, 0)).collect();
            assert!(state(many).restore(restorer).is_err());
            // A user has only so many.
            let made: Vec<_> = (0..200).map(|_| state(Vec::new()).restore(restorer)).collect();
            assert!(made.iter().any(Result::is_err));
        });
    }
}
