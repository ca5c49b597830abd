//! Where a task's paths begin.

mod persist;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stockade_platform::sync::RwLock;

use stockade_abi::Errno;

use super::mount::Path;
use super::namespace::MountNamespace;

pub use persist::FsContextState;

/// Root, working directory and umask of a task, shared by CLONE_FS.
pub struct FsContext {
    root: RwLock<Path>,
    cwd: RwLock<Path>,
    umask: AtomicU32,
}

impl FsContext {
    /// A context that begins at `root`.
    #[must_use]
    pub fn new(root: Path, cwd: Path, umask: u32) -> Arc<Self> {
        Arc::new(Self {
            root: RwLock::new(root),
            cwd: RwLock::new(cwd),
            umask: AtomicU32::new(umask & 0o777),
        })
    }

    /// `/`
    #[must_use]
    pub fn root(&self) -> Path {
        self.root.read().clone()
    }

    /// `.`
    #[must_use]
    pub fn cwd(&self) -> Path {
        self.cwd.read().clone()
    }

    /// chroot(2)
    pub fn set_root(&self, root: Path) {
        *self.root.write() = root;
    }

    /// chdir(2)
    pub fn set_cwd(&self, cwd: Path) {
        *self.cwd.write() = cwd;
    }

    /// The mode bits that new files do not get.
    #[must_use]
    pub fn umask(&self) -> u32 {
        self.umask.load(Ordering::Relaxed)
    }

    /// umask(2): returns the old one.
    pub fn set_umask(&self, umask: u32) -> u32 {
        self.umask.swap(umask & 0o777, Ordering::Relaxed)
    }

    /// Goes to the same places in a copy of a mount namespace (CLONE_NEWNS), which nobody else shares it for.
    ///
    /// # Errors
    /// ENOSPC
    pub fn enter_copy_of(&self, namespace: &MountNamespace) -> Result<Arc<MountNamespace>, Errno> {
        let mut places = [self.root(), self.cwd()];
        let copy = namespace.copy(&mut places)?;
        let [root, cwd] = places;
        self.set_root(root);
        self.set_cwd(cwd);
        Ok(copy)
    }

    /// A copy for clone(2) without CLONE_FS.
    #[must_use]
    pub fn copy(&self) -> Arc<Self> {
        Self::new(self.root(), self.cwd(), self.umask())
    }
}
