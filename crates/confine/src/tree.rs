//! The host's file tree, as far as the sentry gets it: detached mounts, reached by descriptors only.
//!
//! The sentry's own root is an empty read-only directory. A tree is a copy of the mounts beneath a directory, attached
//! nowhere: `..` ends at its root. The host's proc, sys, dev and the like are covered by the empty directory in it.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use linux_raw_sys::general as raw;
use linux_raw_sys::general::mount_attr;
use rustix::fs::{CWD, Mode, OFlags, fstatfs, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};
use rustix::process::{chroot, fchdir, pivot_root};
use rustix::thread::CapabilitySet;

use crate::error::{Error, Step};
use crate::launch::{Access, Tree};
use crate::privileges;

/// File systems that are windows into the host's kernel rather than places for files.
const PSEUDO: [&str; 20] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "configfs",
    "pstore",
    "efivarfs",
    "mqueue",
    "fusectl",
    "binfmt_misc",
    "selinuxfs",
    "autofs",
    "rpc_pipefs",
    "nfsd",
];

/// Opens the directories (or files) at which trees begin, with the rights of the caller and no more.
pub(crate) fn find(trees: &[Tree], kept: CapabilitySet) -> Result<Vec<OwnedFd>, Error> {
    privileges::with_only(kept, || trees.iter().map(|tree| find_one(&tree.path)).collect())
}

fn find_one(path: &Path) -> Result<OwnedFd, Error> {
    let step = || format!("opening {}", path.display());
    let fd = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).step_with(step)?;
    let kind = fstatfs(&fd).step_with(step)?.f_type;
    if [libc::PROC_SUPER_MAGIC, libc::SYSFS_MAGIC, libc::CGROUP_SUPER_MAGIC, libc::CGROUP2_SUPER_MAGIC]
        .contains(&kind)
    {
        let why = format!(
            "{}: the host's proc, sys and cgroup file systems cannot be given to a sandbox",
            path.display()
        );
        return Err(Error::Sentry(why));
    }
    Ok(fd)
}

/// A proc file system of the own PID namespace, mounted nowhere, without `/proc/sys` and the like: as the user that
/// the host's root is, the sentry could write those.
pub(crate) fn procfs() -> Result<OwnedFd, Error> {
    let step =
        "mounting a proc file system of the own PID namespace (in a container, /proc must not be masked)";
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    fsconfig_set_string(&fs, "subset", "pid").step(step)?;
    fsconfig_create(&fs).step(step)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step(step)
}

/// Makes the trees, then an empty directory the root of everything.
pub(crate) fn detach(trees: &[Tree], found: &[OwnedFd]) -> Result<Vec<OwnedFd>, Error> {
    let mut empty = Empty::new()?;
    if !trees.is_empty() {
        cover(&mut empty)?;
    }
    let detached =
        trees.iter().zip(found).map(|(tree, fd)| detach_one(tree, fd)).collect::<Result<_, _>>()?;
    become_root(&mut empty)?;
    Ok(detached)
}

fn detach_one(tree: &Tree, fd: &OwnedFd) -> Result<OwnedFd, Error> {
    let step = || format!("copying the mounts of {} (open_tree(2))", tree.path.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let detached = open_tree(fd, "", flags).step_with(step)?;
    let mut set = u64::from(raw::MOUNT_ATTR_NODEV | raw::MOUNT_ATTR_NOSUID);
    if tree.access == Access::ReadOnly {
        set |= u64::from(raw::MOUNT_ATTR_RDONLY);
    }
    let attr = mount_attr { attr_set: set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    crate::sys::mount_setattr(detached.as_fd(), &attr)
        .step_with(|| format!("restricting the mounts of {} (mount_setattr(2))", tree.path.display()))?;
    Ok(detached)
}

/// An empty read-only directory, mounted in as many places as needed.
struct Empty {
    mount: OwnedFd,
    attached: bool,
}

impl Empty {
    fn new() -> Result<Self, Error> {
        let step = "making an empty root (tmpfs)";
        let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
        fsconfig_set_string(&fs, "mode", "0555").step(step)?;
        fsconfig_set_string(&fs, "size", "4k").step(step)?;
        fsconfig_create(&fs).step(step)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).step(step)?;
        Ok(Self { mount, attached: false })
    }

    /// Mounts it at `place`: itself the first time, copies later. (Before Linux 6.15 only what is mounted can be copied.)
    fn mount_at(&mut self, place: &Path) -> Result<OwnedFd, Errno> {
        let mount = if self.attached {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            open_tree(&self.mount, "", flags)?
        } else {
            rustix::io::fcntl_dupfd_cloexec(&self.mount, 3)?
        };
        move_mount(&mount, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        self.attached = true;
        Ok(mount)
    }
}

/// Covers what looks into the host's kernel, in the own mount namespace, before any tree is copied from it.
fn cover(empty: &mut Empty) -> Result<(), Error> {
    let table = std::fs::read("/proc/self/mountinfo").step("reading /proc/self/mountinfo")?;
    for place in to_cover(&table) {
        match empty.mount_at(&place) {
            // Not to be reached by its name, or a file: there is nothing to see there.
            Ok(_) | Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(e) => return Err(Error::new(format!("covering the host's {}", place.display()), e)),
        }
    }
    Ok(())
}

/// The mount points to cover, without those beneath another one. A container's `/dev` is a tmpfs, so it goes by name.
fn to_cover(mountinfo: &[u8]) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::from([PathBuf::from("/dev")]);
    for line in mountinfo.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b' ');
        let point = fields.nth(4);
        let kind = fields.skip_while(|f| *f != b"-").nth(1);
        if let (Some(point), Some(kind)) = (point, kind)
            && PSEUDO.iter().any(|p| p.as_bytes() == kind)
        {
            places.insert(PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(point))));
        }
    }
    let all: Vec<PathBuf> = places.iter().cloned().collect();
    places.retain(|p| !all.iter().any(|other| other != p && p.starts_with(other)));
    places
}

/// Undoes the octal escapes of `mountinfo`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if *first == b'\\' => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Puts the empty directory in the place of `/` and lets go of everything that was there.
fn become_root(empty: &mut Empty) -> Result<(), Error> {
    let root = empty.mount_at(Path::new("/")).step("mounting the empty root")?;
    fchdir(&root).step("entering the empty root")?;
    match pivot_root(".", ".") {
        Ok(()) => unmount(".", UnmountFlags::DETACH).step("detaching the host's root")?,
        // The host runs from its initramfs, which cannot be left; it lies beneath the empty root then, out of reach.
        Err(Errno::INVAL) => chroot(".").step("entering the empty root (chroot(2))")?,
        Err(e) => return Err(Error::new("entering the empty root (pivot_root(2))", e)),
    }
    rustix::process::chdir("/").step("entering the empty root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_the_topmost() {
        let table = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            24 27 0:6 / /dev rw,relatime shared:3 - devtmpfs devtmpfs rw\n\
            26 24 0:24 / /dev/pts rw - devpts devpts rw\n\
            27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            28 27 0:30 / /srv/my\\040root/proc rw - proc proc rw\n";
        let places: Vec<_> = to_cover(table).into_iter().collect();
        assert_eq!(places, ["/dev", "/proc", "/srv/my root/proc"].map(PathBuf::from));
    }

    #[test]
    fn unescapes() {
        assert_eq!(unescape(b"a\\040b\\134\\12"), b"a b\\\\12");
    }
}
