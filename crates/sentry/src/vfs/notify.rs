//! Telling watchers of what happens to files (inotify(7)).
//!
//! A watch belongs to an inode and lives in a table of its file system, so that where nobody watches a file system an
//! event costs one load. Inode numbers are the key: they outlive cached names.

mod persist;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

pub use self::persist::WatchState;
pub(crate) use self::persist::note_cookie;

use super::dentry::{Dentry, SuperBlock};
use crate::persist::Counter;

/// Who is told.
pub trait Watcher: Send + Sync {
    /// Something happened to what `wd` watches, or to the entry `name` of it. `mask` has IN_ bits.
    fn event(&self, wd: i32, mask: u32, cookie: u32, name: Option<&[u8]>);

    /// The watch ends: the last thing heard of it is IN_IGNORED.
    fn forget(&self, wd: i32);
}

/// An inode that somebody watches.
pub struct Watch {
    /// The watch descriptor.
    pub wd: i32,
    ino: u64,
    sb: Weak<SuperBlock>,
    /// Events asked for, with IN_ONESHOT and IN_EXCL_UNLINK.
    mask: AtomicU32,
    to: Weak<dyn Watcher>,
}

impl Watch {
    /// A watch of the inode that a dentry names.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn new(dentry: &Arc<Dentry>, wd: i32, mask: u32, to: Weak<dyn Watcher>) -> Result<Arc<Self>, Errno> {
        let (ino, sb) = (dentry.ino()?, Arc::downgrade(&dentry.sb));
        Ok(Arc::new(Self { wd, ino, sb, mask: AtomicU32::new(mask), to }))
    }

    /// Asks for other events, or with `add` for more.
    pub fn change(&self, mask: u32, add: bool) {
        if add {
            self.mask.fetch_or(mask, Ordering::Relaxed);
        } else {
            self.mask.store(mask, Ordering::Relaxed);
        }
    }

    /// Puts it into the table of its file system.
    pub fn attach(self: &Arc<Self>) {
        if let Some(sb) = self.sb.upgrade() {
            let mut by_ino = sb.watches.by_ino.lock();
            by_ino.entry(self.ino).or_default().push(Arc::clone(self));
            sb.watches.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes it out. The file system's end would be told of to the watcher, so it comes back to be dropped where no lock
    /// is held.
    #[must_use = "to be dropped without locks"]
    pub fn detach(&self) -> Option<Arc<SuperBlock>> {
        let sb = self.sb.upgrade()?;
        let mut by_ino = sb.watches.by_ino.lock();
        if let Some(list) = by_ino.get_mut(&self.ino) {
            let before = list.len();
            list.retain(|w| !std::ptr::eq(&**w, self));
            sb.watches.count.fetch_sub(before - list.len(), Ordering::Relaxed);
            if list.is_empty() {
                by_ino.remove(&self.ino);
            }
        }
        drop(by_ino);
        Some(sb)
    }

    fn tell(&self, mask: u32, cookie: u32, name: Option<&[u8]>, unlinked: bool) {
        let wanted = self.mask.load(Ordering::Relaxed);
        if wanted & mask & c::IN_ALL_EVENTS == 0 || (unlinked && wanted & c::IN_EXCL_UNLINK != 0) {
            return;
        }
        let once = wanted & c::IN_ONESHOT != 0;
        if once && self.mask.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        let Some(to) = self.to.upgrade() else { return };
        to.event(self.wd, mask, cookie, name);
        if once {
            to.forget(self.wd);
        }
    }

    /// Says the last thing about it.
    fn end(&self, mask: u32) {
        if let Some(to) = self.to.upgrade() {
            if self.mask.load(Ordering::Relaxed) & mask != 0 || mask == c::IN_UNMOUNT {
                to.event(self.wd, mask, 0, None);
            }
            to.forget(self.wd);
        }
    }
}

/// The watches of a file system.
#[derive(Default)]
pub struct Watches {
    count: AtomicUsize,
    by_ino: Mutex<HashMap<u64, Vec<Arc<Watch>>>>,
}

impl Watches {
    /// Whether nobody watches anything.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn of(&self, ino: u64) -> Vec<Arc<Watch>> {
        self.by_ino.lock().get(&ino).cloned().unwrap_or_default()
    }
}

