//! Timers that belong to a process and send it signals.

mod persist;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::signal::{SIGALRM, SIGPROF, SIGVTALRM, SigInfo, si};
use stockade_platform::sync::Mutex;

use super::cpu_clock::CpuKind;
use super::itimer::{RealTimer, Setting, Usager};
use super::posix_timer::{Notify, PosixTimer, TimerSpec};
use super::queue::Alarm;
use crate::signal::Queued;
use crate::task::deliver::From;
use crate::task::{Kernel, ThreadGroup, Tree};
use crate::vfs::quota::{SIGNALS, Share};

pub use persist::ProcessTimersState;

/// Which timer of a process an alarm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Real,
    Cpu(CpuKind),
    Posix(i32),
}

/// The alarm of a timer.
pub(super) struct Due {
    timers: Weak<ProcessTimers>,
    which: Which,
}

impl Alarm for Due {
    fn expire(&self) {
        if let Some(timers) = self.timers.upgrade() {
            timers.expire(self.which);
        }
    }
}

struct State {
    real: RealTimer,
    user: Usager,
    total: Usager,
    posix: BTreeMap<i32, PosixTimer>,
    counted: Share,
    next_id: i32,
}

/// The timers of a process. Locked before the tree of tasks.
pub struct ProcessTimers {
    me: Weak<Self>,
    kernel: Weak<Kernel>,
    tgid: i32,
    state: Mutex<State>,
    /// Timers of timer_create(2).
    count: AtomicUsize,
}

