//! Timers that are read from descriptors (timerfd_create(2)).

mod persist;

use std::fmt::Write;
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_platform::sync::Mutex;

pub use self::persist::TimerFdState;

use crate::io::{Sink, Source};
use crate::persist::{Saver, Unsavable};
use crate::time::Setting;
use crate::time::interval::{after, forward};
use crate::time::{Alarm, Base, Slot, TimerQueue};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps};
use crate::wait::{Readiness, WaitQueue};

#[derive(Default)]
struct State {
    /// When it expires, or did first since it was read.
    next: u64,
    armed: bool,
    interval: u64,
    /// Expirations noted and not read.
    ticks: u64,
    /// Whether it rests since it expired: a periodic one counts on when it is asked.
    rests: bool,
    /// TFD_TIMER_CANCEL_ON_SET: how often the clock had been set.
    cancel_on_set: Option<u64>,
    /// What it was set with (timerfd_settime(2)).
    flags: u32,
    /// The clock that the current setting runs on.
    base: Option<Base>,
}

/// A timer.
pub struct TimerFd {
    me: Weak<TimerFd>,
    /// As timerfd_create(2) was told.
    clock_id: u32,
    clock: Base,
    timers: Arc<TimerQueue>,
    slot: Slot,
    state: Mutex<State>,
    queue: Arc<WaitQueue>,
}

impl TimerFd {
    /// A timer that is not armed.
    #[must_use]
    pub fn new(clock_id: u32, clock: Base, timers: &Arc<TimerQueue>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock_id,
            clock,
            timers: Arc::clone(timers),
            slot: Slot::default(),
            state: Mutex::default(),
            queue: Arc::new(WaitQueue::new()),
        })
    }

    fn now(&self, state: &State) -> u64 {
        state.base.unwrap_or(self.clock).now()
    }

    fn schedule(&self, state: &State) -> Result<(), Errno> {
        let me: Weak<dyn Alarm> = self.me.clone();
        self.timers.schedule(&self.slot, state.base.unwrap_or(self.clock), state.next, me)
    }

    /// Notes that it has expired, if it has.
    fn look(&self, state: &mut State) {
        if state.armed && state.next <= self.now(state) {
            state.armed = false;
            state.rests = true;
            state.ticks = state.ticks.saturating_add(1);
        }
    }

    /// Counts what a periodic timer missed while it rested, and lets it go on.
    fn go_on(&self, state: &mut State) -> Result<(), Errno> {
        if !std::mem::take(&mut state.rests) || state.interval == 0 {
            return Ok(());
        }
        let now = self.now(state);
        let missed = forward(&mut state.next, state.interval, now).saturating_sub(1);
        state.ticks = state.ticks.saturating_add(missed);
        state.armed = true;
        self.schedule(state)
    }

    /// Whether the clock was set since the timer was, and it asked to be told.
    fn is_cancelled(&self, state: &State) -> bool {
        state.cancel_on_set.is_some_and(|sets| sets != self.timers.clock_sets())
    }

    fn left(&self, state: &mut State) -> Result<Setting, Errno> {
        self.look(state);
        self.go_on(state)?;
        let left = if state.armed { state.next.saturating_sub(self.now(state)) } else { 0 };
        Ok(Setting { value: left, interval: state.interval })
    }

    /// What is left (timerfd_gettime(2)).
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads.
    pub fn get(&self) -> Result<Setting, Errno> {
        self.left(&mut self.state.lock())
    }

    /// Sets it, with flags TFD_TIMER_* (timerfd_settime(2)); returns what it was.
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads; ECANCELED if the clock was set and it asked to be told.
    pub fn set(&self, new: Setting, flags: u32) -> Result<Setting, Errno> {
        let (absolute, cancel) = (flags & c::TFD_TIMER_ABSTIME != 0, flags & c::TFD_TIMER_CANCEL_ON_SET != 0);
        let mut state = self.state.lock();
        let old = self.left(&mut state)?;
        self.timers.cancel(&self.slot);
        let cancelled = cancel && self.is_cancelled(&state);
        let base = if absolute { self.clock } else { self.clock.for_relative() };
        *state = State {
            next: if absolute { new.value } else { after(base.now(), new.value) },
            armed: new.value != 0,
            interval: new.interval,
            cancel_on_set: (cancel && absolute && base == Base::Realtime).then(|| self.timers.clock_sets()),
            base: Some(base),
            flags,
            ..State::default()
        };
        if state.armed {
            self.schedule(&state)?;
        }
        if cancelled { Err(Errno::ECANCELED) } else { Ok(old) }
    }
}

