//! Who has to be told at which time: one queue for a whole kernel.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use stockade_abi::Errno;
use stockade_platform::sync::{Mutex, RwLock};

use super::clock::Base;
use super::service::Service;
use crate::wait::Waiter;

/// Told when its time may have come. What it was told for is its own to check: a call that comes too early or once too
/// often has to be harmless.
pub trait Alarm: Send + Sync {
    /// Its time may have come. Called without locks held.
    fn expire(&self);

    /// CLOCK_REALTIME was set.
    fn clock_was_set(&self) {}
}

impl Alarm for Waiter {
    fn expire(&self) {
        self.wake();
    }
}

/// A place in a queue of alarms, for one time at once.
#[derive(Debug)]
pub struct Slot(u64);

impl Default for Slot {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Slot {
    /// A number that no other slot has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0
    }
}

/// By time, then in order of slots.
type ByTime = BTreeMap<(u64, u64), Weak<dyn Alarm>>;

#[derive(Default)]
struct State {
    by_time: [ByTime; Base::ALL.len()],
    places: HashMap<u64, (Base, u64)>,
    /// When the service wakes up by itself, on the monotonic clock; 0 while it is awake.
    wakes_at: u64,
}

impl State {
    fn remove(&mut self, slot: &Slot) {
        if let Some((base, at)) = self.places.remove(&slot.id()) {
            self.by_time[base as usize].remove(&(at, slot.id()));
        }
    }
}

/// The queue. A thread of the sentry serves it from the first use on, and sleeps while nothing is due.
pub struct TimerQueue {
    state: Mutex<State>,
    service: Service,
    clock_sets: AtomicU64,
}

impl TimerQueue {
    /// An empty queue. `changing` is held while alarms are told ([`Kernel::changing`](crate::task::Kernel::changing)).
    ///
    /// # Errors
    /// EMFILE, ENFILE without the two descriptors of the host that it needs.
    pub fn new(changing: Arc<RwLock<()>>) -> Result<Arc<Self>, Errno> {
        Ok(Arc::new(Self {
            state: Mutex::default(),
            service: Service::new(changing)?,
            clock_sets: AtomicU64::new(0),
        }))
    }

    /// Has an alarm told when a clock shows `at`, in place of what its slot was used for before.
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads.
    pub fn schedule(
        self: &Arc<Self>,
        slot: &Slot,
        base: Base,
        at: u64,
        alarm: Weak<dyn Alarm>,
    ) -> Result<(), Errno> {
        self.service.start(self)?;
        let mut state = self.state.lock();
        state.remove(slot);
        state.places.insert(slot.id(), (base, at));
        state.by_time[base as usize].insert((at, slot.id()), alarm);
        let wanted = base.on_monotonic(at);
        let earlier = state.wakes_at > wanted;
        if earlier {
            state.wakes_at = wanted;
        }
        drop(state);
        if earlier {
            self.service.wake();
        }
        Ok(())
    }

    /// Takes an alarm out; it may be told nevertheless, if it is about to be just now.
    pub fn cancel(&self, slot: &Slot) {
        self.state.lock().remove(slot);
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.lock().places.is_empty()
    }

    /// How often CLOCK_REALTIME has been set since the first alarm was scheduled.
    #[must_use]
    pub fn clock_sets(&self) -> u64 {
        self.clock_sets.load(Ordering::Acquire)
    }

    /// Tells everybody whose time has come; returns how long nobody's will.
    pub(super) fn expire(&self) -> Option<Duration> {
        loop {
            let mut due = Vec::new();
            let mut state = self.state.lock();
            let mut next = u64::MAX;
            for base in Base::ALL {
                let now = base.now();
                let State { by_time, places, .. } = &mut *state;
                let queue = &mut by_time[base as usize];
                while let Some(first) = queue.first_entry().filter(|e| e.key().0 <= now) {
                    let (key, alarm) = first.remove_entry();
                    places.remove(&key.1);
                    due.push(alarm);
                }
                if let Some(((at, _), _)) = queue.first_key_value() {
                    next = next.min(base.on_monotonic(*at));
                }
            }
            if due.is_empty() {
                state.wakes_at = next;
                let left = next.saturating_sub(Base::Monotonic.now());
                return (next != u64::MAX).then(|| Duration::from_nanos(left));
            }
            state.wakes_at = 0;
            drop(state);
            due.iter().filter_map(Weak::upgrade).for_each(|alarm| alarm.expire());
        }
    }

    /// CLOCK_REALTIME was set: whoever runs on it is told.
    pub(super) fn clock_was_set(&self) {
        self.clock_sets.fetch_add(1, Ordering::AcqRel);
        let alarms: Vec<_> = self.state.lock().by_time[Base::Realtime as usize].values().cloned().collect();
        alarms.iter().filter_map(Weak::upgrade).for_each(|alarm| alarm.clock_was_set());
    }
}

impl Drop for TimerQueue {
    fn drop(&mut self) {
        self.service.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(AtomicU64);

    impl Alarm for Count {
        fn expire(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wait(mut done: impl FnMut() -> bool) {
        for _ in 0..2000 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it never happened");
    }

    #[test]
    fn tells_in_time_and_forgets_what_is_cancelled() {
        let queue = TimerQueue::new(Arc::default()).unwrap();
        let count = Arc::new(Count(AtomicU64::new(0)));
        let alarm: Arc<dyn Alarm> = count.clone();
        let in_ms = |base: Base, ms: u64| base.now() + ms * 1_000_000;
        let slots: [Slot; 4] = Default::default();
        for (slot, base) in slots.iter().zip(Base::ALL) {
            queue.schedule(slot, base, in_ms(base, 20), Arc::downgrade(&alarm)).unwrap();
        }
        let far = in_ms(Base::Monotonic, 100_000);
        queue.schedule(&slots[3], Base::Monotonic, far, Arc::downgrade(&alarm)).unwrap();
        let start = Base::Monotonic.now();
        wait(|| count.0.load(Ordering::SeqCst) == 3);
        assert!(Base::Monotonic.now() - start >= 15_000_000);
        // An earlier time in the same slot.
        let near = in_ms(Base::Monotonic, 1);
        queue.schedule(&slots[3], Base::Monotonic, near, Arc::downgrade(&alarm)).unwrap();
        wait(|| count.0.load(Ordering::SeqCst) == 4);
        queue.schedule(&slots[0], Base::Monotonic, near, Arc::downgrade(&alarm)).unwrap();
        wait(|| queue.is_empty());
        queue.schedule(&slots[0], Base::Monotonic, far, Arc::downgrade(&alarm)).unwrap();
        queue.cancel(&slots[0]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_service_ends_with_its_queue() {
        let queue = TimerQueue::new(Arc::default()).unwrap();
        let alarm: Arc<dyn Alarm> = Waiter::new();
        queue
            .schedule(&Slot::default(), Base::Monotonic, super::super::interval::MAX, Arc::downgrade(&alarm))
            .unwrap();
        let weak = Arc::downgrade(&queue);
        drop(queue);
        wait(|| weak.strong_count() == 0);
    }
}
