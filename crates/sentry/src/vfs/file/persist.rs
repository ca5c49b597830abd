//! The saved form of [`File`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use serde::{Deserialize, Serialize};
use stockade_abi::signal::SIGRTMAX;
use stockade_platform::sync::Mutex;

use super::{Counted, File, IDS, Owner, OwnerKind};
use crate::creds::Credentials;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::task::sigio;
use crate::vfs::OPEN_FILES;
use crate::vfs::lock::LockState;
use crate::vfs::mount::PathState;
use crate::vfs::persist::FileOpsState;

/// A [`File`].
#[derive(Debug, Serialize, Deserialize)]
pub struct FileState {
    id: u64,
    path: PathState,
    ops: Id<FileOpsState>,
    flags: u32,
    position: u64,
    counted: Counted,
    owner: Option<OwnerState>,
    /// What signals call it, with O_ASYNC.
    #[serde(default)]
    sigio: Option<i32>,
    /// Locks that were taken through it.
    #[serde(default)]
    locks: Vec<LockState>,
}

/// An [`Owner`].
#[derive(Debug, Serialize, Deserialize)]
struct OwnerState {
    kind: OwnerKind,
    id: i32,
    root_id: i32,
    signal: i32,
    creds: Option<Id<Credentials>>,
}

impl Component for FileState {
    type Object = Arc<File>;

    fn save(file: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let owner = file.owner.lock().clone();
        let has_owner = owner.root_id != 0 || owner.signal != 0;
        Ok(Self {
            id: file.id,
            path: PathState::save(&file.path, saver),
            ops: saver.id(&file.ops),
            flags: file.flags(),
            position: *file.position.lock(),
            counted: file.counted,
            owner: has_owner.then(|| OwnerState {
                kind: owner.kind,
                id: owner.id,
                root_id: owner.root_id,
                signal: owner.signal,
                creds: owner.creds.as_ref().map(|creds| saver.id(creds)),
            }),
            sigio: file.sigio.lock().as_ref().map(|(fd, _)| *fd),
            locks: LockState::save(file),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        IDS.note(self.id);
        let path = self.path.restore(restorer)?;
        let ops = restorer.get(self.ops)?;
        let owner = self.owner.map(|owner| owner.restore(restorer)).transpose()?.unwrap_or_default();
        if i64::try_from(self.position).is_err() {
            return Err(RestoreError::new("an offset that is negative"));
        }
        let counted = match self.counted {
            Counted::No => Ok(()),
            Counted::Writer => path.dentry.get_write_access(),
            Counted::Executable => path.dentry.deny_write_access(),
        };
        counted.map_err(|e| RestoreError::refused("it is written and executed at once", e))?;
        self.counted.begin(&path);
        OPEN_FILES.add(1);
        let file = Arc::new(File {
            path,
            ops,
            flags: AtomicU32::new(self.flags),
            id: self.id,
            position: Mutex::new(self.position),
            // It may release locks that it has not.
            has_had_lock: AtomicBool::new(true),
            counted: self.counted,
            owner: Mutex::new(owner),
            sigio: Mutex::default(),
        });
        LockState::restore(self.locks, &file)?;
        if let Some(fd) = self.sigio {
            let file = Arc::clone(&file);
            restorer.later(move |restorer| {
                sigio::update(restorer.kernel(), &file, fd);
                Ok(())
            });
        }
        Ok(file)
    }
}

impl OwnerState {
    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Owner, RestoreError> {
        if !(0..=SIGRTMAX).contains(&self.signal) {
            return Err(RestoreError::new("a signal that there is not"));
        }
        let creds = self.creds.map(|creds| restorer.get(creds)).transpose()?;
        Ok(Owner { kind: self.kind, id: self.id, root_id: self.root_id, signal: self.signal, creds })
    }
}
