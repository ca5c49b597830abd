//! The tree of mounts that the first process sees.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_sentry::creds::Credentials;
use stockade_sentry::fs::host::HostFs;
use stockade_sentry::fs::overlay::{self, Whiteouts};
use stockade_sentry::fs::proc;
use stockade_sentry::fs::tmpfs::TmpFs;
use stockade_sentry::fs::{dev, devpts, sys};
use stockade_sentry::task::Kernel;
use stockade_sentry::vfs::{Dentry, FileType, LookupFlags, Mount, MountFlags, MountNamespace, NodeKind, ops};

use crate::config::{OverlayConfig, SandboxConfig, VolumeConfig};

/// Whoever is root inside cannot make it writable again.
const READ_ONLY: MountFlags = MountFlags::RDONLY.union(MountFlags::LOCK_RDONLY);

/// Root, `/proc`, `/sys`, `/dev` and the volumes; else the option that cannot be followed, and why.
pub(super) fn build(
    kernel: &Arc<Kernel>,
    config: &SandboxConfig,
    trees: Vec<OwnedFd>,
    proc: &OwnedFd,
) -> Result<Arc<MountNamespace>, String> {
    let mut trees = trees.into_iter();
    let namespace = root(kernel, config, &mut trees)
        .map_err(|e| format!("the root {} could not be mounted: {e}", config.root.path.display()))?;
    own(kernel, &namespace).map_err(|e| format!("/dev and /sys could not be made: {e}"))?;
    for config in &config.volumes {
        volume(config, &mut trees, &namespace, proc).map_err(|e| {
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
    let lower = HostFs::mount("root", trees.next().ok_or(Errno::EINVAL)?, false)?;
    let (root, flags) = match &config.root.overlay {
        OverlayConfig::None => (lower, READ_ONLY),
        OverlayConfig::Memory => {
            let mode = lower.inode.attrs()?.mode & 0o7777;
            let (_, upper) = TmpFs::mount(Arc::clone(&kernel.memory_files), mode)?;
            (overlay::mount(&upper, &lower, Whiteouts::Devices)?, MountFlags::empty())
        }
        OverlayConfig::Dir(_) => {
            let upper =
                HostFs::mount_within("upper", trees.next().ok_or(Errno::EINVAL)?, &kernel.memory_files)?;
            (overlay::mount(&upper, &lower, Whiteouts::Names)?, MountFlags::empty())
        }
    };
    Ok(MountNamespace::new(Mount::new(root, flags)))
}

/// What is the sandbox's own. A root without these directories goes without.
fn own(kernel: &Arc<Kernel>, namespace: &MountNamespace) -> Result<(), Errno> {
    let nosuid = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for (at, tree, flags) in [
        (&b"/dev"[..], dev::mount(&kernel.memory_files)?, MountFlags::NOSUID),
        (b"/dev/pts", devpts::mount(&kernel.ttys), MountFlags::NOSUID | MountFlags::NOEXEC),
        (b"/proc", proc::mount(kernel, &kernel.root_pidns), nosuid),
        (b"/sys", sys::mount(kernel.config.cpus), nosuid | MountFlags::RDONLY),
    ] {
        match attach(namespace, at, tree, flags) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn volume(
    config: &VolumeConfig,
    trees: &mut impl Iterator<Item = OwnedFd>,
    namespace: &MountNamespace,
    proc: &OwnedFd,
) -> Result<(), Errno> {
    let tree = trees.next().ok_or(Errno::EINVAL)?;
    let stat = rustix::fs::fstat(&tree).map_err(|e| Errno::from_raw(e.raw_os_error()))?;
    let is_directory = FileType::from_mode(stat.st_mode) == FileType::Directory;
    // As the sandbox's owner names it.
    let label = config.destination.to_string_lossy();
    let tree = if is_directory {
        HostFs::mount(&label, tree, true)?
    } else {
        let proc = rustix::io::fcntl_dupfd_cloexec(proc, 3).map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        HostFs::mount_file(&label, tree, proc)?
    };
    let flags = if config.read_only { READ_ONLY } else { MountFlags::empty() };
    let destination = config.destination.as_os_str().as_bytes();
    make_place(namespace, destination, is_directory);
    attach(namespace, destination, tree, flags | MountFlags::NODEV)
}

fn request<'a>(namespace: &MountNamespace, creds: &'a Credentials) -> ops::Request<'a> {
    let root = namespace.root();
    ops::Request { root: root.clone(), start: root, creds, umask: 0 }
}

/// Mounts a directory on a directory, or a file on a file.
fn attach(namespace: &MountNamespace, at: &[u8], tree: Arc<Dentry>, flags: MountFlags) -> Result<(), Errno> {
    let creds = Credentials::root();
    let place = request(namespace, &creds).walk(LookupFlags::FOLLOW).resolve(at)?;
    match (place.dentry.inode.file_type(), tree.inode.file_type()) {
        (FileType::Directory, FileType::Directory) => {}
        (FileType::Directory, _) => return Err(Errno::EISDIR),
        (_, FileType::Directory) => return Err(Errno::ENOTDIR),
        _ => {}
    }
    Mount::new(tree, flags).attach(&place);
    Ok(())
}

/// Makes a mount point that the root does not have, with the directories to it; where it is read-only, mounting fails
/// later.
fn make_place(namespace: &MountNamespace, path: &[u8], is_directory: bool) {
    let creds = Credentials::root();
    let request = request(namespace, &creds);
    for end in (1..path.len()).filter(|&i| path[i] == b'/') {
        // EEXIST is the usual case.
        let _ = request.make(&path[..end], NodeKind::Directory, 0o755);
    }
    let _ = match is_directory {
        true => request.make(path, NodeKind::Directory, 0o755),
        false => request.make(path, NodeKind::Regular, 0o644),
    };
}
