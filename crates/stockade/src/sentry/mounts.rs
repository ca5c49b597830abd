//! The tree of mounts that the first process sees.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::dev;
use stockade_sentry::fs::host::HostFs;
use stockade_sentry::fs::overlay;
use stockade_sentry::fs::tmpfs::TmpFs;
use stockade_sentry::task::Kernel;
use stockade_sentry::vfs::{Dentry, LookupFlags, Mount, MountFlags, MountNamespace, Path, ops};

use crate::config::{OverlayConfig, SandboxConfig, VolumeConfig};

/// Root, `/proc`, `/sys`, `/dev` and the volumes; else the option that cannot be followed, and why.
pub(super) fn build(
    kernel: &Arc<Kernel>,
    config: &SandboxConfig,
    trees: Vec<OwnedFd>,
) -> Result<Arc<MountNamespace>, String> {
    let mut trees = trees.into_iter();
    let namespace = root(kernel, config, &mut trees)
        .map_err(|e| format!("the root {} could not be mounted: {e}", config.root.path.display()))?;
    own(kernel, &namespace).map_err(|e| format!("/dev and /sys could not be made: {e}"))?;
    for config in &config.volumes {
        volume(config, &mut trees, &namespace).map_err(|e| {
            let (from, to) = (config.source.display(), config.destination.display());
            format!("--volume {from}: could not be mounted at {to}: {e}")
        })?;
    }
    Ok(namespace)
}

fn root(
    kernel: &Kernel,
    config: &SandboxConfig,
    trees: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Arc<MountNamespace>, Errno> {
    let lower = HostFs::mount(trees.next().ok_or(Errno::EINVAL)?, false)?;
    let (root, flags) = match &config.root.overlay {
        OverlayConfig::None => (lower, MountFlags::RDONLY),
        OverlayConfig::Memory => {
            let mode = lower.inode.attrs()?.mode & 0o7777;
            let (_, upper) = TmpFs::mount(Arc::clone(&kernel.memory_files), mode);
            (overlay::mount(&upper, &lower)?, MountFlags::empty())
        }
        OverlayConfig::Dir(_) => {
            let upper = HostFs::mount(trees.next().ok_or(Errno::EINVAL)?, true)?;
            (overlay::mount(&upper, &lower)?, MountFlags::empty())
        }
    };
    Ok(MountNamespace::new(Mount::new(root, flags)))
}

/// What is the sandbox's own. A root without these directories has none of them.
fn own(kernel: &Kernel, namespace: &MountNamespace) -> Result<(), Errno> {
    let nosuid = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;

    attach(namespace, b"/dev", dev::mount(&kernel.memory_files)?, MountFlags::NOSUID);
    let (_, sys) = TmpFs::mount(Arc::clone(&kernel.memory_files), 0o555);
    attach(namespace, b"/sys", sys, nosuid | MountFlags::RDONLY);
    Ok(())
}

fn volume(
    config: &VolumeConfig,
    trees: &mut impl Iterator<Item = OwnedFd>,
    namespace: &MountNamespace,
) -> Result<(), Errno> {
    let tree = HostFs::mount(trees.next().ok_or(Errno::EINVAL)?, true)?;
    let flags = if config.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
    let destination = config.destination.as_os_str().as_bytes();
    make_directories(namespace, destination);
    let attached = attach(namespace, destination, tree, flags | MountFlags::NODEV);
    attached.then_some(()).ok_or(Errno::ENOENT)
}

fn resolve(namespace: &MountNamespace, path: &[u8]) -> Result<Path, Errno> {
    let (root, creds) = (namespace.root(), Credentials::root());
    let request = ops::Request { root: root.clone(), start: root, creds: &creds, umask: 0 };
    request.walk(LookupFlags::FOLLOW | LookupFlags::DIRECTORY).resolve(path)
}

/// Mounts at a path; false if there is no such directory.
fn attach(namespace: &MountNamespace, at: &[u8], tree: Arc<Dentry>, flags: MountFlags) -> bool {
    let Ok(place) = resolve(namespace, at) else { return false };
    Mount::new(tree, flags).attach(&place);
    true
}

/// Makes the directories of a mount point that the root does not have; where it is read-only, mounting fails later.
fn make_directories(namespace: &MountNamespace, path: &[u8]) {
    let creds = Credentials::root();
    for end in (1..=path.len()).filter(|&i| i == path.len() || path[i] == b'/') {
        if resolve(namespace, &path[..end]).is_err() {
            let root = namespace.root();
            let request = ops::Request { root: root.clone(), start: root, creds: &creds, umask: 0 };
            let _ = request.make(&path[..end], stockade_sentry::vfs::NodeKind::Directory, 0o755);
        }
    }
}
