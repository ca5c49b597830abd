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

#[cfg(test)]
mod tests {
    use stockade_abi::signal::{SIGRTMIN, SIGUSR1};

    use super::*;
    use crate::persist::tests::through_bytes;

    #[test]
    fn a_queue_comes_back_as_it_was() {
        let mut queue = PendingQueue::default();
        for value in 0..3 {
            queue.push(SigInfo::queued(SIGRTMIN, 1, 2, value));
        }
        let mark = TimerMark { id: 4, seq: 9 };
        queue.push_timer(SigInfo::timer(SIGUSR1, 4, 0, 7), mark);
        queue.push_bare(SIGRTMIN + 1);
        let mut again = through_bytes(&PendingState::save(&queue)).restore().unwrap();
        assert_eq!((again.set(), again.len()), (queue.set(), queue.len()));
        for signo in [SIGRTMIN, SIGUSR1, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN, SIGRTMIN] {
            assert_eq!(again.take(signo), queue.take(signo));
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for bytes in [vec![0; 128], vec![1; 127], Vec::new()] {
            let state =
                PendingState { set: SigSet::default(), queue: vec![(InfoState(ByteBuf::from(bytes)), None)] };
            assert!(state.restore().is_err());
        }
    }
}
