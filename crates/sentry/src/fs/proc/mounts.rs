//! `/proc/PID/mounts`, `mountinfo` and `mountstats`.

use std::sync::Arc;

use stockade_abi::Errno;

use super::Subject;
use crate::vfs::attrs::{dev_major, dev_minor};
use crate::vfs::{Mount, MountFlags, Path};

/// Spaces and the like in a path, in octal.
fn escaped(path: &[u8]) -> String {
    let mut text = Vec::new();
    for &byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => text.extend(format!("\\{byte:03o}").bytes()),
            other => text.push(other),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn options(flags: MountFlags) -> String {
    let mut text = String::from(if flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" });
    for (flag, name) in [
        (MountFlags::NOSUID, ",nosuid"),
        (MountFlags::NODEV, ",nodev"),
        (MountFlags::NOEXEC, ",noexec"),
        (MountFlags::NOATIME, ",noatime"),
        (MountFlags::NODIRATIME, ",nodiratime"),
        (MountFlags::RELATIME, ",relatime"),
    ] {
        if flags.contains(flag) {
            text.push_str(name);
        }
    }
    text
}

/// The mounts below the root of the process, with where they are seen from there.
fn visible(subject: &Subject) -> Result<Vec<(Arc<Mount>, String)>, Errno> {
    let task = subject.task()?;
    let root = task.fs().root();
    let mounts = Arc::clone(&task.ns.read().mount).mounts();
    let placed = mounts.into_iter().filter_map(|mount| {
        let (path, reachable) = Path::of_mount(&mount).display(&root);
        reachable.then(|| (mount, escaped(&path)))
    });
    Ok(placed.collect())
}

pub(super) fn mounts(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let mut text = String::new();
    for (mount, at) in visible(subject)? {
        let sb = &mount.root().sb;
        let options = options(mount.flags()) + &own_options(&sb.options);
        text += &format!("{} {at} {} {options} 0 0\n", escaped(sb.source.as_bytes()), sb.fs_type);
    }
    Ok(text.into_bytes())
}

fn own_options(options: &str) -> String {
    if options.is_empty() { String::new() } else { format!(",{options}") }
}

pub(super) fn mountinfo(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let mut text = String::new();
    for (mount, at) in visible(subject)? {
        let sb = &mount.root().sb;
        let parent = mount.mount_point().map_or(mount.id(), |p| p.mount.id());
        let access = if mount.flags().contains(MountFlags::RDONLY) { "ro" } else { "rw" };
        text += &format!(
            "{} {parent} {}:{} {} {at} {} - {} {} {access}{}\n",
            mount.id(),
            dev_major(sb.dev),
            dev_minor(sb.dev),
            escaped(&root_in_file_system(&mount)),
            options(mount.flags()),
            sb.fs_type,
            escaped(sb.source.as_bytes()),
            own_options(&sb.options),
        );
    }
    Ok(text.into_bytes())
}

/// The path of a mount's root in its own file system: more than `/` for a bind mount.
fn root_in_file_system(mount: &Mount) -> Vec<u8> {
    let mut names = Vec::new();
    let mut at = Arc::clone(mount.root());
    while let Some(parent) = at.parent() {
        names.push(at.name());
        at = parent;
    }
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}

pub(super) fn mountstats(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let mut text = String::new();
    for (mount, at) in visible(subject)? {
        let sb = &mount.root().sb;
        text +=
            &format!("device {} mounted on {at} with fstype {}\n", escaped(sb.source.as_bytes()), sb.fs_type);
    }
    Ok(text.into_bytes())
}
