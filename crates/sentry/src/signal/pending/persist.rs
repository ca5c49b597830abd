//! The saved form of [`PendingQueue`].

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::signal::{SigInfo, SigSet, is_valid};
use zerocopy::{FromBytes, IntoBytes};

use super::{PendingQueue, Queued, TimerMark};
use crate::persist::RestoreError;
use crate::vfs::quota::SIGNALS;

/// A [`SigInfo`], as the guest's ABI has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct InfoState(ByteBuf);

impl InfoState {
    /// Its bytes.
    #[must_use]
    pub fn save(info: &SigInfo) -> Self {
        Self(ByteBuf::from(info.as_bytes()))
    }

    /// The information again.
    ///
    /// # Errors
    /// If it has another size, or is of no signal.
    pub fn restore(&self) -> Result<SigInfo, RestoreError> {
        match SigInfo::read_from_bytes(&self.0) {
            Ok(info) if is_valid(info.signo) => Ok(info),
            _ => Err(RestoreError::new("what a signal says is damaged")),
        }
    }
}

/// A [`PendingQueue`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PendingState {
    /// All signals in it, those without information too.
    set: SigSet,
    queue: Vec<(InfoState, Option<TimerMark>)>,
}

impl PendingState {
    /// Saves a queue.
    #[must_use]
    pub fn save(queue: &PendingQueue) -> Self {
        let entries = queue.queue.iter().map(|queued| (InfoState::save(&queued.info), queued.timer));
        Self { set: queue.set, queue: entries.collect() }
    }

    /// The queue again.
    ///
    /// # Errors
    /// If there are too many, or one is damaged.
    pub fn restore(self) -> Result<PendingQueue, RestoreError> {
        if !SIGNALS.has_room(self.queue.len()) {
            return Err(RestoreError::new("too many signals are pending"));
        }
        let mut queue = PendingQueue { set: self.set, ..PendingQueue::default() };
        for (info, timer) in self.queue {
            let info = info.restore()?;
            queue.set.insert(info.signo);
            queue.queue.push_back(Queued { info, timer });
        }
        queue.counted.set(queue.queue.len());
        Ok(queue)
    }
}
