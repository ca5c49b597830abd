//! Event polling (epoll(7)).
//!
//! Each watched file has an observer on its wait queue, which puts the item on the ready list; a wait looks only at that
//! list, however many files are watched.

mod persist;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::file::EpollEvent;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

pub use self::persist::EpollState;

use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::quota::EPOLL_WATCHES;
use crate::vfs::{Fd, File, FileOps};
use crate::wait::{Observer, Readiness, Registration, WaitQueue};

/// Bits of `events` that are not readiness.
const FLAGS: u32 = c::EPOLLET | c::EPOLLONESHOT | c::EPOLLWAKEUP | c::EPOLLEXCLUSIVE;
/// Instances that may watch each other in a chain.
const MAX_NESTING: u32 = 5;

type Key = (Fd, u64);

struct Item {
    key: Key,
    file: Weak<File>,
    event: Mutex<EpollEvent>,
    queued: AtomicBool,
    epoll: Weak<Epoll>,
}

impl Item {
    fn flags(&self) -> u32 {
        self.event.lock().events
    }

    fn wanted(&self) -> Readiness {
        Readiness::from_bits_retain(self.flags() & !FLAGS)
    }

    /// What it is ready for now; nothing once a one-shot item has fired.
    fn ready(&self) -> Readiness {
        let wanted = self.wanted();
        match self.file.upgrade() {
            Some(file) if !wanted.is_empty() || self.flags() & c::EPOLLONESHOT == 0 => {
                file.ops().poll() & (wanted | Readiness::ALWAYS)
            }
            _ => Readiness::empty(),
        }
    }
}

/// An item as an observer, so that the queue's hold on it is weak in effect: the registration goes with the watch.
struct Tell(Weak<Item>);

impl Observer for Tell {
    fn notify(&self, ready: Readiness) {
        let Some(item) = self.0.upgrade() else { return };
        if let Some(epoll) = item.epoll.upgrade()
            && (ready.intersects(item.wanted() | Readiness::ALWAYS))
        {
            epoll.enqueue(&item);
        }
    }
}

struct Watch {
    item: Arc<Item>,
    _registration: Registration,
}

impl Drop for Watch {
    fn drop(&mut self) {
        EPOLL_WATCHES.remove(1);
    }
}

/// An instance.
pub struct Epoll {
    me: Weak<Epoll>,
    watches: Mutex<BTreeMap<Key, Watch>>,
    ready: Mutex<VecDeque<Arc<Item>>>,
    queue: Arc<WaitQueue>,
    /// Instances that watch it, or have.
    outer: Mutex<Vec<Weak<Epoll>>>,
}

/// Held while one instance comes to watch another.
static NESTING: Mutex<()> = Mutex::new(());

