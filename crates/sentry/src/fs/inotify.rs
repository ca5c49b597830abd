//! Inotify instances (inotify(7)).

mod persist;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use stockade_abi::file::InotifyEvent;
use stockade_abi::general as c;
use stockade_abi::{Errno, ioctl as io};
use stockade_platform::sync::Mutex;
use zerocopy::IntoBytes;

pub use self::persist::InotifyState;

use crate::io::Sink;
use crate::mm::{MemoryManager, UserMemory};
use crate::persist::{Saver, Unsavable};
use crate::vfs::notify::{Watch, Watcher};
use crate::vfs::persist::FileOpsState;
use crate::vfs::quota::{INOTIFY_EVENTS, Share};
use crate::vfs::{Dentry, File, FileOps};
use crate::wait::{Readiness, WaitQueue};

/// `fs.inotify.max_queued_events`
pub const MAX_QUEUED_EVENTS: usize = 16384;
/// `fs.inotify.max_user_instances`
pub const MAX_USER_INSTANCES: usize = 128;
/// `fs.inotify.max_user_watches`
pub const MAX_USER_WATCHES: usize = 65536;

/// What a watch may be asked for (inotify_add_watch(2)).
const FLAGS: u32 = c::IN_ALL_EVENTS | c::IN_ONESHOT | c::IN_EXCL_UNLINK;

/// How much of inotify each user has.
#[derive(Default)]
pub struct Users(Mutex<HashMap<u32, Use>>);

#[derive(Clone, Copy, Default)]
struct Use {
    instances: usize,
    watches: usize,
}

impl Users {
    fn take(&self, uid: u32, take: impl FnOnce(&mut Use) -> Result<(), Errno>) -> Result<(), Errno> {
        take(self.0.lock().entry(uid).or_default())
    }

    fn give(&self, uid: u32, instances: usize, watches: usize) {
        let mut users = self.0.lock();
        if let Some(used) = users.get_mut(&uid) {
            used.instances -= instances;
            used.watches -= watches;
            if used.instances == 0 {
                users.remove(&uid);
            }
        }
    }
}

struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: Box<[u8]>,
}

impl Event {
    /// Bytes of the name as it is read: with a zero at least, in units of the structure's size.
    fn name_len(&self) -> usize {
        const UNIT: usize = size_of::<InotifyEvent>();
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(UNIT) }
    }

    fn len(&self) -> usize {
        size_of::<InotifyEvent>() + self.name_len()
    }

    fn bytes(&self) -> Vec<u8> {
        let len = self.name_len() as u32;
        let head = InotifyEvent { wd: self.wd, mask: self.mask, cookie: self.cookie, len };
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend_from_slice(&self.name);
        bytes.resize(self.len(), 0);
        bytes
    }
}

struct Queue {
    events: VecDeque<Event>,
    overflowed: bool,
    counted: Share,
}

impl Default for Queue {
    fn default() -> Self {
        Self { events: VecDeque::new(), overflowed: false, counted: Share::new(&INOTIFY_EVENTS) }
    }
}

impl Queue {
    /// Puts an event at the end, unless it says the same as the last one.
    fn push(&mut self, event: Event) {
        if self.events.len() >= MAX_QUEUED_EVENTS || !INOTIFY_EVENTS.has_room(1) {
            if !self.overflowed {
                self.overflowed = true;
                let mask = c::IN_Q_OVERFLOW;
                self.events.push_back(Event { wd: -1, mask, cookie: 0, name: Box::default() });
            }
            return;
        }
        let same = |last: &Event| {
            last.mask == event.mask
                && last.wd == event.wd
                && last.name == event.name
                && event.mask & c::IN_IGNORED == 0
        };
        if !self.events.back().is_some_and(same) {
            self.events.push_back(event);
            self.counted.set(self.events.len());
        }
    }

    /// The next event, if it fits.
    ///
    /// # Errors
    /// EAGAIN if there is none, EINVAL if it does not fit.
    fn pop(&mut self, room: usize) -> Result<Event, Errno> {
        let len = self.events.front().ok_or(Errno::EAGAIN)?.len();
        if len > room {
            return Err(Errno::EINVAL);
        }
        let event = self.events.pop_front().ok_or(Errno::EAGAIN)?;
        self.counted.set(self.events.len());
        self.overflowed &= event.mask != c::IN_Q_OVERFLOW;
        Ok(event)
    }
}

/// Watches by descriptor. Its lock comes before those of file systems' tables, and that of the queue after both.
#[derive(Default)]
struct Marks {
    by_wd: HashMap<i32, Arc<Watch>>,
    last: i32,
}

