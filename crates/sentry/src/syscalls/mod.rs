//! System calls: the one table, and a thin handler for each.

mod adjtimex;
mod clock_id;
pub(crate) mod control;
mod copy;
pub mod counts;
mod events;
mod fd;
pub(crate) mod futex;
mod ids;
mod inotify;
mod ioprio;
mod itimer;
mod lock;
mod membarrier;
mod memfd;
mod memory;
mod message;
mod mount;
mod names;
mod namespaces;
mod open;
mod patience;
mod policy;
pub(crate) mod poll;
mod posix_timer;
mod prctl;
mod process;
pub(crate) mod restart;
mod rlimit;
mod rw;
mod sched;
mod signal;
mod signalfd;
pub(crate) mod sleep;
mod socket;
mod splice;
mod stat;
pub(crate) mod system;
pub mod table;
mod time;
mod timerfd;
pub mod times;
mod user;
mod xattr;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::GuestThread;

pub(crate) use self::patience::Kept;
use self::patience::Patience;
use crate::diagnosis;
use crate::mm::MemoryManager;
use crate::observe;
use crate::task::Task;
use crate::task::exec::Image;
use crate::vfs::FdTable;

/// The arguments of a call, as in the registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args(pub [u64; 6]);

impl Args {
    /// An argument of 64 bits.
    #[must_use]
    pub fn u64(&self, index: usize) -> u64 {
        self.0[index]
    }

    /// An `int` argument: its lower half.
    #[must_use]
    pub fn i32(&self, index: usize) -> i32 {
        self.0[index] as i32
    }

    /// An `unsigned` argument: its lower half.
    #[must_use]
    pub fn u32(&self, index: usize) -> u32 {
        self.0[index] as u32
    }

    /// A signed argument of 64 bits.
    #[must_use]
    pub fn i64(&self, index: usize) -> i64 {
        self.0[index] as i64
    }
}

/// What a call gives: what goes into rax, or why not.
pub type SysResult = Result<u64, Errno>;

/// What a handler does.
pub type Handler = fn(&mut Ctx, &Args) -> SysResult;

/// What follows a call.
#[derive(Default)]
pub enum Flow {
    /// The guest goes on after it, with its result.
    #[default]
    Return,
    /// The registers are what the handler made them (rt_sigreturn(2)).
    Restored,
    /// The task ends with this code.
    Exit(i32),
    /// Another program runs.
    Exec(Box<Image>),
}

impl PartialEq for Flow {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Return, Self::Return))
    }
}

/// A task in a call: what handlers use often is at hand without a lock.
pub struct Ctx {
    /// Who calls.
    pub task: Arc<Task>,
    /// Its memory.
    pub mm: Arc<MemoryManager>,
    /// Its descriptors.
    pub files: Arc<FdTable>,
    /// What follows the call.
    pub flow: Flow,
    /// Whether the guest thread is stopped, so that its registers are known.
    pub(crate) stopped: bool,
    /// Whether the guest thread is no more.
    pub(crate) dead: bool,
    /// How long its calls wait.
    pub(crate) patience: Patience,
    thread: Box<dyn GuestThread>,
}

impl Ctx {
    /// A task about to be served.
    #[must_use]
    pub fn new(
        task: Arc<Task>,
        mm: Arc<MemoryManager>,
        files: Arc<FdTable>,
        thread: Box<dyn GuestThread>,
    ) -> Self {
        Self {
            task,
            mm,
            files,
            flow: Flow::Return,
            stopped: true,
            dead: false,
            patience: Patience::default(),
            thread,
        }
    }

    /// The guest thread.
    pub fn thread(&mut self) -> &mut dyn GuestThread {
        &mut *self.thread
    }

    pub(crate) fn set_thread(&mut self, thread: Box<dyn GuestThread>) {
        self.thread = thread;
    }
}

/// Carries a call out.
pub fn dispatch(ctx: &mut Ctx, number: u64, args: &Args) -> SysResult {
    counts::note(number);
    ctx.patience.begin();
    let entry = usize::try_from(number).ok().and_then(|n| table::BY_NUMBER.get(n)).copied().flatten();
    let observed = observe::begin(&ctx.task, number);
    let result = if ctx.task.kernel.tracing.is_on() {
        crate::strace::traced(ctx, number, args, entry)
    } else {
        carry_out(ctx, number, args, entry)
    };
    if let Some(observed) = observed {
        observed.end(&ctx.task, result);
    }
    result
}

/// Carries a call out, its table entry known.
pub(crate) fn carry_out(
    ctx: &mut Ctx,
    number: u64,
    args: &Args,
    entry: Option<&'static table::Syscall>,
) -> SysResult {
    match entry {
        Some(entry) => diagnosis::during(&entry.name, || (entry.handler)(ctx, args)),
        None => {
            table::note_unsupported(number);
            Err(Errno::ENOSYS)
        }
    }
}
