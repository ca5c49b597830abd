//! Descriptors of the host as those that a process starts with.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use stockade_abi::Errno;

use super::{Bridge, HostTerminal, access_mode, attrs_of, open};
use crate::task::Kernel;
use crate::vfs::fd_table::Fd;
use crate::vfs::{Attrs, FdTable, File, FileType, LookupFlags, ops};

/// More than any process is given.
const LIMIT: u64 = 1 << 20;

/// A table of descriptors, and what came with it.
pub struct Imported {
    /// The table.
    pub files: FdTable,
    /// The first terminal of the host among standard input, output and error, if those were taken as they are.
    pub terminal: Option<Arc<HostTerminal>>,
    /// The terminal of the sandbox's own that they are, if that was wanted; to be started with the process.
    pub bridge: Option<Arc<Bridge>>,
}

/// What makes two descriptors one description: Linux would tell by kcmp(2), which a sentry may not call.
type Key = (u64, u64, u32);

/// Makes a table of these descriptors, under the given numbers, for the first process: a restore finds by these what takes
/// their place. A place for the names of terminals is looked up with
/// `request`. With `bridged`, the terminal among standard input, output and error becomes one of the sandbox's own, behind
/// which the host's is.
///
/// # Errors
/// What the host says of one; ENOSPC if there are too many terminals.
pub fn import(
    kernel: &Arc<Kernel>,
    request: &ops::Request<'_>,
    descriptors: Vec<(Fd, OwnedFd)>,
    bridged: bool,
) -> Result<Imported, Errno> {
    import_as(kernel, request, descriptors, bridged, true)
}

/// As [`import`], for a process that is executed later: a restore has nothing in the place of what it brings.
///
/// # Errors
/// As [`import`].
pub fn import_for_exec(
    kernel: &Arc<Kernel>,
    request: &ops::Request<'_>,
    descriptors: Vec<(Fd, OwnedFd)>,
    bridged: bool,
) -> Result<Imported, Errno> {
    import_as(kernel, request, descriptors, bridged, false)
}

fn import_as(
    kernel: &Arc<Kernel>,
    request: &ops::Request<'_>,
    descriptors: Vec<(Fd, OwnedFd)>,
    bridged: bool,
    kept: bool,
) -> Result<Imported, Errno> {
    let mut imported = Imported { files: FdTable::default(), terminal: None, bridge: None };
    let mut seen: Vec<(Key, Arc<File>)> = Vec::new();
    let mut behind_bridge = None;
    for (number, fd) in descriptors {
        let attrs = attrs_of(fd.as_fd())?;
        let place = if kept { number } else { -1 };
        let access = access_mode(&fd);
        let is_tty = rustix::termios::isatty(&fd);
        // The three may have been opened one by one: they are one terminal all the same.
        let is_bridged = bridged && is_tty && number <= 2 && behind_bridge.is_none_or(|of| of == attrs.rdev);
        let key = key(&attrs, access, is_bridged);
        let shared = seen.iter().find(|(k, _)| Some(*k) == key);
        let file = match shared {
            Some((_, file)) => Arc::clone(file),
            None if is_bridged => {
                behind_bridge = Some(attrs.rdev);
                let bridge = Bridge::new(kernel, place, fd, attrs, request.creds.fsuid.0)?;
                let file = bridge.stream(request)?;
                imported.bridge = Some(bridge);
                file
            }
            None if is_tty => {
                let host = HostTerminal::add(kernel, place, fd, access, request.creds.fsuid.0)?;
                // A root without a place for it has none.
                let name = request.walk(LookupFlags::empty()).resolve(host.tty().name().as_bytes());
                let file = host.stream(name.ok());
                if number <= 2 {
                    imported.terminal.get_or_insert(host);
                }
                file
            }
            None => open(place, fd, access)?,
        };
        seen.extend(key.map(|key| (key, Arc::clone(&file))));
        imported.files.replace(number, file, false, LIMIT)?;
    }
    Ok(imported)
}

/// Streams of one pipe, socket or terminal are one description, as a shell makes them; regular files may have been opened
/// twice.
fn key(attrs: &Attrs, access: u32, is_bridged: bool) -> Option<Key> {
    let access = if is_bridged { u32::MAX } else { access };
    (attrs.file_type() != FileType::Regular).then_some((attrs.dev, attrs.ino, access))
}
