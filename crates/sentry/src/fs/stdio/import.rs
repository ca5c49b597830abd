//! Descriptors of the host as those that a process starts with.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use stockade_abi::Errno;

use super::{HostTerminal, access_mode, attrs_of, open};
use crate::task::Kernel;
use crate::vfs::fd_table::Fd;
use crate::vfs::{FdTable, File, LookupFlags, ops};

/// More than any process is given.
const LIMIT: u64 = 1 << 20;

/// Makes a table of these descriptors, under the given numbers; and gives the first terminal among standard input, output
/// and error. A place for the names of terminals is looked up with `request`.
///
/// # Errors
/// What the host says of one; ENOSPC if there are too many terminals.
pub fn import(
    kernel: &Kernel,
    request: &ops::Request<'_>,
    descriptors: Vec<(Fd, OwnedFd)>,
) -> Result<(FdTable, Option<Arc<HostTerminal>>), Errno> {
    let table = FdTable::default();
    let mut seen: Vec<((u64, u64, u32), Arc<File>)> = Vec::new();
    let mut terminal = None;
    for (number, fd) in descriptors {
        let attrs = attrs_of(fd.as_fd())?;
        let access = access_mode(&fd);
        // Streams of one pipe or terminal are one description, as a shell makes them.
        let key = (attrs.dev, attrs.ino, access);
        let shared = seen.iter().find(|(k, _)| *k == key);
        let file = match shared {
            Some((_, file)) => Arc::clone(file),
            None if rustix::termios::isatty(&fd) => {
                let host = HostTerminal::add(kernel, fd, access, request.creds.fsuid.0)?;
                // A root without a place for it has none.
                let place = request.walk(LookupFlags::empty()).resolve(host.tty().name().as_bytes());
                let file = host.stream(place.ok());
                if number <= 2 {
                    terminal.get_or_insert(host);
                }
                file
            }
            None => open(fd, access)?,
        };
        seen.push((key, Arc::clone(&file)));
        table.replace(number, file, false, LIMIT)?;
    }
    Ok((table, terminal))
}
