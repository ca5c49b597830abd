//! The saved form of [`Epoll`].

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::file::EpollEvent;
use stockade_abi::general as c;

use super::{Epoll, Item};
use crate::fs::stdio;
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::persist::FileState;
use crate::vfs::{Fd, FileOps};

/// An [`Epoll`].
#[derive(Debug, Serialize, Deserialize)]
pub struct EpollState {
    watches: Vec<WatchState>,
}

/// A file that is watched, as long as it lives.
#[derive(Debug, Serialize, Deserialize)]
struct WatchState {
    fd: Fd,
    file: Id<FileState>,
    events: u32,
    data: u64,
    /// Its place among those that may be ready.
    ready: Option<u32>,
}

impl EpollState {
    pub(super) fn save(epoll: &Epoll, saver: &mut Saver) -> Self {
        let places: HashMap<*const Item, u32> = epoll.ready.lock().iter().map(Arc::as_ptr).zip(0..).collect();
        let watches = epoll.watches.lock();
        let watches = watches.values().filter_map(|watch| {
            // Who watches does not keep it open; that others do is known by now, as nobody runs.
            let file = watch.item.file.upgrade()?;
            let EpollEvent { events, data } = *watch.item.event.lock();
            let ready = places.get(&Arc::as_ptr(&watch.item)).copied();
            Some(WatchState { fd: watch.item.key.0, file: saver.id(&file), events, data, ready })
        });
        Self { watches: watches.collect() }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Arc<dyn FileOps> {
        let epoll = Epoll::new();
        let made = Arc::clone(&epoll);
        // What is watched can itself watch.
        restorer.later(move |restorer| {
            let mut items = Vec::new();
            for watch in self.watches {
                let file = restorer.get(watch.file)?;
                let event = EpollEvent { events: watch.events, data: watch.data };
                let item = epoll.watch(watch.fd, &file, event);
                let item = item.map_err(|e| RestoreError::refused("a file that epoll watches", e))?;
                items.push((watch.ready.unwrap_or(u32::MAX), item));
            }
            items.sort_by_key(|(place, _)| *place);
            // Whether they are ready is known when all of them are whole.
            restorer.last(move |_| {
                items.iter().for_each(|(place, item)| epoll.look(*place != u32::MAX, item));
                Ok(())
            });
            Ok(())
        });
        made
    }
}

impl Epoll {
    /// Puts an item where a wait finds it: one that had not been fetched, an edge included; what is ready now unless only
    /// edges count; and what is new, as something else has taken its place.
    fn look(&self, was_queued: bool, item: &Arc<Item>) {
        // Asking also has descriptors of the host watched.
        let is_ready = !item.ready().is_empty();
        let counts = item.flags() & c::EPOLLET == 0
            || item.file.upgrade().is_some_and(|file| stdio::is_of_host(&file));
        if was_queued || is_ready && counts {
            self.enqueue(item);
        }
    }
}