impl Epoll {
    /// An instance that watches nothing.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            watches: Mutex::default(),
            ready: Mutex::default(),
            queue: Arc::new(WaitQueue::new()),
            outer: Mutex::default(),
        })
    }

    fn enqueue(&self, item: &Arc<Item>) {
        if item.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ready.lock().push_back(Arc::clone(item));
        self.queue.notify(Readiness::READABLE);
    }

    /// Files that are instances themselves.
    fn inner(&self) -> Vec<Arc<File>> {
        let watches = self.watches.lock();
        let files = watches.values().filter_map(|w| w.item.file.upgrade());
        files.filter(|file| file.ops().downcast_ref::<Self>().is_some()).collect()
    }

    /// How deep instances that it watches are nested.
    fn depth(&self, of: &Epoll, level: u32) -> Result<u32, Errno> {
        if std::ptr::eq(self, of) || level > MAX_NESTING {
            return Err(Errno::ELOOP);
        }
        let mut depth = 0;
        for file in self.inner() {
            if let Some(inner) = file.ops().downcast_ref::<Epoll>() {
                depth = depth.max(inner.depth(of, level + 1)? + 1);
            }
        }
        Ok(depth)
    }

    /// How deep it is nested in others that watch it.
    fn height(&self) -> u32 {
        let outer: Vec<Arc<Self>> = self.outer.lock().iter().filter_map(Weak::upgrade).collect();
        let is_me =
            |file: &Arc<File>| file.ops().downcast_ref::<Self>().is_some_and(|e| std::ptr::eq(e, self));
        let outer = outer.iter().filter(|outer| outer.inner().iter().any(is_me));
        outer.map(|outer| outer.height() + 1).max().unwrap_or(0)
    }

    /// Whether it may watch another instance: there are no circles, and chains are short.
    fn may_watch(&self, inner: &Self) -> Result<(), Errno> {
        if inner.depth(self, 1)? + 1 + self.height() >= MAX_NESTING {
            return Err(Errno::ELOOP);
        }
        let mut outer = inner.outer.lock();
        outer.retain(|outer| outer.strong_count() > 0 && !Weak::ptr_eq(outer, &self.me));
        outer.push(self.me.clone());
        Ok(())
    }

    /// EPOLL_CTL_ADD
    ///
    /// # Errors
    /// EEXIST, EPERM for files that are always ready, ELOOP, EINVAL, ENOSPC.
    pub fn add(&self, fd: Fd, file: &Arc<File>, event: EpollEvent) -> Result<(), Errno> {
        let item = self.watch(fd, file, event)?;
        if !item.ready().is_empty() {
            self.enqueue(&item);
        }
        Ok(())
    }

    /// As [`add`](Self::add), before it is looked whether the file is ready.
    fn watch(&self, fd: Fd, file: &Arc<File>, event: EpollEvent) -> Result<Arc<Item>, Errno> {
        let queue = file.ops().wait_queue().ok_or(Errno::EPERM)?;
        let mut _nesting = None;
        if let Some(inner) = file.ops().downcast_ref::<Epoll>() {
            if event.events & c::EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL);
            }
            _nesting = Some(NESTING.lock());
            self.may_watch(inner)?;
        }
        let key = (fd, file.id());
        let mut watches = self.watches.lock();
        watches.retain(|_, w| w.item.file.strong_count() > 0);
        if watches.contains_key(&key) {
            return Err(Errno::EEXIST);
        }
        if !EPOLL_WATCHES.has_room(1) {
            return Err(Errno::ENOSPC);
        }
        let item = Arc::new(Item {
            key,
            file: Arc::downgrade(file),
            event: Mutex::new(event),
            queued: AtomicBool::new(false),
            epoll: self.me.clone(),
        });
        let observer = Arc::new(Tell(Arc::downgrade(&item)));
        // The mask is all: what is wanted can be changed later, and the observer looks.
        let registration = if event.events & c::EPOLLEXCLUSIVE != 0 {
            queue.register_exclusive(Readiness::all(), observer)
        } else {
            queue.register(Readiness::all(), observer)
        };
        EPOLL_WATCHES.add(1);
        watches.insert(key, Watch { item: Arc::clone(&item), _registration: registration });
        Ok(item)
    }

    /// EPOLL_CTL_MOD
    ///
    /// # Errors
    /// ENOENT, EINVAL with EPOLLEXCLUSIVE.
    pub fn modify(&self, fd: Fd, file: &Arc<File>, event: EpollEvent) -> Result<(), Errno> {
        let item = self.find(fd, file)?;
        if (event.events | item.flags()) & c::EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        *item.event.lock() = event;
        if !item.ready().is_empty() {
            self.enqueue(&item);
        }
        Ok(())
    }

    /// EPOLL_CTL_DEL
    ///
    /// # Errors
    /// ENOENT
    pub fn remove(&self, fd: Fd, file: &Arc<File>) -> Result<(), Errno> {
        let watch = self.watches.lock().remove(&(fd, file.id())).ok_or(Errno::ENOENT)?;
        self.ready.lock().retain(|i| !Arc::ptr_eq(i, &watch.item));
        Ok(())
    }

    fn find(&self, fd: Fd, file: &Arc<File>) -> Result<Arc<Item>, Errno> {
        self.watches.lock().get(&(fd, file.id())).map(|w| Arc::clone(&w.item)).ok_or(Errno::ENOENT)
    }

    /// Up to `max` events that are there now.
    #[must_use]
    pub fn collect(&self, max: usize) -> Vec<EpollEvent> {
        let mut events = Vec::new();
        let mut again = Vec::new();
        while events.len() < max {
            let Some(item) = self.ready.lock().pop_front() else { break };
            // From here on a notification queues it anew, so that nothing is lost.
            item.queued.store(false, Ordering::Release);
            if item.file.strong_count() == 0 {
                self.watches.lock().remove(&item.key);
                continue;
            }
            let ready = item.ready();
            if ready.is_empty() {
                continue;
            }
            let mut event = item.event.lock();
            events.push(EpollEvent { events: ready.bits(), data: event.data });
            if event.events & c::EPOLLONESHOT != 0 {
                event.events &= FLAGS;
            } else if event.events & c::EPOLLET == 0 {
                again.push(Arc::clone(&item));
            }
        }
        // Level-triggered items stay on the list, behind the others.
        for item in again {
            if !item.queued.swap(true, Ordering::AcqRel) {
                self.ready.lock().push_back(item);
            }
        }
        events
    }
}

