//! Root, overlay, volumes and log file: what options name is looked up on the host.

use super::paths::normal;
use super::shown;
use crate::config::{OverlayConfig, RootConfig, VolumeConfig};
use crate::failure::{Failure, reason};
use crate::parse::{OverlayArg, VolumeArg};
use std::fs::{DirBuilder, FileType, canonicalize, metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

/// The root and the volumes, with the overlay directory created where it is missing.
pub(super) fn files(
    root: Option<&Path>,
    volumes: &[VolumeArg],
    overlay: &OverlayArg,
    cwd: &Path,
) -> Result<(RootConfig, Vec<VolumeConfig>), Failure> {
    let path = match root {
        None => PathBuf::from("/"),
        Some(path) => directory("--root", path, cwd)?,
    };
    let mut mounted: Vec<VolumeConfig> = Vec::new();
    for argument in volumes {
        let volume = volume(argument, cwd)?;
        if mounted.iter().any(|other| other.destination == volume.destination) {
            return Err(Failure::new(
                format!("--volume: two volumes at {} inside", shown(&volume.destination)),
                "leave one out, or give it another destination: SRC:DST",
            ));
        }
        mounted.push(volume);
    }
    let overlay = match overlay {
        OverlayArg::Memory => OverlayConfig::Memory,
        OverlayArg::None => OverlayConfig::None,
        OverlayArg::Dir(dir) => OverlayConfig::Dir(overlay_directory(dir, &path, &mounted, cwd)?),
    };
    Ok((RootConfig { path, overlay }, mounted))
}

/// A volume, looked up on the host.
pub(crate) fn volume(argument: &VolumeArg, cwd: &Path) -> Result<VolumeConfig, Failure> {
    let text = shown(&argument.source);
    let wanted = cwd.join(&argument.source);
    let look_up = || {
        let source = canonicalize(&wanted)?;
        let kind = metadata(&source)?.file_type();
        Ok((source, kind))
    };
    let (source, kind) = look_up().map_err(|e: io::Error| {
        Failure::new(format!("--volume {text}: {}", reason(&e)), path_hint(&e, "a file or directory"))
    })?;
    if !kind.is_dir() && !kind.is_file() {
        return Err(Failure::new(
            format!(
                "--volume {text}: is a {}; only regular files and directories can be shown inside",
                name(kind)
            ),
            "sockets, FIFOs and devices of the host are out of reach for a sandbox; leave it out",
        ));
    }
    let destination = normal(argument.destination.as_deref().unwrap_or(&wanted));
    if destination == Path::new("/") {
        return Err(Failure::new(
            format!("--volume {text}: a volume cannot take the place of the root"),
            "use --root for another root, and a volume at a directory below it",
        ));
    }
    if let Some(own) = ["/proc", "/sys", "/dev"].iter().find(|own| destination.starts_with(own)) {
        return Err(Failure::new(
            format!("--volume {text}: {} inside is the sandbox's own", shown(&destination)),
            format!("give it a destination outside of {own}: --volume {text}:DST"),
        ));
    }
    Ok(VolumeConfig { source, destination, read_only: argument.read_only })
}

/// The directory that keeps changes. A guest that could write to it behind the overlay could confuse the sentry.
fn overlay_directory(
    dir: &Path,
    root: &Path,
    volumes: &[VolumeConfig],
    cwd: &Path,
) -> Result<PathBuf, Failure> {
    let wanted = cwd.join(dir);
    let text = shown(dir);
    match DirBuilder::new().mode(0o700).create(&wanted) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Failure::new(
                format!("--overlay {text}: cannot create it: {}", reason(&e)),
                "give a directory that exists, or one whose parent you may write to",
            ));
        }
        Ok(()) | Err(_) => {}
    }
    let path = directory("--overlay", dir, cwd)?;
    if path == root {
        return Err(Failure::new(
            format!("--overlay {text}: is the root itself"),
            "keep changes in a directory of their own",
        ));
    }
    let nested = |v: &&VolumeConfig| path.starts_with(&v.source) || v.source.starts_with(&path);
    if let Some(volume) = volumes.iter().filter(|v| !v.read_only).find(nested) {
        return Err(Failure::new(
            format!(
                "--overlay {text}: the program could write to it through --volume {}",
                shown(&volume.source)
            ),
            "keep changes in a directory that no read-write volume shows",
        ));
    }
    Ok(path)
}

/// The log file's absolute path; its directory has to be there.
pub(super) fn log_file(path: &Path) -> Result<PathBuf, Failure> {
    let fail = |why: &str, hint: String| Err(Failure::new(format!("--log {}: {why}", shown(path)), hint));
    if metadata(path).is_ok_and(|m| m.is_dir()) {
        return fail("is a directory", "give the name of a file in it".to_owned());
    }
    match path.parent().map(metadata) {
        Some(Err(e)) => fail(&reason(&e), path_hint(&e, "a file in a directory")),
        Some(Ok(m)) if !m.is_dir() => fail("Not a directory", "give a file in a directory".to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// A directory, looked up on the host.
pub(crate) fn directory(option: &str, path: &Path, cwd: &Path) -> Result<PathBuf, Failure> {
    let found = canonicalize(cwd.join(path)).and_then(|found| match metadata(&found)?.is_dir() {
        true => Ok(found),
        false => Err(rustix::io::Errno::NOTDIR.into()),
    });
    found.map_err(|e| {
        Failure::new(format!("{option} {}: {}", shown(path), reason(&e)), path_hint(&e, "a directory"))
    })
}

fn path_hint(error: &io::Error, what: &str) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("give {what} that you may reach yourself; a sandbox has no more rights than its caller")
        }
        _ => format!("give {what} that exists on the host"),
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "FIFO"
    } else {
        "device"
    }
}
