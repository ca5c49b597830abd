//! System calls as strace(1) writes them, told to the log and to readers of events. Each has a filter of its own, which can
//! change at any time: a call under way is told to those whom its beginning was told.

pub mod event;
mod filter;
mod format;
mod log;
pub mod names;
mod persist;
mod queue;
mod structs;
mod watch;

pub use event::{End, Event, Record};
pub use filter::{Filter, UnknownCall, near};
pub(crate) use log::{ended, packet, signal};
pub use persist::TracingState;
pub use queue::{Batch, Queue};
pub use structs::Struct;
pub use watch::{Line, Watched};

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use stockade_abi::nr;
use stockade_platform::sync::RwLock;

use self::format::Pointees;
use self::watch::Watch;
use crate::syscalls::table::Syscall;
use crate::syscalls::{Args, Ctx, SysResult, carry_out};
use crate::task::Task;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// System calls, signals and ends.
    Strace,
    /// What sockets send and receive.
    Packets,
}

/// Where lines go: what about, the number of the task in its own PID namespace, and the line without an end.
pub type Output = Box<dyn Fn(Topic, u32, &str) + Send + Sync>;

/// Who is told of what.
#[derive(Default)]
pub struct Tracing {
    /// Whether anybody is told of calls. While it is false, they cost nothing but looking here.
    is_on: AtomicBool,
    /// Whether the log is told of what sockets send and receive.
    packets: AtomicBool,
    filters: RwLock<Filters>,
    output: OnceLock<Output>,
    queue: Arc<Queue>,
    watch: Watch,
}

#[derive(Default)]
struct Filters {
    log: Filter,
    events: Filter,
    /// Whether somebody reads events.
    has_reader: bool,
}

impl Tracing {
    /// Where lines go from now on; only the first counts.
    pub fn set_output(&self, output: Output) {
        let _ = self.output.set(output);
    }

    /// Which calls the log is told of, from now on.
    pub fn set_log(&self, filter: Filter) {
        self.change(|filters| filters.log = filter);
    }

    /// Which calls readers of events are told of, from now on.
    pub fn set_events(&self, filter: Filter) {
        self.change(|filters| filters.events = filter);
    }

    /// Whether there is somebody who reads events: without, none are made.
    pub fn set_has_reader(&self, has_reader: bool) {
        self.change(|filters| filters.has_reader = has_reader);
    }

    /// Whether the log is told of what sockets send and receive, from now on.
    pub fn set_packets(&self, on: bool) {
        self.packets.store(on, Ordering::Relaxed);
    }

    /// What the log is told of.
    #[must_use]
    pub fn log(&self) -> Filter {
        self.filters.read().log.clone()
    }

    /// What readers of events are told of.
    #[must_use]
    pub fn events(&self) -> Filter {
        self.filters.read().events.clone()
    }

    /// Whether somebody reads events.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        self.filters.read().has_reader
    }

    /// Whether the log is told of what sockets send and receive.
    #[must_use]
    pub fn packets(&self) -> bool {
        self.packets.load(Ordering::Relaxed)
    }

    /// Where events are read.
    #[must_use]
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    fn change(&self, change: impl FnOnce(&mut Filters)) {
        let mut filters = self.filters.write();
        change(&mut filters);
        let is_on = filters.log != Filter::None || (filters.has_reader && filters.events != Filter::None);
        self.is_on.store(is_on || self.watch.is_on(), Ordering::Relaxed);
    }

    /// Whether anybody is told of calls.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// The latest lines of a process (its number in the root PID namespace) from the given number on: they are kept while
    /// somebody asks, every few seconds at least, of one process at a time.
    pub fn watch(&self, pid: i32, since: u64) -> Watched {
        let watched = self.watch.ask(pid, since);
        self.change(|_| ());
        watched
    }

    /// Whether lines of this process are kept.
    #[must_use]
    pub fn watches(&self, pid: i32) -> bool {
        pid != 0 && self.watch.pid() == pid
    }

    /// Whether the log and readers of events are told of this call.
    fn wanted(&self, task: &Task, number: u64) -> (Readers, bool) {
        let filters = self.filters.read();
        let readers = Readers { log: filters.log.wants(number), watch: self.watch.wants(task) };
        (readers, filters.has_reader && filters.events.wants(number))
    }

    fn tell(&self, topic: Topic, pid: i32, line: &str) {
        if let Some(output) = self.output.get() {
            output(topic, pid.unsigned_abs(), line);
        }
    }

    fn tell_readers(&self, task: &Task, readers: Readers, line: &str) {
        if readers.log {
            self.tell(Topic::Strace, task.local_tid(), line);
        }
        if readers.watch && !self.watch.keep(task.tid(), line) {
            self.change(|_| ());
        }
    }
}

/// Who is told lines.
#[derive(Clone, Copy)]
struct Readers {
    log: bool,
    /// Who looks at this process.
    watch: bool,
}

impl Readers {
    fn are_there(self) -> bool {
        self.log || self.watch
    }
}

/// The call's name.
fn name(number: u64, entry: Option<&'static Syscall>) -> Cow<'static, str> {
    match entry.map(|e| e.name).or_else(|| nr::name(number)) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("syscall_{number:#x}")),
    }
}

/// Carries a call out, and tells whoever wants to know.
pub(crate) fn traced(ctx: &mut Ctx, number: u64, args: &Args, entry: Option<&'static Syscall>) -> SysResult {
    let (readers, to_events) = ctx.task.kernel.tracing.wanted(&ctx.task, number);
    if !readers.are_there() && !to_events {
        return carry_out(ctx, number, args, entry);
    }
    // What a call gives is looked at before it is made, what it takes afterwards, in the same memory: exec has another.
    let memory = Arc::clone(&ctx.mm);
    let mut pointees = Pointees::given(&memory, args, entry);
    let event = to_events.then(|| Event::begin(&ctx.task, number, args, entry, pointees.clone()));
    let never_returns = matches!(name(number, entry).as_ref(), "exit" | "exit_group" | "rt_sigreturn");
    if never_returns {
        if readers.are_there() {
            log::call(ctx, readers, number, args, entry, &pointees, None);
        }
        if let Some(event) = event {
            ctx.task.kernel.tracing.queue.push(event);
        }
        return carry_out(ctx, number, args, entry);
    }
    let ending = event.map(|event| {
        let ending = event.ending();
        ctx.task.kernel.tracing.queue.push(event);
        ending
    });
    let begun = Instant::now();
    let result = carry_out(ctx, number, args, entry);
    let took = begun.elapsed();
    if let Ok(value) = result {
        pointees.add_taken(&memory, args, entry, value);
    }
    drop(memory);
    if readers.are_there() {
        log::call(ctx, readers, number, args, entry, &pointees, Some((result, took)));
    }
    if let Some(ending) = ending {
        ctx.task.kernel.tracing.queue.push(ending.ended(pointees, result, took));
    }
    result
}
