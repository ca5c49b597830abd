//! Names that have been looked up, and the tree they form.

mod persist;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use stockade_abi::Errno;
use stockade_platform::sync::{Mutex, MutexGuard, RwLock};

use super::inode::Inode;
use super::kept::KeptNames;
use super::lock::{FileId, Locks};
use super::notify::Watches;
use crate::persist::Counter;
use crate::unravel::unravel;

pub(crate) use persist::restored_device;
pub use persist::{DentryState, SuperBlockState};

static IDS: Counter = Counter::from(1);
/// Anonymous devices have major 0, as Linux's.
static MINORS: Counter = Counter::from(16);

/// One mounted instance of a file system.
pub struct SuperBlock {
    /// `st_dev` of its files.
    pub dev: u64,
    /// Its type, as `/proc/mounts` shows it.
    pub fs_type: &'static str,
    /// What it was mounted from.
    pub source: String,
    /// Its own options in `/proc/mounts`.
    pub options: String,
    /// Whether names are kept after a look-up. Off for file systems that are made up at each look-up.
    pub caches_names: bool,
    /// Whether cached names are checked by [`Inode::is_current`].
    pub revalidates: bool,
    /// Held while directories move, so that the tree above a name stands still.
    pub rename_lock: Mutex<()>,
    /// Who watches its files.
    pub watches: Watches,
    /// Locks on its files.
    pub locks: Arc<Locks>,
    /// Names that it keeps while it is mounted.
    pub(super) kept: KeptNames,
}

impl SuperBlock {
    /// A new instance with a device number of its own.
    #[must_use]
    pub fn new(fs_type: &'static str, source: &str, caches_names: bool, revalidates: bool) -> Arc<Self> {
        let dev = super::attrs::make_dev(0, MINORS.take() as u32);
        Self::with_dev(dev, fs_type, source, String::new(), caches_names, revalidates)
    }

    fn with_dev(
        dev: u64,
        fs_type: &'static str,
        source: &str,
        options: String,
        caches_names: bool,
        revalidates: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            dev,
            fs_type,
            source: source.to_owned(),
            options,
            caches_names,
            revalidates,
            rename_lock: Mutex::new(()),
            watches: Watches::default(),
            locks: Arc::default(),
            kept: KeptNames::default(),
        })
    }
}

struct Link {
    parent: Option<Arc<Dentry>>,
    name: Arc<[u8]>,
}

/// A name in a directory, with its inode. Entries that do not exist have no dentry.
pub struct Dentry {
    /// The file system.
    pub sb: Arc<SuperBlock>,
    /// What the name stands for.
    pub inode: Arc<dyn Inode>,
    id: u64,
    link: RwLock<Link>,
    pub(super) children: Mutex<Children>,
    /// Whether it is among those that keep names. Changed while children stand still.
    pub(super) keeps_names: AtomicBool,
    deleted: AtomicBool,
    mounts: AtomicU32,
    /// Which file it is, once somebody watches or locks it.
    file_id: OnceLock<FileId>,
    /// Whether the name was the last one of its inode when it was removed.
    last_link: AtomicBool,
    /// Whether it may get its first name (O_TMPFILE).
    linkable: AtomicBool,
    /// Open files that write, or, below zero, executions that keep these away.
    writers: AtomicI32,
}

/// The entries of a directory that have been looked up.
pub(super) type Children = HashMap<Arc<[u8]>, Child>;

/// Cached children are kept alive by their directory, others only by their users.
pub(super) enum Child {
    Kept(Arc<Dentry>),
    Used(Weak<Dentry>),
}

impl Child {
    pub(super) fn used(dentry: &Arc<Dentry>) -> Self {
        Self::Used(Arc::downgrade(dentry))
    }

    fn get(&self) -> Option<Arc<Dentry>> {
        match self {
            Self::Kept(d) => Some(Arc::clone(d)),
            Self::Used(w) => w.upgrade(),
        }
    }
}

/// A directory whose entries stand still.
pub struct LockedDir<'a> {
    pub(super) dir: &'a Arc<Dentry>,
    pub(super) children: MutexGuard<'a, Children>,
}

impl Dentry {
    fn make(
        sb: Arc<SuperBlock>,
        inode: Arc<dyn Inode>,
        parent: Option<Arc<Dentry>>,
        name: Arc<[u8]>,
    ) -> Arc<Self> {
        Self::with_id(IDS.take(), sb, inode, parent, name)
    }

