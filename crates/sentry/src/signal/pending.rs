//! Signals that were sent and not yet taken.

mod persist;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use stockade_abi::signal::{SIGRTMIN, SigInfo, SigSet};

use crate::vfs::quota::{SIGNALS, Share};

pub use persist::{InfoState, PendingState};

/// Which setting of which timer of its process a signal is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerMark {
    /// The timer's number.
    pub id: i32,
    /// Changes with each setting: signals of former ones are void.
    pub seq: u32,
}

/// A pending signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// What it says.
    pub info: SigInfo,
    /// The timer that it is from.
    pub timer: Option<TimerMark>,
}

/// One queue of pending signals: a thread's own, or a thread group's. A standard signal is in it once, a real-time
/// signal as often as it was sent, in order (signal(7)).
#[derive(Clone, Debug)]
pub struct PendingQueue {
    set: SigSet,
    queue: VecDeque<Queued>,
    counted: Share,
}

impl Default for PendingQueue {
    fn default() -> Self {
        Self { set: SigSet::default(), queue: VecDeque::new(), counted: Share::new(&SIGNALS) }
    }
}

impl PendingQueue {
    /// The signals in it.
    #[must_use]
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// How many entries it holds, for RLIMIT_SIGPENDING: those of timers count as the timers do.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.iter().filter(|queued| queued.timer.is_none()).count()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Queues a signal; returns false if it is a standard one that is pending already.
    pub fn push(&mut self, info: SigInfo) -> bool {
        if info.signo < SIGRTMIN && self.set.contains(info.signo) {
            return false;
        }
        self.set.insert(info.signo);
        self.queue.push_back(Queued { info, timer: None });
        self.counted.set(self.queue.len());
        true
    }

    /// Queues the signal of a timer, which has a place of its own; one of a former setting is made use of.
    pub fn push_timer(&mut self, info: SigInfo, mark: TimerMark) {
        self.set.insert(info.signo);
        let timer = Some(mark);
        match self.queue.iter_mut().find(|queued| queued.timer.is_some_and(|t| t.id == mark.id)) {
            Some(queued) => *queued = Queued { info, timer },
            None => self.queue.push_back(Queued { info, timer }),
        }
        self.counted.set(self.queue.len());
    }

    /// Marks a signal as pending without its information, for when the limit of the queue is reached.
    pub fn push_bare(&mut self, signo: i32) {
        self.set.insert(signo);
    }

    /// The signal of `wanted` that is next: hardware exceptions first, then by number.
    #[must_use]
    pub fn next(&self, wanted: SigSet) -> Option<i32> {
        let ready = self.set & wanted;
        (ready & SigSet::SYNCHRONOUS).lowest().or_else(|| ready.lowest())
    }

    /// Takes the first entry of a signal out.
    pub fn take(&mut self, signo: i32) -> Option<Queued> {
        if !self.set.contains(signo) {
            return None;
        }
        let mut found = None;
        let mut more = false;
        let mut index = 0;
        while index < self.queue.len() {
            if self.queue[index].info.signo == signo {
                if found.is_some() {
                    more = true;
                    break;
                }
                found = self.queue.remove(index);
            } else {
                index += 1;
            }
        }
        if !more {
            self.set.remove(signo);
        }
        self.counted.set(self.queue.len());
        let bare = || Queued { info: SigInfo::new(signo, stockade_abi::signal::si::SI_USER), timer: None };
        Some(found.unwrap_or_else(bare))
    }

    /// Drops all entries of some signals.
    pub fn discard(&mut self, signals: SigSet) {
        if !(self.set & signals).is_empty() {
            self.set = self.set.minus(signals);
            self.queue.retain(|queued| !signals.contains(queued.info.signo));
            self.counted.set(self.queue.len());
        }
    }

    /// Drops what timers have sent.
    pub fn discard_timers(&mut self) {
        self.queue.retain(|queued| {
            if queued.timer.is_some() {
                self.set.remove(queued.info.signo);
            }
            queued.timer.is_none()
        });
        self.queue.iter().for_each(|queued| self.set.insert(queued.info.signo));
        self.counted.set(self.queue.len());
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::signal::{SIGINT, SIGSEGV, SIGUSR1};

    use super::*;

    #[test]
    fn standard_signals_once_real_time_signals_in_order() {
        let mut q = PendingQueue::default();
        assert!(q.push(SigInfo::queued(SIGUSR1, 1, 0, 1)));
        assert!(!q.push(SigInfo::queued(SIGUSR1, 1, 0, 2)));
        for v in 10..13 {
            assert!(q.push(SigInfo::queued(40, 1, 0, v)));
        }
        assert_eq!(q.take(SIGUSR1).map(|q| q.info.value()), Some(1));
        assert_eq!(q.take(SIGUSR1), None);
        for v in 10..13 {
            assert_eq!(q.next(SigSet::FULL), Some(40));
            assert_eq!(q.take(40).map(|q| q.info.value()), Some(v));
        }
        assert!(q.is_empty());
    }

    #[test]
    fn each_timer_has_one_place() {
        let mut q = PendingQueue::default();
        let mark = |id, seq| TimerMark { id, seq };
        q.push(SigInfo::new(SIGUSR1, 0));
        q.push_timer(SigInfo::timer(SIGUSR1, 1, 0, 0), mark(1, 1));
        q.push_timer(SigInfo::timer(SIGUSR1, 2, 0, 0), mark(2, 1));
        q.push_timer(SigInfo::timer(SIGUSR1, 1, 0, 0), mark(1, 2));
        assert_eq!(q.len(), 1);
        let marks: Vec<_> = std::iter::from_fn(|| q.take(SIGUSR1)).map(|queued| queued.timer).collect();
        assert_eq!(marks, [None, Some(mark(1, 2)), Some(mark(2, 1))]);
        q.push(SigInfo::new(SIGINT, 0));
        q.push_timer(SigInfo::timer(SIGUSR1, 2, 0, 0), mark(2, 1));
        q.discard_timers();
        assert_eq!(q.set(), SigSet::of(SIGINT));
    }

    #[test]
    fn hardware_exceptions_come_first() {
        let mut q = PendingQueue::default();
        q.push(SigInfo::new(SIGINT, 0));
        q.push(SigInfo::new(SIGSEGV, 0));
        assert_eq!(q.next(SigSet::FULL), Some(SIGSEGV));
        assert_eq!(q.next(!SigSet::of(SIGSEGV)), Some(SIGINT));
        q.discard(SigSet::of(SIGSEGV));
        assert_eq!(q.next(SigSet::FULL), Some(SIGINT));
    }
}
