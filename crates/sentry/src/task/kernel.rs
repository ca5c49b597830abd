//! The kernel of a sandbox.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Condvar;
use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::signal::SIGKILL;
use stockade_platform::Platform;
use stockade_platform::sync::{Mutex, RwLock};

use super::group::ThreadGroup;
use super::pidns::PidNamespace;
use super::thread::UtsNamespace;
use super::tree::Tree;
use super::usage::Usage;
use super::workers::Workers;
use crate::fs::inotify;
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::futex::FutexTable;
use crate::loader::vdso::Vdso;
use crate::net::unix::UnixSpace;
use crate::strace::Tracing;
use crate::time::{Clock, TimerQueue};
use crate::tty::Ttys;
use crate::vfs::lock::LockWaits;
use crate::vfs::quota::limit_kernel_memory;
use crate::vfs::{HOST_FDS, OPEN_FILES};
use crate::wait::WaitQueue;

/// Why a sandbox ends whose image is gone.
const LOST_IMAGE: &str = "the image that this sandbox was restored from cannot be read any longer: it was cut off, or its disk fails";
/// How long the sentry may take to end.
const LONGEST_END: Duration = Duration::from_secs(10);

/// What a kernel is made with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelConfig {
    /// Host name of the sandbox.
    pub hostname: Vec<u8>,
    /// Tasks that can exist at once.
    pub max_tasks: usize,
    /// Memory that guests may believe the machine has, in bytes.
    pub memory: u64,
    /// Bytes that files in memory may take.
    pub disk: u64,
    /// Files that can be open at once.
    pub descriptors: usize,
    /// Descriptors of the host that these can take.
    pub host_descriptors: usize,
    /// Whether the host shows files of others as [`OVERFLOW_ID`](stockade_abi::misc::OVERFLOW_ID)'s, because only the caller's
    /// ids are mapped.
    pub hides_ids: bool,
    /// Processors that guests see.
    pub cpus: usize,
    /// What `/proc/cpuinfo` says of each: names and values, in order.
    pub cpu: Vec<(String, String)>,
}

/// The kernel of a sandbox.
pub struct Kernel {
    /// Where guest code runs.
    pub platform: Arc<dyn Platform>,
    /// What programs find at AT_SYSINFO_EHDR.
    pub vdso: Arc<Vdso>,
    /// Configuration.
    pub config: KernelConfig,
    /// Processes and tasks.
    pub tree: Mutex<Tree>,
    /// The PID namespace of the first process.
    pub root_pidns: Arc<PidNamespace>,
    /// The host name of the first process.
    pub root_uts: Arc<UtsNamespace>,
    /// Waiters on guest words.
    pub futexes: FutexTable,
    /// Clocks.
    pub clock: Clock,
    /// Who has to be told at which time.
    pub timers: Arc<TimerQueue>,
    /// `/proc/sys/kernel/random/boot_id`
    pub boot_id: [u8; 16],
    /// How often it was restored, itself and those before it.
    generation: AtomicU64,
    /// Told of every signal sent, for signalfd(2).
    pub signal_events: Arc<WaitQueue>,
    /// Processes that SIGCONT made go on and whose parents do not know yet.
    pub continued: Mutex<Vec<i32>>,
    /// Bytes that files in memory may take.
    pub memory_files: Arc<Budget>,
    /// Files in memory without a name: memfds and shared anonymous memory.
    pub shm: Arc<TmpFs>,
    /// Who waits for whose lock on a file.
    pub lock_waits: LockWaits,
    /// Terminals.
    pub ttys: Arc<Ttys>,
    /// UNIX sockets.
    pub unix: Arc<UnixSpace>,
    /// How much of inotify(7) each user has.
    pub inotify_users: Arc<inotify::Users>,
    /// Who is told of system calls.
    pub tracing: Tracing,
    /// The threads that serve guest threads.
    pub(super) workers: Arc<Workers>,
    pub(super) paused: AtomicBool,
    /// Whether tasks are to stand because the kernel is saved.
    pub(super) freezing: AtomicBool,
    /// Whether they all do: from then on none moves until it is over.
    pub(super) frozen: AtomicBool,
    /// Held by whoever changes the kernel from outside of tasks, and alone by who saves it.
    pub(super) still: Arc<RwLock<()>>,
    pub(super) init: AtomicI32,
    tasks: AtomicUsize,
    tasks_refused: AtomicUsize,
    /// Processes that were killed for want of memory.
    pub memory_kills: AtomicUsize,
    end: parking_lot::Mutex<Option<i32>>,
    ended: Condvar,
    failure: OnceLock<String>,
}

