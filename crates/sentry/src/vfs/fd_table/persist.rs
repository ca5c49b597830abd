//! The saved form of [`FdTable`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_platform::sync::RwLock;

use super::{FdTable, IDS, NR_OPEN, Slot, Slots};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::file::FileState;

/// An [`FdTable`].
#[derive(Debug, Serialize, Deserialize)]
pub struct FdTableState {
    id: u64,
    slots: Vec<SlotState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SlotState {
    fd: u32,
    file: Id<FileState>,
    cloexec: bool,
}

impl Component for FdTableState {
    type Object = Arc<FdTable>;

    fn save(table: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let slots = table.slots.read().clone();
        let used = slots.slots.iter().zip(0..).filter_map(|(slot, fd)| Some((fd, slot.as_ref()?)));
        let slots =
            used.map(|(fd, slot)| SlotState { fd, file: saver.id(&slot.file), cloexec: slot.cloexec });
        Ok(Self { id: table.id, slots: slots.collect() })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        IDS.note(self.id);
        let mut slots = Slots::default();
        for slot in self.slots {
            let file = restorer.get(slot.file)?;
            if u64::from(slot.fd) >= NR_OPEN {
                return Err(RestoreError::new(format!("descriptor {} is out of range", slot.fd)));
            }
            if slots.put(slot.fd as usize, Slot { file, cloexec: slot.cloexec }).is_some() {
                return Err(RestoreError::new(format!("descriptor {} is there twice", slot.fd)));
            }
        }
        Ok(Arc::new(FdTable { slots: RwLock::new(slots), id: self.id }))
    }
}
