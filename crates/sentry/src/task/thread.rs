//! A task: a guest thread as the kernel knows it.

mod persist;

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::{SigSet, StackT};
use stockade_platform::sync::{Mutex, RwLock};
use stockade_platform::{CpuSet, Kicker};

use super::freeze::Standing;
use super::group::ThreadGroup;
use super::kernel::Kernel;
use super::pidns::PidNamespace;
use super::usage::Account;
use super::work;
use crate::creds::Credentials;
use crate::diagnosis;
use crate::mm::{MemoryLimits, MemoryManager};
use crate::persist::Counter;
use crate::signal::PendingQueue;
use crate::signal::frame::LastFault;
use crate::syscalls::restart::RestartBlock;
use crate::vfs::{FdTable, FsContext, MountNamespace};
use crate::wait::{self, Waiter};

pub use persist::{TaskState, UtsState, VforkState};

static UTS_IDS: Counter = Counter::from(0xf100_0000);

/// Host and domain name (uts_namespaces(7)).
#[derive(Debug)]
pub struct UtsNamespace {
    /// For `/proc/PID/ns/uts`.
    pub id: u64,
    /// sethostname(2), setdomainname(2)
    pub names: RwLock<(Vec<u8>, Vec<u8>)>,
}

impl UtsNamespace {
    /// A namespace with these names.
    #[must_use]
    pub fn new(host: &[u8], domain: &[u8]) -> Arc<Self> {
        Arc::new(Self { id: UTS_IDS.take(), names: RwLock::new((host.to_vec(), domain.to_vec())) })
    }
}

/// The namespaces of a task.
#[derive(Clone)]
pub struct NsProxy {
    /// Mounts.
    pub mount: Arc<MountNamespace>,
    /// Names.
    pub uts: Arc<UtsNamespace>,
    /// Where its children get their numbers (CLONE_NEWPID of unshare(2)).
    pub pid_for_children: Arc<PidNamespace>,
}

/// A task's own signal state. Locked after its group's.
#[derive(Default)]
pub struct TaskSignals {
    /// Sent to this thread.
    pub pending: PendingQueue,
    /// Blocked.
    pub mask: SigSet,
    /// The mask to put back after a call that replaced it (sigsuspend(2), ppoll(2)).
    pub saved_mask: Option<SigSet>,
    /// What sigtimedwait(2) waits for just now.
    pub waiting_for: SigSet,
    /// sigaltstack(2)
    pub altstack: StackT,
}

/// SCHED_RESET_ON_FORK of sched_setscheduler(2).
pub const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;