impl Alarm for TimerFd {
    fn expire(&self) {
        let mut state = self.state.lock();
        self.look(&mut state);
        if state.armed {
            // Its clock was set back.
            let _ = self.schedule(&state);
        }
        let ready = state.ticks > 0;
        drop(state);
        if ready {
            self.queue.notify(Readiness::READABLE);
        }
    }

    fn clock_was_set(&self) {
        if self.is_cancelled(&self.state.lock()) {
            self.queue.notify(Readiness::READABLE);
        }
    }
}

impl FileOps for TimerFd {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        self.look(&mut state);
        if self.is_cancelled(&state) {
            state.ticks = 0;
            state.rests = false;
            state.cancel_on_set = Some(self.timers.clock_sets());
            return Err(Errno::ECANCELED);
        }
        if state.ticks == 0 {
            return Err(Errno::EAGAIN);
        }
        self.go_on(&mut state)?;
        let ticks = std::mem::take(&mut state.ticks);
        drop(state);
        dst.put(&ticks.to_ne_bytes())
    }

    fn write(&self, _file: &File, _src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    fn poll(&self) -> Readiness {
        let mut state = self.state.lock();
        self.look(&mut state);
        if state.ticks > 0 || self.is_cancelled(&state) { Readiness::READABLE } else { Readiness::empty() }
    }

    fn info(&self, out: &mut String) {
        let mut state = self.state.lock();
        self.look(&mut state);
        let left = if state.armed { state.next.saturating_sub(self.now(&state)) } else { 0 };
        let time = |ns: u64| format!("({}, {})", ns / 1_000_000_000, ns % 1_000_000_000);
        let _ = write!(
            out,
            "clockid: {}\nticks: {}\nsettime flags: 0{:o}\nit_value: {}\nit_interval: {}\n",
            self.clock_id,
            state.ticks,
            state.flags,
            time(left),
            time(state.interval),
        );
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.queue)
    }

    fn release(&self, _file_flags: u32) {
        self.timers.cancel(&self.slot);
    }

    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::TimerFd(TimerFdState::save(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::BufSink;
    use crate::vfs::anon;

    fn read(file: &File) -> Result<u64, Errno> {
        let mut buf = [0; 8];
        file.read(&mut BufSink::new(&mut buf))?;
        Ok(u64::from_ne_bytes(buf))
    }

    #[test]
    fn counts_expirations_and_goes_on_when_read() {
        let timers = TimerQueue::new(Arc::default()).unwrap();
        let timer = TimerFd::new(c::CLOCK_MONOTONIC, Base::Monotonic, &timers);
        let file = anon::file("[timerfd]", timer.clone(), c::O_RDWR);
        assert_eq!(read(&file), Err(Errno::EAGAIN));
        let ms = 1_000_000;
        timer.set(Setting { value: ms, interval: ms }, 0).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(file.ops().poll(), Readiness::READABLE);
        // Periodic and unread, it rests.
        assert!(timers.is_empty());
        assert!(read(&file).unwrap() >= 19);
        assert!(!timers.is_empty());
        let old = timer.set(Setting { value: 1, interval: 0 }, c::TFD_TIMER_ABSTIME).unwrap();
        assert!(old.value <= ms && old.interval == ms);
        assert_eq!((read(&file), read(&file)), (Ok(1), Err(Errno::EAGAIN)));
        assert_eq!(timer.get(), Ok(Setting::default()));
    }
}
