//! Stopping a guest thread from outside, and ending one that does not obey.
#![expect(unsafe_code, reason = "rustix has no tgkill for other processes")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::KICK_SIGNAL;
use super::channel::set_cpus;
use super::process::Stub;
use super::procfs::{self, Sample};
use crate::{CPU_WORDS, CpuSet, Kicker, Usage};

/// How often the watchdog looks.
const TICK: Duration = Duration::from_millis(10);
/// CPU time that a kicked thread may use before it stops. Counting CPU time spares those who just do not get any.
const PATIENCE: Duration = Duration::from_millis(20);
/// The same in ticks, where the host does not tell CPU times.
const PATIENCE_TICKS: u32 = 200;
/// Ticks without anything to watch before the watchdog sleeps.
const IDLE_TICKS: u32 = 100;

const ALL_CPUS: CpuSet = [!0; CPU_WORDS];

/// What a guest thread, its kickers and the watchdog share.
pub(crate) struct KickState {
    pub(crate) stub: Arc<Stub>,
    pub(crate) tid: i32,
    /// The sentry waits for its next event.
    pub(crate) running: AtomicBool,
    /// A kick has been sent and has not been seen to arrive.
    kicked: AtomicBool,
    /// How often it has stopped because of a kick.
    obeyed: AtomicU64,
    /// The watchdog has it on its list.
    watched: AtomicBool,
    /// Where the guest wants it to run.
    cpus: Mutex<CpuSet>,
    /// It has ended.
    pub(crate) gone: AtomicBool,
    /// What the host's thread had used before it became this one.
    pub(crate) before: Sample,
}

impl KickState {
    /// Of a thread that has just been made.
    pub(crate) fn new(stub: &Arc<Stub>, tid: i32, before: Sample) -> Arc<Self> {
        Arc::new(Self {
            stub: Arc::clone(stub),
            tid,
            running: AtomicBool::new(false),
            kicked: AtomicBool::new(false),
            obeyed: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            cpus: Mutex::new(ALL_CPUS),
            gone: AtomicBool::new(false),
            before,
        })
    }

    /// Lets it run wherever the guest wants it to.
    pub(crate) fn roam(&self) {
        set_cpus(self.tid, &self.cpus.lock());
    }

    /// Whether it may not run everywhere.
    pub(crate) fn is_restricted(&self) -> bool {
        *self.cpus.lock() != ALL_CPUS
    }

    /// What the host's thread has used until now.
    pub(crate) fn sample(&self) -> Option<Sample> {
        let run_time = self.stub.run_time(self.tid)?;
        Some(Sample { run_time, stat: self.stub.stat(self.tid)? })
    }

    /// Sends the signal, whatever is under way.
    pub(crate) fn send(self: &Arc<Self>) {
        self.kicked.store(true, Ordering::SeqCst);
        self.signal();
    }

    /// It has stopped because of a kick.
    pub(crate) fn arrived(&self) {
        self.obeyed.fetch_add(1, Ordering::SeqCst);
        self.kicked.store(false, Ordering::SeqCst);
    }

    fn signal(self: &Arc<Self>) {
        // The PID cannot have been reused while the stub is held, and a reused thread id is another thread of the same
        // stub, for which a stray kick is harmless.
        // SAFETY: no pointers.
        unsafe { libc::syscall(libc::SYS_tgkill, self.stub.pid(), self.tid, KICK_SIGNAL) };
        if !self.watched.swap(true, Ordering::SeqCst) {
            self.stub.shared.watchdog.watch(self);
        }
    }
}

impl Kicker for Arc<KickState> {
    fn kick(&self) {
        if !self.gone.load(Ordering::SeqCst) && !self.kicked.swap(true, Ordering::SeqCst) {
            self.signal();
        }
    }

    fn set_cpus(&self, cpus: &CpuSet) {
        let mut own = self.cpus.lock();
        *own = *cpus;
        if !self.gone.load(Ordering::SeqCst) {
            set_cpus(self.tid, &own);
        }
    }

    fn cpu_time(&self) -> Option<Duration> {
        if self.gone.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.stub.run_time(self.tid)?.saturating_sub(self.before.run_time))
    }

    fn usage(&self) -> Option<Usage> {
        if self.gone.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.sample()?.since(&self.before))
    }
}

/// One thread for the platform, started when first needed.
#[derive(Default)]
pub(crate) struct Watchdog {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    watched: Vec<Watched>,
    started: bool,
    asleep: bool,
    ended: bool,
}

struct Watched {
    thread: Weak<KickState>,
    /// CPU time when it was first seen running after the kick.
    since: Option<Duration>,
    /// Count of obeyed kicks at the last look.
    obeyed: u64,
    ticks: u32,
}

impl Watchdog {
    fn watch(&self, thread: &Arc<KickState>) {
        let mut state = self.inner.state.lock();
        state.watched.push(Watched { thread: Arc::downgrade(thread), since: None, obeyed: 0, ticks: 0 });
        if !state.started {
            let inner = Arc::clone(&self.inner);
            state.started = thread::Builder::new()
                .name("kick-watchdog".into())
                .stack_size(128 * 1024)
                .spawn(move || inner.run())
                .is_ok();
        } else if state.asleep {
            state.asleep = false;
            self.inner.wake.notify_one();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.inner.state.lock().ended = true;
        self.inner.wake.notify_one();
    }
}

impl Inner {
    fn run(&self) {
        let mut idle = 0;
        loop {
            let mut state = self.state.lock();
            if state.ended {
                return;
            }
            if state.watched.is_empty() && idle >= IDLE_TICKS {
                state.asleep = true;
                while state.asleep && !state.ended {
                    self.wake.wait(&mut state);
                }
                idle = 0;
            }
            let watched = std::mem::take(&mut state.watched);
            drop(state);
            idle = if watched.is_empty() { idle + 1 } else { 0 };
            let mut still: Vec<Watched> = watched.into_iter().filter_map(Watched::look).collect();
            self.state.lock().watched.append(&mut still);
            thread::sleep(TICK);
        }
    }
}

impl Watched {
    /// Looks at one thread; gives it back if it is still to be watched.
    fn look(mut self) -> Option<Self> {
        let thread = self.thread.upgrade()?;
        if thread.gone.load(Ordering::SeqCst) {
            return None;
        }
        if !thread.kicked.load(Ordering::SeqCst) {
            thread.watched.store(false, Ordering::SeqCst);
            // A kick between the two has seen it still set.
            let again = thread.kicked.load(Ordering::SeqCst) && !thread.watched.swap(true, Ordering::SeqCst);
            return again.then_some(self);
        }
        let obeyed = thread.obeyed.load(Ordering::SeqCst);
        if obeyed != self.obeyed || !thread.running.load(Ordering::SeqCst) {
            self.obeyed = obeyed;
            self.since = None;
            self.ticks = 0;
            return Some(self);
        }
        self.ticks += 1;
        let now = procfs::run_time(&thread.stub.shared.proc, thread.stub.pid(), thread.tid);
        let disobeys = match (now, self.since) {
            (Some(now), Some(since)) => now.saturating_sub(since) >= PATIENCE,
            (Some(now), None) => {
                self.since = Some(now);
                false
            }
            (None, _) => self.ticks >= PATIENCE_TICKS,
        };
        if disobeys {
            tracing::warn!(tid = thread.tid, "guest thread does not stop: its process is killed");
            thread.stub.kill();
            return None;
        }
        Some(self)
    }
}