impl FileOps for Epoll {
    fn poll(&self) -> Readiness {
        let items: Vec<Arc<Item>> = self.ready.lock().iter().cloned().collect();
        if items.iter().any(|i| !i.ready().is_empty()) { Readiness::READABLE } else { Readiness::empty() }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.queue)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Epoll(EpollState::save(self, saver)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::pipe;
    use crate::io::{BufSink, BufSource};

    fn event(events: u32, data: u64) -> EpollEvent {
        EpollEvent { events, data }
    }

    fn datas(events: &[EpollEvent]) -> Vec<u64> {
        events.iter().map(|e| e.data).collect()
    }

    #[test]
    fn level_edge_and_one_shot() {
        for (flags, second, third) in [(0, 1, 1), (c::EPOLLET, 0, 1), (c::EPOLLONESHOT, 0, 0)] {
            let epoll = Epoll::new();
            let (r, w) = pipe::pair(0, 0, 0);
            epoll.add(3, &r, event(c::EPOLLIN | flags, 7)).unwrap();
            assert!(epoll.collect(8).is_empty());
            w.write(&mut BufSource::new(b"x")).unwrap();
            assert_eq!(datas(&epoll.collect(8)), [7]);
            assert_eq!(epoll.collect(8).len(), second, "{flags:#x}");
            let mut buf = [0; 8];
            r.read(&mut BufSink::new(&mut buf)).unwrap();
            w.write(&mut BufSource::new(b"x")).unwrap();
            assert_eq!(epoll.collect(8).len(), third, "{flags:#x}");
        }
    }

    #[test]
    fn what_is_closed_is_forgotten() {
        let epoll = Epoll::new();
        let (r, w) = pipe::pair(0, 0, 0);
        epoll.add(3, &r, event(c::EPOLLIN, 1)).unwrap();
        assert_eq!(epoll.add(3, &r, event(c::EPOLLIN, 1)), Err(Errno::EEXIST));
        w.write(&mut BufSource::new(b"x")).unwrap();
        drop(r);
        assert!(epoll.collect(8).is_empty());
        assert_eq!(epoll.remove(4, &w), Err(Errno::ENOENT));
    }

    #[test]
    fn no_instance_watches_itself() {
        let a = anon_epoll();
        let b = anon_epoll();
        let inner = a.ops().downcast_ref::<Epoll>().unwrap();
        let outer = b.ops().downcast_ref::<Epoll>().unwrap();
        assert_eq!(inner.add(1, &a, event(c::EPOLLIN, 0)), Err(Errno::ELOOP));
        inner.add(1, &b, event(c::EPOLLIN, 0)).unwrap();
        assert_eq!(outer.add(1, &a, event(c::EPOLLIN, 0)), Err(Errno::ELOOP));
    }

    #[test]
    fn chains_are_short_whichever_end_they_grow_at() {
        for down in [true, false] {
            let files: Vec<Arc<File>> = (0..6).map(|_| anon_epoll()).collect();
            let links: Vec<usize> = if down { (0..5).collect() } else { (0..5).rev().collect() };
            let link = |&at: &usize| {
                let outer = files[at].ops().downcast_ref::<Epoll>().unwrap();
                outer.add(1, &files[at + 1], event(c::EPOLLIN, 0))
            };
            let made: Vec<_> = links.iter().map(link).collect();
            assert_eq!(made, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Errno::ELOOP)], "{down}");
        }
    }

    fn anon_epoll() -> Arc<File> {
        crate::vfs::anon::file("[eventpoll]", Epoll::new(), c::O_RDWR)
    }
}
