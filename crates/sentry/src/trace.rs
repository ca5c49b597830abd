//! What tasks do and when, for whoever writes a trace: their calls, how they wait in them, when their guest code runs, and
//! faults. Nobody waits for the writer: what finds no room is lost, and counted.

use std::sync::atomic::{AtomicBool, Ordering};

use stockade_platform::sync::Mutex;

use crate::observe::{self, TRACE};
use crate::syscalls::SysResult;
use crate::task::{self, Kernel, Task};

/// Records that wait for the writer at most.
const MAX_RECORDS: usize = 64 << 10;

/// Something that a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, in nanoseconds of the monotonic clock.
    pub at: u64,
    /// Its process, by the number of the root PID namespace.
    pub pid: i32,
    /// Itself.
    pub tid: i32,
    /// What.
    pub what: What,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It has this name (`comm`), filled up with zero bytes, from now on.
    Name([u8; 16]),
    /// It makes a call, with this number.
    Call(u64),
    /// The call has ended.
    Called(u64, SysResult),
    /// It begins to wait, within a call.
    Wait,
    /// It goes on.
    Woken,
    /// Its guest code has run, or could have, since then; now this processor goes on for it.
    Ran(u64, u32),
    /// Its guest code has met a fault that the kernel had to see to: a signal, and the address.
    Fault(i32, u64),
    /// It has ended.
    Ended,
}

struct Records {
    is_on: bool,
    waiting: Vec<Record>,
    lost: u64,
}

static RECORDS: Mutex<Records> = Mutex::new(Records { is_on: false, waiting: Vec::new(), lost: 0 });

/// The one who writes. Recording goes on for as long as it lives.
pub struct Reader {
    /// Another one may have begun since.
    is_over: AtomicBool,
}

impl Reader {
    /// Begins to record; none if somebody does already. The first records name the tasks that there are.
    #[must_use]
    pub fn start(kernel: &Kernel) -> Option<Self> {
        {
            let mut records = RECORDS.lock();
            if records.is_on {
                return None;
            }
            *records = Records { is_on: true, waiting: Vec::new(), lost: 0 };
        }
        observe::want(TRACE);
        let tasks: Vec<_> = kernel.tree.lock().tasks.values().cloned().collect();
        for task in tasks {
            name(&task);
        }
        Some(Self { is_over: AtomicBool::new(false) })
    }

    /// Takes all that waits into `records`, which is emptied first; says how many were lost after these.
    pub fn take(&self, records: &mut Vec<Record>) -> u64 {
        records.clear();
        let mut shared = RECORDS.lock();
        std::mem::swap(&mut shared.waiting, records);
        std::mem::take(&mut shared.lost)
    }

    /// Nothing more is recorded; what has been can still be taken.
    pub fn stop(&self) {
        if !self.is_over.load(Ordering::Acquire) {
            observe::want_no_more(TRACE);
        }
    }

    /// Ends it, as dropping it does: another one can begin.
    pub fn end(&self) {
        let mut records = RECORDS.lock();
        if !self.is_over.swap(true, Ordering::AcqRel) {
            observe::want_no_more(TRACE);
            *records = Records { is_on: false, waiting: Vec::new(), lost: 0 };
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end();
    }
}

/// The time now, on the clock of records.
#[must_use]
pub fn now() -> u64 {
    observe::now()
}

fn push(task: &Task, at: u64, what: What) {
    let record = Record { at, pid: task.tg.tgid, tid: task.tid(), what };
    let mut records = RECORDS.lock();
    if !records.is_on {
    } else if records.waiting.len() < MAX_RECORDS {
        records.waiting.push(record);
    } else {
        records.lost += 1;
    }
}

/// A task has a name from now on.
pub(crate) fn name(task: &Task) {
    if observe::wanted() & TRACE != 0 {
        push(task, observe::now(), What::Name(crate::diagnosis::command(task)));
    }
}

pub(crate) fn call(task: &Task, at: u64, number: u64) {
    push(task, at, What::Call(number));
}

pub(crate) fn called(task: &Task, at: u64, number: u64, result: SysResult) {
    push(task, at, What::Called(number, result));
}

/// The guest code of a task could run since then.
pub(crate) fn ran(task: &Task, since: u64) {
    let cpu = rustix::thread::sched_getcpu();
    push(task, observe::now(), What::Ran(since, u32::try_from(cpu).unwrap_or(u32::MAX)));
}

#[cold]
fn fault_observed(task: &Task, signo: i32, address: u64) {
    push(task, observe::now(), What::Fault(signo, address));
}

/// The guest code of a task has met a fault.
pub(crate) fn fault(task: &Task, signo: i32, address: u64) {
    if observe::wanted() & TRACE != 0 {
        fault_observed(task, signo, address);
    }
}

/// A task has ended.
pub(crate) fn ended(task: &Task) {
    if observe::wanted() & TRACE != 0 {
        push(task, observe::now(), What::Ended);
    }
}

/// Runs `wait`, in which the calling thread waits.
#[inline]
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let Some(begun) = observe::now_if_traced() else { return wait() };
    let Some(task) = task::current() else { return wait() };
    push(&task, begun, What::Wait);
    let result = wait();
    push(&task, observe::now(), What::Woken);
    result
}
