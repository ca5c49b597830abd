//! The thread that serves a queue of alarms.

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use stockade_platform::host::errno;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use stockade_abi::Errno;
use stockade_platform::sync::RwLock;

use super::queue::TimerQueue;
use crate::diagnosis;

/// Stack of the thread: alarms send signals and wake threads, and do nothing deep.
const STACK_SIZE: usize = 256 * 1024;

/// What the thread sleeps on. The descriptors are the host's.
pub(super) struct Service {
    /// Written to when it has to look anew.
    wake: Arc<OwnedFd>,
    /// A timer of the host that is cancelled when its clock is set.
    clock_set: Arc<OwnedFd>,
    started: AtomicBool,
    /// Held while alarms are told.
    changing: Arc<RwLock<()>>,
}

impl Service {
    /// # Errors
    /// EMFILE, ENFILE
    pub(super) fn new(changing: Arc<RwLock<()>>) -> Result<Self, Errno> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(errno)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let clock_set = timerfd_create(TimerfdClockId::Realtime, flags).map_err(errno)?;
        let (wake, clock_set) = (Arc::new(wake), Arc::new(clock_set));
        Ok(Self { wake, clock_set, started: AtomicBool::new(false), changing })
    }

    /// Starts the thread, if that has not been done.
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads.
    pub(super) fn start(&self, queue: &Arc<TimerQueue>) -> Result<(), Errno> {
        if self.started.load(Ordering::Acquire) || self.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (wake, clock_set) = (Arc::clone(&self.wake), Arc::clone(&self.clock_set));
        let (queue, changing) = (Arc::downgrade(queue), Arc::clone(&self.changing));
        diagnosis::spawn("timers", STACK_SIZE, move || serve(&queue, &changing, &wake, &clock_set)).map_err(
            |_| {
                self.started.store(false, Ordering::Release);
                Errno::EAGAIN
            },
        )
    }

    /// Makes the thread look anew.
    pub(super) fn wake(&self) {
        // It can only fail when the counter is full, and then the thread is awake.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Arms the timer that tells of changes of the clock: far off, but not so far that the host refuses.
fn watch_clock(clock_set: &OwnedFd) {
    let at = Timespec { tv_sec: 9_000_000_000, tv_nsec: 0 };
    let far = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    // Where that is refused, timers on a clock that is set come late, and nothing worse.
    let _ = timerfd_settime(clock_set, flags, &far);
}

fn serve(queue: &Weak<TimerQueue>, changing: &RwLock<()>, wake: &OwnedFd, clock_set: &OwnedFd) {
    // Nobody's slack is this thread's to add; without it timers come a little later.
    let _ = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
    watch_clock(clock_set);
    loop {
        let expire = |queue: Arc<TimerQueue>| {
            let _changing = changing.read();
            queue.expire()
        };
        let Some(next) = queue.upgrade().map(expire) else { return };
        let timeout = next.map(|left: Duration| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut fds = [PollFd::new(wake, PollFlags::IN), PollFd::new(clock_set, PollFlags::IN)];
        if poll(&mut fds, timeout.as_ref()).is_err() {
            continue;
        }
        let mut count = [0; 8];
        if !fds[0].revents().is_empty() {
            let _ = rustix::io::read(wake, &mut count);
        }
        if !fds[1].revents().is_empty() {
            // ECANCELED, and a timer that can be cancelled once more.
            let _ = rustix::io::read(clock_set, &mut count);
            watch_clock(clock_set);
            if let Some(queue) = queue.upgrade() {
                let _changing = changing.read();
                queue.clock_was_set();
            }
        }
    }
}