    fn with_id(
        id: u64,
        sb: Arc<SuperBlock>,
        inode: Arc<dyn Inode>,
        parent: Option<Arc<Dentry>>,
        name: Arc<[u8]>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sb,
            inode,
            id,
            link: RwLock::new(Link { parent, name }),
            children: Mutex::default(),
            keeps_names: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            mounts: AtomicU32::new(0),
            file_id: OnceLock::new(),
            last_link: AtomicBool::new(false),
            linkable: AtomicBool::new(false),
            writers: AtomicI32::new(0),
        })
    }

    /// The root of a file system.
    #[must_use]
    pub fn root(sb: Arc<SuperBlock>, inode: Arc<dyn Inode>) -> Arc<Self> {
        Self::make(sb, inode, None, Arc::from(&b"/"[..]))
    }

    /// A name outside of every directory: pipes, memfds, deleted files. `name` is what `/proc/PID/fd` shows.
    #[must_use]
    pub fn unattached(sb: Arc<SuperBlock>, inode: Arc<dyn Inode>, name: &[u8]) -> Arc<Self> {
        let dentry = Self::make(sb, inode, None, Arc::from(name));
        dentry.deleted.store(true, Ordering::Relaxed);
        dentry
    }

    /// A number that no other dentry has had.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number of its inode.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn ino(&self) -> Result<u64, Errno> {
        self.file_id().map(|(_, ino)| ino)
    }

    /// Which file it names: names of one file have the same.
    ///
    /// # Errors
    /// What its attributes fail with.
    pub fn file_id(&self) -> Result<FileId, Errno> {
        match self.file_id.get() {
            Some(&id) => Ok(id),
            None => {
                let id = self.inode.id()?;
                Ok(*self.file_id.get_or_init(|| id))
            }
        }
    }

    /// Made without a name that it may get later.
    pub(super) fn set_linkable(&self) {
        self.linkable.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_linkable(&self) -> bool {
        self.linkable.load(Ordering::Relaxed)
    }

    /// Changes the count of writers, unless it is on the other side of zero.
    fn count_writers(&self, by: i32) -> Result<(), Errno> {
        let change = |n: i32| if n.signum() == -by { None } else { n.checked_add(by) };
        let changed = self.writers.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        changed.map(|_| ()).map_err(|_| Errno::ETXTBSY)
    }

    /// Somebody begins to write.
    ///
    /// # Errors
    /// ETXTBSY while it is executed.
    pub(super) fn get_write_access(&self) -> Result<(), Errno> {
        self.count_writers(1)
    }

    /// Somebody ends writing.
    pub(super) fn put_write_access(&self) {
        self.writers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Somebody begins to execute it.
    ///
    /// # Errors
    /// ETXTBSY while somebody writes.
    pub(super) fn deny_write_access(&self) -> Result<(), Errno> {
        self.count_writers(-1)
    }

    /// Somebody ends executing it.
    pub(super) fn allow_write_access(&self) {
        self.writers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn set_last_link(&self) {
        self.last_link.store(true, Ordering::Release);
    }

    /// The directory it is in; none for roots and unattached names.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.link.read().parent.clone()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Arc<[u8]> {
        Arc::clone(&self.link.read().name)
    }

    /// Whether the name has been removed.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Whether something is mounted here in some namespace.
    #[must_use]
    pub fn is_mount_point(&self) -> bool {
        self.mounts.load(Ordering::Acquire) != 0
    }

    pub(super) fn count_mount(&self, delta: i32) {
        self.mounts.fetch_add(delta as u32, Ordering::AcqRel);
    }

    /// Whether `self` is `other` or lies above it.
    #[must_use]
    pub fn is_ancestor_of(&self, other: &Arc<Dentry>) -> bool {
        let mut at = Some(Arc::clone(other));
        while let Some(dentry) = at {
            if dentry.id == self.id {
                return true;
            }
            at = dentry.parent();
        }
        false
    }

    /// The entry of a directory, from the cache or the file system.
    ///
    /// # Errors
    /// ENOENT, and what the file system says.
    pub fn lookup(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>, Errno> {
        self.lock().lookup(name)
    }

    /// Has everything from here on get ready to be moved. By way of dentries, so that the inodes which are in use are the
    /// ones that learn of it.
    ///
    /// # Errors
    /// What [`Inode::prepare_move`] fails with; what has been copied until then stays so.
    pub fn prepare_move(self: &Arc<Self>) -> Result<(), Errno> {
        let (mut ahead, mut directories) = (vec![Arc::clone(self)], Vec::new());
        while let Some(dentry) = ahead.pop() {
            let entries = dentry.inode.prepare_move()?;
            for name in &entries {
                ahead.push(dentry.lookup(name)?);
            }
            if dentry.inode.is_dir() {
                directories.push(dentry);
            }
        }
        directories.iter().try_for_each(|d| d.inode.ready_to_move())
    }

    /// Makes the directory stand still.
    pub fn lock(self: &Arc<Self>) -> LockedDir<'_> {
        LockedDir { dir: self, children: self.children.lock() }
    }

    /// Makes two directories stand still; `None` for the second if they are the same.
    pub fn lock_two<'a>(a: &'a Arc<Self>, b: &'a Arc<Self>) -> (LockedDir<'a>, Option<LockedDir<'a>>) {
        if a.id == b.id {
            (a.lock(), None)
        } else if a.id < b.id {
            let first = a.lock();
            let second = b.lock();
            (first, Some(second))
        } else {
            let second = b.lock();
            let first = a.lock();
            (first, Some(second))
        }
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        if *self.last_link.get_mut() {
            self.notify_gone();
        }
        unravel(self.link.get_mut().parent.take(), |dentry, above| {
            above.extend(dentry.link.get_mut().parent.take())
        });
    }
}

