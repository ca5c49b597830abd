//! Thread groups: what Linux calls a process.

mod persist;

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use stockade_platform::sync::{Mutex, RwLock};

use super::kernel::Kernel;
use super::limits::Limits;
use super::pidns::PidNamespace;
use super::usage::Usage;
use crate::signal::{Actions, PendingQueue};
use crate::time::{CpuLimit, CpuWatch, ProcessTimers};
use crate::tty::Terminal;
use crate::wait::{Readiness, WaitQueue, Waiter};

pub use persist::ThreadGroupState;

/// Where a thread group is with stopping (signal(7), job control).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopState {
    /// It runs.
    #[default]
    Running,
    /// A signal stops it; so many threads still have to notice.
    Stopping {
        /// The signal.
        signo: i32,
        /// Threads to go.
        left: usize,
    },
    /// It is stopped.
    Stopped(i32),
}

/// Signals and stop state of a whole group.
#[derive(Default)]
pub struct GroupSignals {
    /// Sent to the process.
    pub pending: PendingQueue,
    /// Whether it runs.
    pub stop: StopState,
    /// How often a stop has begun: a thread that slept through the end of one takes part in the next.
    pub stops: u64,
    /// Set once: the status the whole group ends with (wait(2)'s encoding).
    pub group_exit: Option<i32>,
    /// Whether the group had several threads then.
    pub exit_together: bool,
}

/// What those that are gone have used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PastTimes {
    /// Threads of the group that have ended.
    pub threads: Usage,
    /// Children waited for, and theirs.
    pub children: Usage,
    /// Largest resident set of a child, in bytes.
    pub children_max_rss: u64,
}

/// A thread group.
pub struct ThreadGroup {
    /// Its leader's number in the root namespace, which is its own.
    pub tgid: i32,
    /// The PID namespace it lives in.
    pub pidns: Arc<PidNamespace>,
    /// Signals. Locked after the tree, before a thread's own.
    pub signals: Mutex<GroupSignals>,
    /// What it does with signals; shared by CLONE_SIGHAND, replaced by execve(2).
    pub actions: RwLock<Arc<Actions>>,
    /// Resource limits.
    pub limits: RwLock<Limits>,
    /// Told when a child changes state.
    pub child_events: Arc<WaitQueue>,
    /// Told when it or one of its threads ends, for pidfds.
    pub exit_events: Arc<WaitQueue>,
    /// Whether orphans below it become its children (PR_SET_CHILD_SUBREAPER).
    pub is_subreaper: AtomicBool,
    /// Whether signals without a handler spare it: the init of a PID namespace below the root.
    unkillable: AtomicBool,
    /// Whether it has executed a program since it was cloned (setpgid(2)).
    pub has_execed: AtomicBool,
    /// PR_SET_DUMPABLE
    pub dumpable: AtomicU32,
    /// PR_SET_THP_DISABLE
    pub thp_disabled: AtomicBool,
    /// PR_MCE_KILL
    pub mce_kill: AtomicU32,
    /// Times of the dead.
    pub past: Mutex<PastTimes>,
    /// When it began, in nanoseconds of the monotonic clock.
    pub start_time: u64,
    /// Largest resident set seen, in bytes.
    pub max_rss: AtomicU64,
    /// What its leader was called, once that has ended.
    pub last_name: Mutex<Vec<u8>>,
    /// oom_score_adj
    pub oom_score_adj: AtomicI32,
    /// Timers (setitimer(2), timer_create(2)).
    pub timers: Arc<ProcessTimers>,
    /// Who waits for CPU time of it.
    pub cpu_watch: Arc<CpuWatch>,
    /// RLIMIT_CPU
    pub cpu_limit: Arc<CpuLimit>,
    /// The terminal that it was started on from outside, which lives as long.
    pub terminal: OnceLock<Arc<dyn Terminal>>,
    /// What it ended with (wait(2)'s encoding), whether or not anybody in the sandbox waits for it.
    ended: OnceLock<i32>,
}

impl ThreadGroup {
    /// A group of a new process.
    #[must_use]
    pub fn new(
        kernel: &Arc<Kernel>,
        tgid: i32,
        pidns: Arc<PidNamespace>,
        actions: Arc<Actions>,
        limits: Limits,
    ) -> Arc<Self> {
        Self::begun_at(kernel.clock.monotonic_nanos(), kernel, tgid, pidns, actions, limits)
    }

    fn begun_at(
        start_time: u64,
        kernel: &Arc<Kernel>,
        tgid: i32,
        pidns: Arc<PidNamespace>,
        actions: Arc<Actions>,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            tgid,
            pidns,
            signals: Mutex::default(),
            actions: RwLock::new(actions),
            limits: RwLock::new(limits),
            child_events: Arc::new(WaitQueue::new()),
            exit_events: Arc::new(WaitQueue::new()),
            is_subreaper: AtomicBool::new(false),
            unkillable: AtomicBool::new(false),
            has_execed: AtomicBool::new(false),
            dumpable: AtomicU32::new(1),
            thp_disabled: AtomicBool::new(false),
            mce_kill: AtomicU32::new(stockade_abi::prctl::PR_MCE_KILL_DEFAULT),
            past: Mutex::default(),
            start_time,
            max_rss: AtomicU64::new(0),
            last_name: Mutex::default(),
            oom_score_adj: AtomicI32::new(0),
            timers: ProcessTimers::new(kernel, me, tgid),
            cpu_watch: CpuWatch::new(kernel, me.clone()),
            cpu_limit: CpuLimit::new(kernel, me),
            terminal: OnceLock::new(),
            ended: OnceLock::new(),
        })
    }

    /// It has ended: those who wait for it are told.
    pub(super) fn note_end(&self, status: i32) {
        let _ = self.ended.set(status);
        self.exit_events.notify(Readiness::all());
    }

    /// What it ended with (wait(2)'s encoding), if it has.
    #[must_use]
    pub fn exit_status(&self) -> Option<i32> {
        self.ended.get().copied()
    }

    /// Waits for its end, on a thread that serves no task; gives what it ended with (wait(2)'s encoding).
    pub fn wait_exited(&self) -> i32 {
        let waiter = Waiter::new();
        let _registration = self.exit_events.register(Readiness::all(), waiter.clone());
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            waiter.park(None);
        }
    }

    /// What it does with signals.
    #[must_use]
    pub fn actions(&self) -> Arc<Actions> {
        Arc::clone(&self.actions.read())
    }

    /// A soft resource limit.
    #[must_use]
    pub fn limit(&self, resource: u32) -> u64 {
        self.limits.read().soft(resource)
    }

    /// Whether signals without a handler spare it, unless they are from a namespace above (pid_namespaces(7), "The
    /// namespace init process").
    #[must_use]
    pub fn is_unkillable(&self) -> bool {
        self.unkillable.load(Ordering::Relaxed)
    }

    /// It is the init of a PID namespace below the root. (The first process of a sandbox is no such init: the sentry
    /// does an init's work for it.)
    pub(super) fn make_unkillable(&self) {
        self.unkillable.store(true, Ordering::Relaxed);
    }

    /// It has caused a signal itself that ends it.
    pub(super) fn make_killable(&self) {
        self.unkillable.store(false, Ordering::Relaxed);
    }

    /// Whether it is ending as a whole.
    #[must_use]
    pub fn is_exiting(&self) -> bool {
        self.signals.lock().group_exit.is_some()
    }

    /// Notes a resident set size.
    pub fn note_rss(&self, bytes: u64) {
        self.max_rss.fetch_max(bytes, Ordering::Relaxed);
    }
}