/// What a kernel has from its beginning.
pub(crate) struct KernelRoots {
    /// The PID namespace of the first process.
    pub(crate) pidns: Arc<PidNamespace>,
    /// Its host name.
    pub(crate) uts: Arc<UtsNamespace>,
    /// The device and the next inode number of files in memory without a name, if these are not new.
    pub(crate) shm: Option<(u64, u64)>,
}

/// Random bytes of the host.
#[must_use]
pub fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    // Without randomness from the host they are merely predictable.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes
}

impl Kernel {
    /// A kernel without processes.
    ///
    /// # Errors
    /// EMFILE, ENFILE if the host has no descriptors left.
    pub fn new(platform: Arc<dyn Platform>, config: KernelConfig) -> Result<Arc<Self>, Errno> {
        let uts = UtsNamespace::new(&config.hostname, b"(none)");
        Self::with_roots(platform, config, KernelRoots { pidns: PidNamespace::new(None)?, uts, shm: None })
    }

    /// A kernel without processes, which has these.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn with_roots(
        platform: Arc<dyn Platform>,
        config: KernelConfig,
        roots: KernelRoots,
    ) -> Result<Arc<Self>, Errno> {
        OPEN_FILES.set_limit(config.descriptors);
        HOST_FDS.set_limit(config.host_descriptors);
        limit_kernel_memory(config.memory);
        let memory_files = Budget::new(config.disk);
        let still = Arc::<RwLock<()>>::default();
        Ok(Arc::new(Self {
            vdso: Vdso::new(&platform.layout().host_vdso)?,
            platform,
            config,
            tree: Mutex::default(),
            root_pidns: roots.pidns,
            root_uts: roots.uts,
            futexes: FutexTable::default(),
            clock: Clock::default(),
            timers: TimerQueue::new(Arc::clone(&still))?,
            boot_id: random_bytes(),
            generation: AtomicU64::new(0),
            signal_events: Arc::new(WaitQueue::new()),
            continued: Mutex::default(),
            shm: match roots.shm {
                None => TmpFs::unattached(Arc::clone(&memory_files)),
                Some((dev, next_ino)) => TmpFs::restored(dev, next_ino, Arc::clone(&memory_files)),
            },
            memory_files,
            lock_waits: LockWaits::default(),
            ttys: Arc::default(),
            unix: Arc::default(),
            inotify_users: Arc::default(),
            tracing: Tracing::default(),
            workers: Arc::default(),
            paused: AtomicBool::new(false),
            freezing: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            still,
            init: AtomicI32::new(0),
            tasks: AtomicUsize::new(0),
            tasks_refused: AtomicUsize::new(0),
            memory_kills: AtomicUsize::new(0),
            end: parking_lot::Mutex::new(None),
            ended: Condvar::new(),
            failure: OnceLock::new(),
        }))
    }

    /// The number of the first process.
    #[must_use]
    pub fn init_tgid(&self) -> i32 {
        self.init.load(Ordering::Relaxed)
    }

    /// Counts a new task.
    ///
    /// # Errors
    /// EAGAIN beyond the limit.
    pub(super) fn count_task(&self) -> Result<(), Errno> {
        let max = self.config.max_tasks;
        self.tasks
            .try_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < max).then_some(n + 1))
            .map(|_| ())
            .map_err(|_| {
                self.tasks_refused.fetch_add(1, Ordering::Relaxed);
                Errno::EAGAIN
            })
    }

    /// How many tasks were not started because of the limit.
    #[must_use]
    pub fn tasks_refused(&self) -> usize {
        self.tasks_refused.load(Ordering::Relaxed)
    }

    /// How many processes were killed for want of memory, and how many tasks not started because of the limit.
    pub(crate) fn refusals(&self) -> (usize, usize) {
        (self.memory_kills.load(Ordering::Relaxed), self.tasks_refused())
    }

    /// It has this first process, is paused or not, and had refused so many before it was saved.
    pub(crate) fn goes_on_with(&self, init: i32, paused: bool, kills: u64, tasks: u64, generation: u64) {
        self.init.store(init, Ordering::Relaxed);
        self.paused.store(paused, Ordering::SeqCst);
        self.generation.store(generation, Ordering::Relaxed);
        self.memory_kills.store(usize::try_from(kills).unwrap_or(usize::MAX), Ordering::Relaxed);
        self.tasks_refused.store(usize::try_from(tasks).unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// How often it was restored, itself and those before it (`/proc/sys/kernel/random/generation`): what programs that
    /// must not do the same as a copy of theirs can look at.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(super) fn uncount_task(&self) {
        self.tasks.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many tasks there are.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.load(Ordering::Relaxed)
    }

    /// What a process has used, its ended threads included.
    #[must_use]
    pub fn usage_of(&self, tg: &ThreadGroup) -> Usage {
        let accounts = self.tree.lock().accounts_of(tg);
        let (threads, mut sum) = accounts.unwrap_or_else(|| (Vec::new(), tg.past.lock().threads));
        for thread in threads {
            sum += thread.usage();
        }
        sum
    }

    /// The first process has ended: so does the sandbox.
    pub(super) fn init_ended(&self, status: i32, tree: &Tree) {
        let kill = stockade_abi::signal::SigInfo::new(SIGKILL, 0x80);
        for group in tree.groups.values().filter(|g| g.zombie.is_none()) {
            let _ = tree.send_group(group.tg.tgid, &kill);
        }
        self.end.lock().get_or_insert(status);
        self.ended.notify_all();
    }

    /// Ends everything, as if the first process had ended so; for a sandbox without one, too.
    pub fn shut_down(&self, status: i32) {
        self.init_ended(status, &self.tree.lock());
    }

    /// Ends everything, as it cannot go on.
    pub fn fail(&self, why: &str) {
        if self.note_failure(why) {
            self.shut_down(SIGKILL);
        }
    }

    /// Says why it cannot go on; false if something was said before.
    fn note_failure(&self, why: &str) -> bool {
        let is_first = self.failure.set(why.to_owned()).is_ok();
        if is_first {
            tracing::error!("{why}");
        }
        is_first
    }

    /// The image that it was restored from cannot be read: it cannot go on.
    pub(crate) fn lose_image(&self) {
        self.fail(LOST_IMAGE);
    }

    /// The same, for whoever holds locks and would have to give a guest what is gone: that does not see another error of
    /// the end of its sandbox. Returns only if the sentry has not ended for long.
    pub(crate) fn wait_without_image(&self) {
        if self.note_failure(LOST_IMAGE) {
            self.end.lock().get_or_insert(SIGKILL);
            self.ended.notify_all();
        }
        std::thread::sleep(LONGEST_END);
    }

    /// Why it could not go on, if that was so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Waits so long at most for the end of the first process; its status (wait(2)'s encoding).
    pub fn wait_for(&self, time: Duration) -> Option<i32> {
        let mut end = self.end.lock();
        self.ended.wait_while_for(&mut end, |end| end.is_none(), time);
        *end
    }

    /// Waits for the end of the first process and returns its status (wait(2)'s encoding).
    pub fn wait(&self) -> i32 {
        let mut end = self.end.lock();
        loop {
            if let Some(status) = *end {
                return status;
            }
            self.ended.wait(&mut end);
        }
    }

    /// Whether the first process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.lock().is_some()
    }
}
