//! Mounts, and paths through them.

mod persist;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_platform::sync::RwLock;

use super::dentry::Dentry;
use super::quota::MOUNTS;
use crate::persist::Counter;
use crate::unravel::unravel;

pub use persist::{MountState, PathState};

static IDS: Counter = Counter::from(20);

bitflags::bitflags! {
    /// Per-mount options, with the values that mount(2) gives them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u32 {
        /// MS_RDONLY
        const RDONLY = 1;
        /// MS_NOSUID
        const NOSUID = 2;
        /// MS_NODEV
        const NODEV = 4;
        /// MS_NOEXEC
        const NOEXEC = 8;
        /// MS_NOATIME
        const NOATIME = 0x400;
        /// MS_NODIRATIME
        const NODIRATIME = 0x800;
        /// MS_RELATIME
        const RELATIME = 0x20_0000;
        /// It was mounted read-only by the sandbox's owner, and guests cannot change that.
        const LOCK_RDONLY = 1 << 31;
    }
}

/// A place in the tree of mounts: a name, and the mount through which it is seen.
#[derive(Clone)]
pub struct Path {
    /// The mount.
    pub mount: Arc<Mount>,
    /// The name.
    pub dentry: Arc<Dentry>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && Arc::ptr_eq(&self.dentry, &other.dentry)
    }
}

/// A file system's tree, or a part of it, attached somewhere.
pub struct Mount {
    id: u64,
    root: Arc<Dentry>,
    flags: AtomicU32,
    expired: AtomicBool,
    /// Files that are open for writing through it.
    writers: AtomicU32,
    parent: RwLock<Option<(Weak<Mount>, Arc<Dentry>)>>,
    children: RwLock<Vec<Arc<Mount>>>,
}

impl Mount {
    /// A mount that is not attached anywhere yet.
    #[must_use]
    pub fn new(root: Arc<Dentry>, flags: MountFlags) -> Arc<Self> {
        Self::with_id(IDS.take(), root, flags, false)
    }

    fn with_id(id: u64, root: Arc<Dentry>, flags: MountFlags, expired: bool) -> Arc<Self> {
        root.sb.kept.mounted();
        MOUNTS.add(1);
        Arc::new(Self {
            id,
            root,
            flags: AtomicU32::new(flags.bits()),
            expired: AtomicBool::new(expired),
            writers: AtomicU32::new(0),
            parent: RwLock::new(None),
            children: RwLock::default(),
        })
    }

    /// `mnt_id` of statx(2) and `/proc/PID/mountinfo`.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its options.
    #[must_use]
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes its options (MS_REMOUNT).
    ///
    /// # Errors
    /// EBUSY if nothing is to be written through it any more, and something is open for that.
    pub fn set_flags(&self, flags: MountFlags) -> Result<(), Errno> {
        let stops = flags.contains(MountFlags::RDONLY) && !self.flags().contains(MountFlags::RDONLY);
        if stops && self.writers.load(Ordering::Relaxed) > 0 {
            return Err(Errno::EBUSY);
        }
        self.flags.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }

    /// A file is open for writing through it.
    pub(super) fn add_writer(&self) {
        self.writers.fetch_add(1, Ordering::Relaxed);
    }