impl Drop for SuperBlock {
    fn drop(&mut self) {
        let left = std::mem::take(self.watches.by_ino.get_mut());
        for watch in left.into_values().flatten() {
            watch.end(c::IN_UNMOUNT);
        }
    }
}

/// A number that ties the two events of a rename together.
fn next_cookie() -> u32 {
    COOKIES.take() as u32
}

static COOKIES: Counter = Counter::from(1);

impl Dentry {
    fn kind_bit(&self) -> u32 {
        if self.inode.is_dir() { c::IN_ISDIR } else { 0 }
    }

    /// Tells those who watch its directory, and those who watch itself, what happened to it.
    #[inline]
    pub fn notify(&self, mask: u32) {
        if !self.sb.watches.is_empty() {
            self.notify_all(mask);
        }
    }

    #[cold]
    fn notify_all(&self, mask: u32) {
        let mask = mask | self.kind_bit();
        let unlinked = self.is_deleted();
        if let Some(parent) = self.parent()
            && let Ok(ino) = parent.ino()
        {
            let name = self.name();
            for watch in self.sb.watches.of(ino) {
                watch.tell(mask, 0, Some(&name), unlinked);
            }
        }
        self.tell_own(mask, unlinked);
    }

    /// Tells those who watch itself.
    #[inline]
    pub fn notify_self(&self, mask: u32) {
        if !self.sb.watches.is_empty() {
            // Of itself nobody is told that it is a directory when it moves or goes.
            let bit = if mask & (c::IN_DELETE_SELF | c::IN_MOVE_SELF) != 0 { 0 } else { self.kind_bit() };
            self.tell_own(mask | bit, false);
        }
    }

    #[cold]
    fn tell_own(&self, mask: u32, unlinked: bool) {
        let Ok(ino) = self.ino() else { return };
        for watch in self.sb.watches.of(ino) {
            watch.tell(mask, 0, None, unlinked);
        }
    }

    /// Tells those who watch this directory what happened to an entry.
    #[inline]
    pub fn notify_entry(&self, name: &[u8], mask: u32, is_dir: bool) {
        if !self.sb.watches.is_empty() {
            self.tell_of_entry(name, mask | if is_dir { c::IN_ISDIR } else { 0 }, 0);
        }
    }

    #[cold]
    fn tell_of_entry(&self, name: &[u8], mask: u32, cookie: u32) {
        let Ok(ino) = self.ino() else { return };
        for watch in self.sb.watches.of(ino) {
            watch.tell(mask, cookie, Some(name), false);
        }
    }

    /// Tells of a move of `self` that has been done; `replaced` is what had the name before.
    #[inline]
    pub fn notify_moved(&self, from: (&Dentry, &[u8]), to: (&Dentry, &[u8]), replaced: Option<&Arc<Dentry>>) {
        if self.sb.watches.is_empty() {
            return;
        }
        let (cookie, bit) = (next_cookie(), self.kind_bit());
        from.0.tell_of_entry(from.1, c::IN_MOVED_FROM | bit, cookie);
        to.0.tell_of_entry(to.1, c::IN_MOVED_TO | bit, cookie);
        if let Some(replaced) = replaced {
            replaced.notify_self(c::IN_ATTRIB);
        }
        self.notify_self(c::IN_MOVE_SELF);
    }

    /// Called before its name is removed: notes whether that is the last one, for [`IN_DELETE_SELF`](c::IN_DELETE_SELF)
    /// when nobody uses it any more.
    pub(super) fn note_last_link(&self) {
        if !self.sb.watches.is_empty()
            && self.ino().is_ok()
            && (self.inode.is_dir() || self.inode.attrs().is_ok_and(|a| a.nlink <= 1))
        {
            self.set_last_link();
        }
    }

    /// The inode is no more.
    pub(super) fn notify_gone(&self) {
        if let Ok(ino) = self.ino() {
            for watch in self.sb.watches.of(ino) {
                watch.end(c::IN_DELETE_SELF);
            }
        }
    }
}

impl Watches {
    /// The watch that somebody already has of an inode.
    #[must_use]
    pub fn find(&self, dentry: &Dentry, to: &Weak<dyn Watcher>) -> Option<Arc<Watch>> {
        let ino = dentry.ino().ok()?;
        self.by_ino.lock().get(&ino)?.iter().find(|w| Weak::ptr_eq(&w.to, to)).cloned()
    }
}
