//! Mount namespaces (mount_namespaces(7)): what mount(2), umount2(2) and pivot_root(2) do to the tree of mounts.
//!
//! All mounts are private: nothing that is mounted in one place appears in another.

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::{Mutex, RwLock};

use super::mount::{Mount, Path};
use super::quota::MOUNTS;
use crate::persist::Counter;

pub use persist::MountNamespaceState;

static IDS: Counter = Counter::from(0xf000_0000);

/// Mounts in one namespace (Linux: fs.mount-max is 100,000).
const MAX_MOUNTS: usize = 10_000;

/// The tree of mounts that a set of tasks sees.
pub struct MountNamespace {
    id: u64,
    root: RwLock<Arc<Mount>>,
    /// Held while the tree changes.
    changing: Mutex<()>,
}

/// How umount2(2) takes a mount away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmount {
    /// If nothing uses it.
    Unused,
    /// From the tree at once; what uses it goes on (MNT_DETACH).
    Lazily,
}

fn same(a: &Arc<Mount>, b: &Arc<Mount>) -> bool {
    Arc::ptr_eq(a, b)
}

/// Whether `inner` is `outer`, or attached somewhere beneath it.
fn is_beneath(inner: &Arc<Mount>, outer: &Arc<Mount>) -> bool {
    let mut at = Arc::clone(inner);
    loop {
        if same(&at, outer) {
            return true;
        }
        match at.mount_point() {
            Some(point) => at = point.mount,
            None => return false,
        }
    }
}

impl MountNamespace {
    /// A namespace with one mount.
    #[must_use]
    pub fn new(root: Arc<Mount>) -> Arc<Self> {
        Self::with_id(IDS.take(), root)
    }

    fn with_id(id: u64, root: Arc<Mount>) -> Arc<Self> {
        Arc::new(Self { id, root: RwLock::new(root), changing: Mutex::new(()) })
    }

    /// For `/proc/PID/ns/mnt`.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its topmost path.
    #[must_use]
    pub fn root(&self) -> Path {
        Path::of_mount(&self.root.read()).follow_mounts()
    }