impl Marks {
    /// Descriptors are not used again before all others were.
    fn next_wd(&mut self) -> i32 {
        loop {
            self.last = if self.last == i32::MAX { 1 } else { self.last + 1 };
            if !self.by_wd.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

/// An inotify instance.
pub struct Inotify {
    this: Weak<Inotify>,
    users: Arc<Users>,
    uid: u32,
    marks: Mutex<Marks>,
    queue: Mutex<Queue>,
    waiters: Arc<WaitQueue>,
}

impl Inotify {
    /// An instance on a user's account.
    ///
    /// # Errors
    /// EMFILE beyond [`MAX_USER_INSTANCES`].
    pub fn new(users: &Arc<Users>, uid: u32) -> Result<Arc<Self>, Errno> {
        users.take(uid, |used| {
            if used.instances >= MAX_USER_INSTANCES {
                return Err(Errno::EMFILE);
            }
            used.instances += 1;
            Ok(())
        })?;
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            users: Arc::clone(users),
            uid,
            marks: Mutex::default(),
            queue: Mutex::default(),
            waiters: Arc::default(),
        }))
    }

    /// Watches what a dentry names, or changes the watch of it; returns its descriptor.
    ///
    /// # Errors
    /// EEXIST with IN_MASK_CREATE, ENOSPC beyond [`MAX_USER_WATCHES`].
    pub fn add_watch(&self, dentry: &Arc<Dentry>, mask: u32) -> Result<i32, Errno> {
        let me: Weak<dyn Watcher> = self.this.clone();
        let mut marks = self.marks.lock();
        if let Some(watch) = dentry.sb.watches.find(dentry, &me) {
            if mask & c::IN_MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            watch.change(mask & FLAGS, mask & c::IN_MASK_ADD != 0);
            return Ok(watch.wd);
        }
        self.take_watch()?;
        let wd = marks.next_wd();
        let watch =
            Watch::new(dentry, wd, mask & FLAGS, me).inspect_err(|_| self.users.give(self.uid, 0, 1))?;
        watch.attach();
        marks.by_wd.insert(wd, watch);
        Ok(wd)
    }

    /// One more on its user's account.
    fn take_watch(&self) -> Result<(), Errno> {
        self.users.take(self.uid, |used| {
            if used.watches >= MAX_USER_WATCHES {
                return Err(Errno::ENOSPC);
            }
            used.watches += 1;
            Ok(())
        })
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// EINVAL if there is none with this descriptor.
    pub fn remove_watch(&self, wd: i32) -> Result<(), Errno> {
        let mut marks = self.marks.lock();
        let watch = marks.by_wd.remove(&wd).ok_or(Errno::EINVAL)?;
        let file_system = watch.detach();
        drop(marks);
        drop(file_system);
        self.users.give(self.uid, 0, 1);
        self.event(wd, c::IN_IGNORED, 0, None);
        Ok(())
    }
}

impl Watcher for Inotify {
    fn event(&self, wd: i32, mask: u32, cookie: u32, name: Option<&[u8]>) {
        self.queue.lock().push(Event { wd, mask, cookie, name: Box::from(name.unwrap_or_default()) });
        self.waiters.notify(Readiness::READABLE);
    }

    fn forget(&self, wd: i32) {
        // Somebody else may have removed it meanwhile.
        let _ = self.remove_watch(wd);
    }
}

impl FileOps for Inotify {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        let mut done = 0;
        loop {
            let event = match self.queue.lock().pop(dst.remaining()) {
                Ok(event) => event,
                Err(_) if done > 0 => return Ok(done),
                Err(e) => return Err(e),
            };
            let bytes = event.bytes();
            if dst.put(&bytes)? < bytes.len() {
                return Err(Errno::EFAULT);
            }
            done += bytes.len();
        }
    }

    fn poll(&self) -> Readiness {
        if self.queue.lock().events.is_empty() { Readiness::empty() } else { Readiness::READABLE }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.waiters)
    }

    fn ioctl(&self, _file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        if request != io::FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes: usize = self.queue.lock().events.iter().map(Event::len).sum();
        mem.copy_out(arg, &i32::try_from(bytes).unwrap_or(i32::MAX))?;
        Ok(0)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Inotify(InotifyState::save(self, saver)))
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let marks = std::mem::take(self.marks.get_mut());
        for watch in marks.by_wd.values() {
            drop(watch.detach());
        }
        self.users.give(self.uid, 1, marks.by_wd.len());
    }
}

#[cfg(test)]
mod tests;