/// A guest thread.
pub struct Task {
    /// The kernel.
    pub kernel: Arc<Kernel>,
    /// Its process.
    pub tg: Arc<ThreadGroup>,
    tid: AtomicI32,
    me: Weak<Task>,
    /// Who it is.
    pub creds: RwLock<Arc<Credentials>>,
    mm: RwLock<Option<Arc<MemoryManager>>>,
    /// Root, working directory, umask.
    pub fs: RwLock<Arc<FsContext>>,
    /// Descriptors.
    pub files: RwLock<Arc<FdTable>>,
    /// Namespaces.
    pub ns: RwLock<NsProxy>,
    /// Signals.
    pub signals: Mutex<TaskSignals>,
    /// `comm`
    pub name: RwLock<Vec<u8>>,
    /// What the sentry thread parks on.
    pub waiter: Arc<Waiter>,
    /// Bits of [`work`].
    pub(super) work: AtomicU32,
    pub(super) mode: AtomicU32,
    pub(super) kicker: RwLock<Option<Arc<dyn Kicker>>>,
    /// Cleared and woken at the end (set_tid_address(2)).
    pub clear_child_tid: AtomicU64,
    /// set_robust_list(2)
    pub robust_list: AtomicU64,
    /// Mutexes of the kernel's that others want (FUTEX_LOCK_PI).
    pub pi_held: crate::futex::Held,
    /// PR_SET_PDEATHSIG
    pub pdeathsig: AtomicI32,
    /// Whether it became a user that has too many processes already: then execve(2) fails (getrlimit(2), RLIMIT_NPROC).
    pub exceeded_nproc: AtomicBool,
    /// Whether it is past its end, so that signals go to others.
    pub exiting: AtomicBool,
    /// How the last interrupted call goes on.
    pub(crate) restart: Mutex<Option<RestartBlock>>,
    /// From the last hardware exception.
    pub last_fault: Mutex<LastFault>,
    /// Told when its program or its life ends (vfork(2)).
    pub vfork_done: Mutex<Option<Arc<VforkDone>>>,
    /// The child that it waits for (vfork(2)), while [`work::VFORK`] is set.
    pub(super) vfork_wait: Mutex<Option<Arc<VforkDone>>>,
    /// The last stop of its group in which it has arrived, counted as the group does.
    pub(super) arrived_in_stop: AtomicU64,
    /// Where it stands while the kernel is saved.
    pub(super) standing: Mutex<Option<Standing>>,
    /// What it has used.
    pub(super) account: Account,
    /// Nice value.
    pub nice: AtomicI32,
    /// Policy and priority (sched_setscheduler(2)).
    pub sched: Mutex<(u32, u32)>,
    /// ioprio_set(2): class and level.
    pub ioprio: AtomicU32,
    /// sched_setaffinity(2), none for all.
    pub affinity: Mutex<Option<Vec<u8>>>,
    /// personality(2)
    pub personality: AtomicU32,
    /// When it began, in nanoseconds of the monotonic clock.
    pub start_time: u64,
    /// PR_SET_TIMERSLACK, in nanoseconds.
    pub timer_slack: AtomicU64,
    /// What it goes back to: its parent's at the time of clone(2).
    default_timer_slack: AtomicU64,
}

/// A parent waits on this until its child has another program or ends.
#[derive(Default)]
pub struct VforkDone {
    done: AtomicBool,
    queue: Arc<wait::WaitQueue>,
}

impl VforkDone {
    /// The child is done with the parent's memory.
    pub fn finish(&self) {
        self.done.store(true, Ordering::Release);
        self.queue.notify(wait::Readiness::all());
    }

    /// Whether it is.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

impl Task {
    /// From now on it does not go back to the guest before a child is done with its memory.
    pub(super) fn wait_for_vfork(&self, child: Arc<VforkDone>) {
        *self.vfork_wait.lock() = Some(child);
        self.mark(work::VFORK);
    }

    /// Waits for that child. Only a signal that ends the process ends this otherwise (vfork(2)); when all is saved it stands
    /// elsewhere, and comes again.
    pub(super) fn take_part_in_vfork(&self) {
        let child = self.vfork_wait.lock().clone();
        if let Some(child) = child {
            let _registration = child.queue.register(wait::Readiness::all(), self.waiter.clone());
            let attempt = || if child.is_done() { Ok(()) } else { Err(Errno::EAGAIN) };
            let interrupted = || self.work() & (work::EXIT | work::SAVE) != 0;
            if wait::block_on(&self.waiter, None, interrupted, attempt).is_err() {
                return;
            }
        }
        *self.vfork_wait.lock() = None;
        self.clear_work(work::VFORK);
    }
}

/// What a new task is made of.
pub struct TaskParts {
    /// Number in the root namespace.
    pub tid: i32,
    /// Its process.
    pub tg: Arc<ThreadGroup>,
    /// Who it is.
    pub creds: Arc<Credentials>,
    /// Its memory.
    pub mm: Arc<MemoryManager>,
    /// Root, working directory, umask.
    pub fs: Arc<FsContext>,
    /// Descriptors.
    pub files: Arc<FdTable>,
    /// Namespaces.
    pub ns: NsProxy,
    /// `comm`
    pub name: Vec<u8>,
    /// Blocked signals.
    pub mask: SigSet,
}

fn cpu_set(mask: &[u8]) -> CpuSet {
    let mut set = CpuSet::default();
    for (i, &byte) in mask.iter().enumerate().take(size_of::<CpuSet>()) {
        set[i / 8] |= u64::from(byte) << (i % 8 * 8);
    }
    set
}

impl Task {
    /// A task that is in no tree yet.
    #[must_use]
    pub fn new(kernel: Arc<Kernel>, parts: TaskParts) -> Arc<Self> {
        Self::begun_at(kernel.clock.monotonic_nanos(), kernel, parts)
    }

