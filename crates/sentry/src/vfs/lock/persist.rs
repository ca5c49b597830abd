//! The saved form of locks: each lies with the open file description that it was asked for through.

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::table::Flock;
use super::{OFFSET_MAX, Owner, Range, Shown};
use crate::persist::RestoreError;
use crate::vfs::File;

/// A lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LockState {
    /// Whether it is one of flock(2).
    is_flock: bool,
    owner: Owner,
    pid: i32,
    write: bool,
    start: u64,
    end: u64,
}

impl LockState {
    /// The locks that were taken through a description.
    pub(in crate::vfs) fn save(file: &File) -> Vec<Self> {
        let Ok((locks, id)) = file.locks() else { return Vec::new() };
        if locks.is_empty() {
            return Vec::new();
        }
        let shown = locks.of(id, |of| of.shown(id).collect::<Vec<_>>()).unwrap_or_default();
        let own = shown.into_iter().filter(|shown| shown.range.file == file.id());
        own.map(|Shown { range, is_flock, .. }| {
            let Range { owner, pid, write, start, end, .. } = range;
            Self { is_flock, owner, pid, write, start, end }
        })
        .collect()
    }

    /// Gives a description its locks back. Who waits for one comes again.
    ///
    /// # Errors
    /// Ranges that no lock has, or too many of them.
    pub(in crate::vfs) fn restore(states: Vec<Self>, file: &File) -> Result<(), RestoreError> {
        let refused = |e| RestoreError::refused("its locks", e);
        for state in states {
            let Self { is_flock, owner, pid, write, start, end } = state;
            if start > end || end > OFFSET_MAX {
                return Err(RestoreError::new("a lock on what no file has"));
            }
            let (locks, id) = file.locks().map_err(refused)?;
            if !locks.has_room() {
                return Err(refused(Errno::ENOLCK));
            }
            locks.change(id, |of| {
                if is_flock {
                    of.flocks.push(Flock { file: file.id(), exclusive: write, pid });
                } else {
                    of.ranges.add(Range { owner, file: file.id(), pid, write, start, end });
                }
                ((), false)
            });
        }
        Ok(())
    }
}