impl ProcessTimers {
    /// A process without timers.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, process: &Weak<ThreadGroup>, tgid: i32) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| {
            let due = |which| Arc::new(Due { timers: me.clone(), which });
            let cpu = |kind| Usager::new(process, kind, due(Which::Cpu(kind)));
            let state = State {
                real: RealTimer::new(due(Which::Real)),
                user: cpu(CpuKind::User),
                total: cpu(CpuKind::Total),
                posix: BTreeMap::new(),
                counted: Share::new(&SIGNALS),
                next_id: 0,
            };
            Self {
                me: me.clone(),
                kernel: Arc::downgrade(kernel),
                tgid,
                state: Mutex::new(state),
                count: AtomicUsize::new(0),
            }
        })
    }

    /// ITIMER_REAL
    #[must_use]
    pub fn real(&self) -> Setting {
        self.state.lock().real.get()
    }

    /// Sets ITIMER_REAL; returns what it was.
    pub fn set_real(&self, kernel: &Kernel, new: Setting) -> Setting {
        self.state.lock().real.set(kernel, new)
    }

    /// ITIMER_VIRTUAL, ITIMER_PROF
    #[must_use]
    pub fn cpu(&self, kernel: &Kernel, kind: CpuKind) -> Setting {
        self.state.lock().cpu(kind).get(kernel)
    }

    /// Sets ITIMER_VIRTUAL or ITIMER_PROF; returns what it was.
    pub fn set_cpu(&self, kernel: &Kernel, kind: CpuKind, new: Setting) -> Setting {
        self.state.lock().cpu(kind).set(kernel, new)
    }

    /// How many timers of timer_create(2) there are, which count against RLIMIT_SIGPENDING.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn note_count(&self, state: &mut State) {
        let count = state.posix.len();
        self.count.store(count, Ordering::Relaxed);
        state.counted.set(count);
    }

    /// timer_create(2); returns its number.
    ///
    /// # Errors
    /// EAGAIN beyond RLIMIT_SIGPENDING.
    pub fn create(&self, kernel: &Kernel, spec: TimerSpec) -> Result<i32, Errno> {
        let mut state = self.state.lock();
        if !kernel.tree.lock().has_room_for_timer(self.tgid)? {
            return Err(Errno::EAGAIN);
        }
        let mut id = state.next_id;
        while state.posix.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(0);
        }
        state.next_id = id.checked_add(1).unwrap_or(0);
        let due = Arc::new(Due { timers: self.me.clone(), which: Which::Posix(id) });
        state.posix.insert(id, PosixTimer::new(id, spec, due));
        self.note_count(&mut state);
        Ok(id)
    }

    fn with<T>(&self, id: i32, then: impl FnOnce(&mut PosixTimer) -> T) -> Result<T, Errno> {
        self.state.lock().posix.get_mut(&id).map(then).ok_or(Errno::EINVAL)
    }

    /// timer_gettime(2)
    ///
    /// # Errors
    /// EINVAL if there is no such timer.
    pub fn get(&self, kernel: &Kernel, id: i32) -> Result<Setting, Errno> {
        self.with(id, |timer| timer.get(kernel))
    }

    /// timer_settime(2); returns what it was.
    ///
    /// # Errors
    /// EINVAL if there is no such timer, ESRCH if whose CPU time it counts is no more.
    pub fn set(&self, kernel: &Kernel, id: i32, new: Setting, absolute: bool) -> Result<Setting, Errno> {
        self.with(id, |timer| timer.set(kernel, new, absolute))?
    }

    /// timer_getoverrun(2)
    ///
    /// # Errors
    /// EINVAL if there is no such timer.
    pub fn overrun(&self, id: i32) -> Result<i32, Errno> {
        self.with(id, |timer| timer.overrun())
    }

    /// timer_delete(2)
    ///
    /// # Errors
    /// EINVAL if there is no such timer.
    pub fn delete(&self, kernel: &Kernel, id: i32) -> Result<(), Errno> {
        let mut state = self.state.lock();
        let mut timer = state.posix.remove(&id).ok_or(Errno::EINVAL)?;
        self.note_count(&mut state);
        timer.disarm(kernel);
        Ok(())
    }

    fn expire(&self, which: Which) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        let mut state = self.state.lock();
        let signo = match which {
            Which::Real => state.real.expires().then_some(SIGALRM),
            Which::Cpu(kind) => {
                let signo = if kind == CpuKind::User { SIGVTALRM } else { SIGPROF };
                state.cpu(kind).expires(&kernel).then_some(signo)
            }
            Which::Posix(id) => {
                if let Some(timer) = state.posix.get_mut(&id)
                    && timer.expires(&kernel)
                {
                    send(&kernel.tree.lock(), self.tgid, timer);
                }
                None
            }
        };
        if let Some(signo) = signo {
            // It can fail only because the process is gone.
            let _ = kernel.tree.lock().send_group(self.tgid, &SigInfo::new(signo, si::SI_KERNEL));
        }
        drop(state);
        kernel.report_continued();
    }

    /// A signal is taken out of a queue: a periodic timer that rested until then goes on. None if its timer has been
    /// set anew or deleted.
    #[must_use]
    pub fn on_dequeue(&self, kernel: &Kernel, queued: Queued, from: From) -> Option<SigInfo> {
        if queued.info.signo == SIGALRM && from == From::Process {
            self.state.lock().real.signal_taken(kernel);
        }
        let Some(mark) = queued.timer else { return Some(queued.info) };
        self.state.lock().posix.get_mut(&mark.id)?.taken(kernel, mark, queued.info)
    }

    /// A signal is ignored no longer: timers that rest because theirs was never taken send it again.
    pub fn on_unignored(&self, kernel: &Arc<Kernel>, signo: i32) {
        let state = self.state.lock();
        if state.posix.is_empty() {
            return;
        }
        let tree = kernel.tree.lock();
        for timer in state.posix.values().filter(|timer| timer.waits_for(signo)) {
            send(&tree, self.tgid, timer);
        }
        drop(tree);
        drop(state);
        kernel.report_continued();
    }

    /// Deletes the timers of timer_create(2), as execve(2) does.
    pub fn clear_posix(&self, kernel: &Kernel) {
        let mut state = self.state.lock();
        for (_, mut timer) in std::mem::take(&mut state.posix) {
            timer.disarm(kernel);
        }
        self.note_count(&mut state);
    }

    /// Deletes all: the process has ended.
    pub fn clear(&self, kernel: &Kernel) {
        self.clear_posix(kernel);
        let mut state = self.state.lock();
        state.real.set(kernel, Setting::default());
        state.user.set(kernel, Setting::default());
        state.total.set(kernel, Setting::default());
    }
}

/// Sends a timer's signal; a thread that has ended gets none.
fn send(tree: &Tree, tgid: i32, timer: &PosixTimer) {
    let (notify, info, mark) = timer.signal();
    let thread = match notify {
        Notify::Nothing => return,
        Notify::Process => None,
        Notify::Thread(task) => match task.upgrade() {
            Some(task) => Some(task),
            None => return,
        },
    };
    // It can fail only because the process is gone.
    let _ = tree.send_timer(tgid, thread.as_ref(), &info, mark);
}

impl State {
    fn cpu(&mut self, kind: CpuKind) -> &mut Usager {
        match kind {
            CpuKind::User => &mut self.user,
            CpuKind::Total => &mut self.total,
        }
    }
}