    fn begun_at(start_time: u64, kernel: Arc<Kernel>, parts: TaskParts) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            kernel,
            tg: parts.tg,
            tid: AtomicI32::new(parts.tid),
            me: me.clone(),
            creds: RwLock::new(parts.creds),
            mm: RwLock::new(Some(parts.mm)),
            fs: RwLock::new(parts.fs),
            files: RwLock::new(parts.files),
            ns: RwLock::new(parts.ns),
            signals: Mutex::new(TaskSignals { mask: parts.mask, ..TaskSignals::default() }),
            name: RwLock::new(parts.name),
            waiter: Waiter::new(),
            work: AtomicU32::new(0),
            mode: AtomicU32::new(work::MODE_SENTRY),
            kicker: RwLock::new(None),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            pi_held: crate::futex::Held::default(),
            pdeathsig: AtomicI32::new(0),
            exceeded_nproc: AtomicBool::new(false),
            exiting: AtomicBool::new(false),
            restart: Mutex::new(None),
            last_fault: Mutex::default(),
            vfork_done: Mutex::new(None),
            vfork_wait: Mutex::new(None),
            arrived_in_stop: AtomicU64::new(0),
            standing: Mutex::new(None),
            account: Account::default(),
            nice: AtomicI32::new(0),
            sched: Mutex::new((0, 0)),
            ioprio: AtomicU32::new(0),
            affinity: Mutex::new(None),
            personality: AtomicU32::new(0),
            start_time,
            timer_slack: AtomicU64::new(50_000),
            default_timer_slack: AtomicU64::new(50_000),
        })
    }

    /// Itself, counted.
    #[must_use]
    pub fn me(&self) -> Arc<Self> {
        // A borrowed task is alive, so its count is not zero; the fall-back cannot be reached.
        self.me.upgrade().unwrap_or_else(|| unreachable!("a task is borrowed after its end"))
    }

    /// Its number in the root namespace.
    #[must_use]
    pub fn tid(&self) -> i32 {
        self.tid.load(Ordering::Acquire)
    }

    /// execve(2) of another thread than the leader makes it the leader.
    pub(super) fn set_tid(&self, tid: i32) {
        self.tid.store(tid, Ordering::Release);
    }

    /// Its number as it sees it itself (gettid(2)).
    #[must_use]
    pub fn local_tid(&self) -> i32 {
        self.tg.pidns.local(self.tid())
    }

    /// Its process's number as it sees it itself (getpid(2)).
    #[must_use]
    pub fn local_pid(&self) -> i32 {
        self.tg.pidns.local(self.tg.tgid)
    }

    /// Whether it is the first thread of its process.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.tid() == self.tg.tgid
    }

    /// Changes its name (`comm`).
    pub fn set_name(&self, name: Vec<u8>) {
        *self.name.write() = name;
        if super::current().is_some_and(|current| std::ptr::eq(&raw const *current, self)) {
            diagnosis::serve(Some(self));
        }
    }

    /// Who it is.
    #[must_use]
    pub fn creds(&self) -> Arc<Credentials> {
        Arc::clone(&self.creds.read())
    }

    /// Its memory, until it ends.
    #[must_use]
    pub fn mm(&self) -> Option<Arc<MemoryManager>> {
        self.mm.read().clone()
    }

    pub(super) fn set_mm(&self, mm: Option<Arc<MemoryManager>>) -> Option<Arc<MemoryManager>> {
        std::mem::replace(&mut self.mm.write(), mm)
    }

    /// Root, working directory, umask.
    #[must_use]
    pub fn fs(&self) -> Arc<FsContext> {
        Arc::clone(&self.fs.read())
    }

    /// Descriptors.
    #[must_use]
    pub fn files(&self) -> Arc<FdTable> {
        Arc::clone(&self.files.read())
    }

    /// RLIMIT_NOFILE
    #[must_use]
    pub fn fd_limit(&self) -> u64 {
        self.tg.limit(c::RLIMIT_NOFILE)
    }

    /// Whether its user has more tasks than RLIMIT_NPROC allows, with `more` to come.
    #[must_use]
    pub fn has_too_many_processes(&self, more: u64) -> bool {
        let (uid, limit) = (self.creds.read().uid, self.tg.limit(c::RLIMIT_NPROC));
        self.kernel.tree.lock().has_too_many(uid, more, limit)
    }

    /// Whether RLIMIT_NPROC does not bind it.
    #[must_use]
    pub fn may_exceed_nproc(&self) -> bool {
        let creds = self.creds.read();
        creds.uid.0 == 0 || creds.has_cap(c::CAP_SYS_RESOURCE) || creds.has_cap(c::CAP_SYS_ADMIN)
    }

    /// Whether a flag of personality(2) is set.
    #[must_use]
    pub fn has_personality(&self, flag: u32) -> bool {
        self.personality.load(Ordering::Relaxed) & flag != 0
    }

    /// The limits that bind memory calls.
    #[must_use]
    pub fn memory_limits(&self) -> MemoryLimits {
        let limits = self.tg.limits.read();
        let unlimited = self.creds.read().has_cap(c::CAP_IPC_LOCK);
        MemoryLimits {
            address_space: limits.soft(c::RLIMIT_AS),
            data: limits.soft(c::RLIMIT_DATA),
            stack: limits.soft(c::RLIMIT_STACK),
            locked: if unlimited { u64::MAX } else { limits.soft(c::RLIMIT_MEMLOCK) },
        }
    }

    /// The guest thread that it serves now.
    pub(super) fn set_kicker(&self, kicker: Option<Arc<dyn Kicker>>) {
        let affinity = self.affinity.lock();
        if let (Some(kicker), Some(mask)) = (&kicker, &*affinity) {
            kicker.set_cpus(&cpu_set(mask));
        }
        *self.kicker.write() = kicker;
    }

    /// sched_setaffinity(2): a bit for each CPU.
    pub fn set_affinity(&self, mask: Vec<u8>) {
        let mut affinity = self.affinity.lock();
        if let Some(kicker) = &*self.kicker.read() {
            kicker.set_cpus(&cpu_set(&mask));
        }
        *affinity = Some(mask);
    }

    /// Whether a guest thread is its own.
    pub(super) fn has_thread(&self) -> bool {
        self.kicker.read().is_some()
    }

    /// PR_SET_TIMERSLACK: nanoseconds, 0 for the default.
    pub fn set_timer_slack(&self, nanos: u64) {
        let default = self.default_timer_slack.load(Ordering::Relaxed);
        self.timer_slack.store(if nanos == 0 { default } else { nanos }, Ordering::Relaxed);
    }

    /// What clone(2) passes on of how a task is scheduled.
    pub(super) fn inherit_scheduling(&self, parent: &Self) {
        self.nice.store(parent.nice.load(Ordering::Relaxed), Ordering::Relaxed);
        self.ioprio.store(parent.ioprio.load(Ordering::Relaxed), Ordering::Relaxed);
        let slack = parent.timer_slack.load(Ordering::Relaxed);
        self.timer_slack.store(slack, Ordering::Relaxed);
        self.default_timer_slack.store(slack, Ordering::Relaxed);
        self.affinity.lock().clone_from(&parent.affinity.lock());
        let sched = *parent.sched.lock();
        if sched.0 & SCHED_RESET_ON_FORK == 0 {
            *self.sched.lock() = sched;
        } else if self.nice.load(Ordering::Relaxed) < 0 {
            self.nice.store(0, Ordering::Relaxed);
        }
    }

    /// Changes its credentials.
    ///
    /// # Errors
    /// What `change` fails with; nothing is changed then.
    pub fn change_creds<T>(
        &self,
        change: impl FnOnce(&mut Credentials) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut current = self.creds.write();
        let mut new = Credentials::clone(&current);
        let result = change(&mut new)?;
        if current.becomes_private(&new) {
            self.tg.dumpable.store(0, Ordering::Relaxed);
            self.pdeathsig.store(0, Ordering::Relaxed);
        }
        *current = Arc::new(new);
        Ok(result)
    }
}