    /// It is closed.
    pub(super) fn remove_writer(&self) {
        self.writers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its topmost name.
    #[must_use]
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// Where it is attached.
    #[must_use]
    pub fn mount_point(&self) -> Option<Path> {
        let parent = self.parent.read();
        let (mount, dentry) = parent.as_ref()?;
        Some(Path { mount: mount.upgrade()?, dentry: Arc::clone(dentry) })
    }

    /// What is mounted on a name of this mount, the topmost.
    #[must_use]
    pub fn mounted_on(&self, dentry: &Arc<Dentry>) -> Option<Arc<Mount>> {
        self.children
            .read()
            .iter()
            .rev()
            .find(|m| m.parent.read().as_ref().is_some_and(|(_, d)| Arc::ptr_eq(d, dentry)))
            .cloned()
    }

    /// Mounts attached to this one, in order.
    #[must_use]
    pub fn children(&self) -> Vec<Arc<Mount>> {
        self.children.read().clone()
    }

    /// Attaches a mount at a path.
    pub fn attach(self: &Arc<Self>, at: &Path) {
        *self.parent.write() = Some((Arc::downgrade(&at.mount), Arc::clone(&at.dentry)));
        at.dentry.count_mount(1);
        at.mount.children.write().push(Arc::clone(self));
    }

    /// Marks it as expired (MNT_EXPIRE); false if it was.
    #[must_use]
    pub fn mark_expired(&self) -> bool {
        !self.expired.swap(true, Ordering::Relaxed)
    }

    /// The same tree once more, or the part of it from a name on, attached nowhere.
    #[must_use]
    pub fn copy(&self, root: &Arc<Dentry>) -> Arc<Self> {
        Self::new(Arc::clone(root), self.flags())
    }

    /// Detaches all mounts from this one, which is no more: who uses one has it still.
    fn take_attached(&mut self) -> Vec<Arc<Self>> {
        let attached = std::mem::take(self.children.get_mut());
        for mount in &attached {
            if let Some((_, dentry)) = mount.parent.write().take() {
                dentry.count_mount(-1);
            }
        }
        attached
    }

    /// Detaches it from its parent.
    ///
    /// # Errors
    /// EINVAL if it is the root of its namespace.
    pub fn detach(self: &Arc<Self>) -> Result<(), Errno> {
        let at = self.mount_point().ok_or(Errno::EINVAL)?;
        at.mount.children.write().retain(|m| !Arc::ptr_eq(m, self));
        at.dentry.count_mount(-1);
        *self.parent.write() = None;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unravel(self.take_attached(), |mount, attached| attached.append(&mut mount.take_attached()));
        self.root.sb.kept.unmounted();
        MOUNTS.remove(1);
    }
}

impl Path {
    /// The root of a mount.
    #[must_use]
    pub fn of_mount(mount: &Arc<Mount>) -> Self {
        Self { mount: Arc::clone(mount), dentry: Arc::clone(mount.root()) }
    }

    /// Goes onto what is mounted here, if anything is.
    #[must_use]
    pub fn follow_mounts(mut self) -> Self {
        while self.dentry.is_mount_point() {
            match self.mount.mounted_on(&self.dentry) {
                Some(mount) => self = Self::of_mount(&mount),
                None => break,
            }
        }
        self
    }

    /// The directory above, which is itself at `root` and at the top of everything.
    #[must_use]
    pub fn parent(&self, root: &Path) -> Self {
        let mut at = self.clone();
        loop {
            if at == *root {
                return at;
            }
            if !Arc::ptr_eq(&at.dentry, at.mount.root()) {
                return match at.dentry.parent() {
                    Some(dentry) => Self { mount: at.mount, dentry }.follow_mounts(),
                    None => at,
                };
            }
            match at.mount.mount_point() {
                Some(point) => at = point,
                None => return at,
            }
        }
    }

    /// The absolute path as seen from `root`, for getcwd(2) and `/proc`: with ` (deleted)` if the name is gone, and
    /// false as second value if it is not below `root`.
    #[must_use]
    pub fn display(&self, root: &Path) -> (Vec<u8>, bool) {
        let mut names: Vec<Arc<[u8]>> = Vec::new();
        let mut at = self.clone();
        let mut reachable = true;
        loop {
            if at == *root {
                break;
            }
            if !Arc::ptr_eq(&at.dentry, at.mount.root()) {
                match at.dentry.parent() {
                    Some(parent) => {
                        names.push(at.dentry.name());
                        at.dentry = parent;
                    }
                    None => return (at.dentry.name().to_vec(), true),
                }
                continue;
            }
            match at.mount.mount_point() {
                Some(point) => at = point,
                None => {
                    reachable = *root.dentry == *at.dentry;
                    break;
                }
            }
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        if self.dentry.is_deleted() {
            path.extend_from_slice(b" (deleted)");
        }
        (path, reachable)
    }
}

impl PartialEq for Dentry {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}