    /// All mounts, parents first.
    #[must_use]
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        tree(&self.root.read())
    }

    fn check_contains(&self, mount: &Arc<Mount>) -> Result<(), Errno> {
        if is_beneath(mount, &self.root.read()) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn check_room(&self, more: usize) -> Result<(), Errno> {
        let has_room = self.mounts().len() + more <= MAX_MOUNTS && MOUNTS.has_room(more);
        if has_room { Ok(()) } else { Err(Errno::ENOSPC) }
    }

    /// A copy for CLONE_NEWNS; the paths are moved to their places in it.
    ///
    /// # Errors
    /// ENOSPC
    pub fn copy(&self, paths: &mut [Path]) -> Result<Arc<Self>, Errno> {
        let _still = self.changing.lock();
        let root = Arc::clone(&self.root.read());
        if !MOUNTS.has_room(tree(&root).len()) {
            return Err(Errno::ENOSPC);
        }
        let copies = copy_tree(&Path::of_mount(&root), true);
        for path in paths {
            if let Some((_, copy)) = copies.iter().find(|(old, _)| same(old, &path.mount)) {
                path.mount = Arc::clone(copy);
            }
        }
        let (_, root) = copies.into_iter().next().ok_or(Errno::ENOSPC)?;
        Ok(Self::new(root))
    }

    /// Attaches a new mount.
    ///
    /// # Errors
    /// ENOTDIR, EINVAL for a place elsewhere, ENOSPC.
    pub fn attach(&self, mount: &Arc<Mount>, at: &Path) -> Result<(), Errno> {
        let _still = self.changing.lock();
        self.attach_tree(mount, at)
    }

    fn attach_tree(&self, mount: &Arc<Mount>, at: &Path) -> Result<(), Errno> {
        // What was mounted there since the caller looked is beneath the new one.
        let at = at.clone().follow_mounts();
        self.check_contains(&at.mount)?;
        if mount.root().inode.is_dir() != at.dentry.inode.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if at.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        self.check_room(tree(mount).len())?;
        mount.attach(&at);
        Ok(())
    }

    /// Shows what is at `from` at another place, too (MS_BIND); with what is mounted there (MS_REC).
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn bind(&self, from: &Path, at: &Path, recursive: bool) -> Result<(), Errno> {
        let _still = self.changing.lock();
        self.check_contains(&from.mount)?;
        self.check_room(if recursive { tree(&from.mount).len() } else { 1 })?;
        let copies = copy_tree(from, recursive);
        let (_, top) = copies.first().ok_or(Errno::EINVAL)?;
        self.attach_tree(top, at)
    }

    /// Moves a mount to another place (MS_MOVE).
    ///
    /// # Errors
    /// EINVAL if `from` is not a mount, or the root; ELOOP if `at` is beneath it.
    pub fn move_to(&self, from: &Path, at: &Path) -> Result<(), Errno> {
        let _still = self.changing.lock();
        self.check_contains(&from.mount)?;
        if !Arc::ptr_eq(&from.dentry, from.mount.root()) {
            return Err(Errno::EINVAL);
        }
        let old = from.mount.mount_point().ok_or(Errno::EINVAL)?;
        if is_beneath(&at.mount, &from.mount) {
            return Err(Errno::ELOOP);
        }
        from.mount.detach()?;
        self.attach_tree(&from.mount, at).inspect_err(|_| from.mount.attach(&old))
    }

    /// Takes the mount of which `place` is the root out of the tree. The caller has no other reference to it than `place`.
    ///
    /// # Errors
    /// EINVAL if it is not the root of a mount, or is the root of everything; EBUSY if it is in use.
    pub fn unmount(&self, place: &Path, how: Unmount) -> Result<(), Errno> {
        let _still = self.changing.lock();
        if !Arc::ptr_eq(&place.dentry, place.mount.root()) {
            return Err(Errno::EINVAL);
        }
        self.check_contains(&place.mount)?;
        if place.mount.mount_point().is_none() {
            return Err(if how == Unmount::Lazily { Errno::EINVAL } else { Errno::EBUSY });
        }
        // Its parent and the caller's path have it, too.
        let in_use = !place.mount.children().is_empty() || Arc::strong_count(&place.mount) > 2;
        if how == Unmount::Unused && in_use {
            return Err(Errno::EBUSY);
        }
        place.mount.detach()
    }

    /// Makes another mount the root and puts the old one, on which `root` lies, at `put_old` (pivot_root(2)).
    ///
    /// # Errors
    /// EBUSY, EINVAL as pivot_root(2).
    pub fn pivot(&self, new_root: &Path, put_old: &Path, root: &Path) -> Result<(), Errno> {
        let _still = self.changing.lock();
        for path in [new_root, put_old, root] {
            self.check_contains(&path.mount)?;
        }
        if same(&new_root.mount, &root.mount) || same(&put_old.mount, &root.mount) {
            return Err(Errno::EBUSY);
        }
        let is_root_of_mount = |path: &Path| Arc::ptr_eq(&path.dentry, path.mount.root());
        if !is_root_of_mount(new_root) || !is_root_of_mount(root) {
            return Err(Errno::EINVAL);
        }
        if !is_beneath(&put_old.mount, &new_root.mount) || !is_beneath(&new_root.mount, &root.mount) {
            return Err(Errno::EINVAL);
        }
        let above = root.mount.mount_point();
        new_root.mount.detach()?;
        if above.is_some() {
            root.mount.detach()?;
        }
        root.mount.attach(put_old);
        match above {
            Some(above) => new_root.mount.attach(&above),
            None => *self.root.write() = Arc::clone(&new_root.mount),
        }
        Ok(())
    }
}

/// A mount and all that is attached beneath it, parents first.
fn tree(top: &Arc<Mount>) -> Vec<Arc<Mount>> {
    let mut all = vec![Arc::clone(top)];
    let mut next = 0;
    while let Some(mount) = all.get(next) {
        let children = mount.children();
        all.extend(children);
        next += 1;
    }
    all
}

/// Copies what is seen from a path on, with what is mounted beneath it if `recursive`: the mounts and their copies, the
/// topmost first and attached nowhere.
fn copy_tree(from: &Path, recursive: bool) -> Vec<(Arc<Mount>, Arc<Mount>)> {
    let mut copies = vec![(Arc::clone(&from.mount), from.mount.copy(&from.dentry))];
    let mut next = 0;
    while recursive && next < copies.len() {
        let (old, new) = copies[next].clone();
        for child in old.children() {
            let Some(point) = child.mount_point() else { continue };
            if new.root().is_ancestor_of(&point.dentry) {
                let copy = child.copy(child.root());
                copy.attach(&Path { mount: Arc::clone(&new), dentry: point.dentry });
                copies.push((child, copy));
            }
        }
        next += 1;
    }
    copies
}

#[cfg(test)]
mod tests;