impl LockedDir<'_> {
    /// As [`Dentry::lookup`].
    ///
    /// # Errors
    /// ENOENT, and what the file system says.
    pub fn lookup(&mut self, name: &[u8]) -> Result<Arc<Dentry>, Errno> {
        let sb = &self.dir.sb;
        if let Some(child) = self.children.get(name).and_then(Child::get) {
            if !sb.revalidates || self.dir.inode.is_current(name, &child.inode) {
                return Ok(child);
            }
            self.forget(name);
            child.deleted.store(true, Ordering::Release);
        }
        if self.dir.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let inode = self.dir.inode.lookup(name)?;
        Ok(self.add(name, inode))
    }

    /// Puts an entry that the file system has into the tree.
    pub fn add(&mut self, name: &[u8], inode: Arc<dyn Inode>) -> Arc<Dentry> {
        let sb = &self.dir.sb;
        let name: Arc<[u8]> = Arc::from(name);
        let dentry = Dentry::make(Arc::clone(sb), inode, Some(Arc::clone(self.dir)), Arc::clone(&name));
        if sb.caches_names {
            self.keep(name, &dentry);
        } else {
            self.children.retain(|_, c| matches!(c, Child::Used(w) if w.strong_count() > 0));
            self.children.insert(name, Child::used(&dentry));
        }
        dentry
    }

    fn forget(&mut self, name: &[u8]) -> Option<Child> {
        let child = self.children.remove(name)?;
        if matches!(child, Child::Kept(_)) {
            self.dir.sb.kept.remove(1);
        }
        Some(child)
    }

    /// Takes an entry out that the file system has removed.
    pub fn remove(&mut self, name: &[u8]) {
        if let Some(dentry) = self.forget(name).and_then(|c| c.get()) {
            dentry.deleted.store(true, Ordering::Release);
        }
    }

    /// Moves an entry that the file system has moved; `to` is none if it stays in this directory.
    pub fn moved(&mut self, name: &[u8], to: Option<&mut LockedDir<'_>>, new_name: &[u8]) {
        let child = self.forget(name);
        match to {
            Some(to) => to.put_in_place(child, new_name),
            None => self.put_in_place(child, new_name),
        }
    }

    fn put_in_place(&mut self, child: Option<Child>, name: &[u8]) {
        self.remove(name);
        if let Some(child) = child {
            self.adopt(child, name);
        }
    }

    /// Exchanges two entries that the file system has exchanged.
    pub fn exchanged(&mut self, name: &[u8], to: Option<&mut LockedDir<'_>>, other: &[u8]) {
        let a = self.forget(name);
        let (b, other_dir) = match to {
            Some(to) => {
                let b = to.forget(other);
                if let Some(a) = a {
                    to.adopt(a, other);
                }
                (b, None)
            }
            None => (self.forget(other), a),
        };
        if let Some(b) = b {
            self.adopt(b, name);
        }
        if let Some(a) = other_dir {
            self.adopt(a, other);
        }
    }

    fn adopt(&mut self, child: Child, name: &[u8]) {
        let Some(dentry) = child.get() else { return };
        let name: Arc<[u8]> = Arc::from(name);
        *dentry.link.write() = Link { parent: Some(Arc::clone(self.dir)), name: Arc::clone(&name) };
        match child {
            Child::Kept(_) => self.keep(name, &dentry),
            Child::Used(_) => _ = self.children.insert(name, child),
        }
    }
}
