//! Locks of files, as `/proc/locks` and `/proc/PID/fdinfo` show them.

use std::fmt::Write as _;

use super::ProcFs;
use crate::vfs::attrs::{dev_major, dev_minor};
use crate::vfs::lock::{OFFSET_MAX, Owner, Shown};

/// A line for each lock.
pub(super) fn text(fs: &ProcFs, prefix: &str, locks: Vec<Shown>) -> String {
    let mut out = String::new();
    for (at, Shown { range, is_flock, file: (dev, ino) }) in locks.into_iter().enumerate() {
        let (kind, pid) = match range.owner {
            _ if is_flock => ("FLOCK ", fs.pidns.local(range.pid)),
            Owner::Table(_) => ("POSIX ", fs.pidns.local(range.pid)),
            Owner::Description(_) => ("OFDLCK", -1),
        };
        // Of a process that is not seen here.
        if pid == 0 {
            continue;
        }
        let access = if range.write { "WRITE" } else { "READ" };
        let end = if range.end == OFFSET_MAX { "EOF".to_owned() } else { range.end.to_string() };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{prefix}{}: {kind} ADVISORY  {access} {pid} {:02x}:{:02x}:{ino} {} {end}",
            at + 1,
            dev_major(dev),
            dev_minor(dev),
            range.start,
        );
    }
    out
}
