//! Signals that were sent and not yet taken.

use std::collections::VecDeque;

use stockade_abi::signal::{SIGRTMIN, SigInfo, SigSet};

/// One queue of pending signals: a thread's own, or a thread group's. A standard signal is in it once, a real-time
/// signal as often as it was sent, in order (signal(7)).
#[derive(Clone, Debug, Default)]
pub struct PendingQueue {
    set: SigSet,
    queue: VecDeque<SigInfo>,
}

impl PendingQueue {
    /// The signals in it.
    #[must_use]
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// How many entries it holds, for RLIMIT_SIGPENDING.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
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
        self.queue.push_back(info);
        true
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
    pub fn take(&mut self, signo: i32) -> Option<SigInfo> {
        if !self.set.contains(signo) {
            return None;
        }
        let mut found = None;
        let mut more = false;
        let mut index = 0;
        while index < self.queue.len() {
            if self.queue[index].signo == signo {
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
        Some(found.unwrap_or_else(|| SigInfo::new(signo, stockade_abi::signal::si::SI_USER)))
    }

    /// Drops all entries of some signals.
    pub fn discard(&mut self, signals: SigSet) {
        if !(self.set & signals).is_empty() {
            self.set = self.set.minus(signals);
            self.queue.retain(|info| !signals.contains(info.signo));
        }
    }

    /// An entry that a predicate accepts, to be changed in place (a timer's overrun count).
    pub fn find_mut(&mut self, matches: impl Fn(&SigInfo) -> bool) -> Option<&mut SigInfo> {
        self.queue.iter_mut().find(|info| matches(info))
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
        assert_eq!(q.take(SIGUSR1).map(|i| i.value()), Some(1));
        assert_eq!(q.take(SIGUSR1), None);
        for v in 10..13 {
            assert_eq!(q.next(SigSet::FULL), Some(40));
            assert_eq!(q.take(40).map(|i| i.value()), Some(v));
        }
        assert!(q.is_empty());
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
