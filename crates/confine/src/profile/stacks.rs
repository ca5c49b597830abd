//! The stacks of all threads of the sentry, at about one moment.

#![expect(unsafe_code, reason = "signals to threads, and unwinding in their handlers")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, openat};

use super::channel::Sample;
use super::cpu;

/// Threads that are looked at.
const MAX_THREADS: usize = 16 << 10;

/// How long a thread may take to answer. One that the host stops for itself does not.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is asked for, and of whom; null once that thread has taken it.
static WANTED: AtomicPtr<Sample> = AtomicPtr::new(ptr::null_mut());
static OF: AtomicI32 = AtomicI32::new(0);
static IS_ANSWERED: AtomicBool = AtomicBool::new(false);

/// A thread of the sentry.
#[derive(Clone, Debug)]
pub struct ThreadStack {
    /// Its id in the sentry's PID namespace.
    pub tid: i32,
    /// Whether it waits, for the host: it neither ran nor was about to.
    pub sleeps: bool,
    /// What it does; none if it did not answer in time.
    pub sample: Option<Sample>,
}

/// Asks every thread of this process for its stack, one after the other. `proc` is a procfs of its PID namespace.
///
/// # Errors
/// If the threads cannot be listed.
pub fn thread_stacks(proc: impl AsFd) -> io::Result<Vec<ThreadStack>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    cpu::handle_signal()?;
    let mut tids = list(&proc)?;
    tids.sort_unstable();
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    let look = |tid| {
        let sleeps = tid != own && is_asleep(&proc, tid);
        let sample = if tid == own { Some(own_stack()) } else { ask(tid) };
        // One that has ended meanwhile is none.
        (sample.is_some() || state(&proc, tid).is_some()).then_some(ThreadStack { tid, sleeps, sample })
    };
    Ok(tids.into_iter().filter_map(look).collect())
}

fn own_stack() -> Sample {
    let mut sample = Sample::empty();
    sample.take(0, None);
    sample
}

fn ask(tid: i32) -> Option<Sample> {
    let mut sample = Box::new(Sample::empty());
    IS_ANSWERED.store(false, Ordering::SeqCst);
    OF.store(tid, Ordering::SeqCst);
    WANTED.store(&raw mut *sample, Ordering::SeqCst);
    // SAFETY: no pointers; the signal has a handler.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGPROF) } == 0;
    let begun = Instant::now();
    while sent && !IS_ANSWERED.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
        if begun.elapsed() < Duration::from_micros(200) {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    if WANTED.swap(ptr::null_mut(), Ordering::SeqCst).is_null() {
        // It has begun to write, and needs nobody to go on.
        while !IS_ANSWERED.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        return Some(*sample);
    }
    None
}

/// In the handler: answers if this thread is asked.
pub(super) fn answer(at: Option<usize>) {
    // SAFETY: no pointers.
    if OF.load(Ordering::SeqCst) != unsafe { libc::gettid() } {
        return;
    }
    let wanted = WANTED.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: who asks keeps it until it has taken the pointer back or is answered.
    if let Some(sample) = unsafe { wanted.as_mut() } {
        sample.take(0, at);
        IS_ANSWERED.store(true, Ordering::SeqCst);
    }
}

fn list(proc: impl AsFd) -> io::Result<Vec<i32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tasks: OwnedFd = openat(proc, "self/task", flags, Mode::empty())?;
    let mut tids = Vec::new();
    for entry in Dir::new(tasks)? {
        if let Some(tid) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok())
            && tids.len() < MAX_THREADS
        {
            tids.push(tid);
        }
    }
    Ok(tids)
}

/// The letter of proc_pid_stat(5).
fn state(proc: impl AsFd, tid: i32) -> Option<u8> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(proc, format!("self/task/{tid}/stat"), flags, Mode::empty()).ok()?;
    let mut text = [0; 256];
    let n = rustix::io::read(&file, &mut text).ok()?;
    let text = text.get(..n)?;
    // The name before it may hold anything.
    let end = text.iter().rposition(|&byte| byte == b')')?;
    text.get(end + 2).copied()
}

fn is_asleep(proc: impl AsFd, tid: i32) -> bool {
    matches!(state(proc, tid), Some(b'S' | b'D'))
}
