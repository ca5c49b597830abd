//! Stacks of threads.

#![expect(unsafe_code, reason = "signals to threads, and unwinding in their handlers")]

use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::call;
use super::handler::own_tid;
use super::out::line;

/// The signal that makes a thread write its stack: one that nothing else sends.
pub(super) const SHOW: i32 = libc::SIGPWR;

/// Threads whose stacks are shown, and frames of each.
const MAX_THREADS: usize = 128;
const MAX_FRAMES: usize = 64;

/// Milliseconds that a thread may take to answer.
const PATIENCE: u32 = 50;

/// A proc directory that lists this process's threads; negative if there is none.
static PROC: AtomicI32 = AtomicI32::new(-1);

/// Counts the threads that have written their stacks.
static SHOWN: AtomicU32 = AtomicU32::new(0);

/// Has reports show all threads: `proc` is a procfs of this PID namespace.
pub(crate) fn show_threads(proc: OwnedFd) {
    PROC.store(proc.into_raw_fd(), Ordering::SeqCst);
}

/// Writes the calling thread's stack, from where `at` is on if that is found in it.
pub(super) fn write_own(tid: i32, call: &str, at: Option<usize>) {
    line!("thread {tid}, serving {call}:");
    let (mut left, mut skipping) = (MAX_FRAMES, at.is_some());
    if let Some(at) = at {
        line!("  {at:#x}");
    }
    // SAFETY: no other thread unwinds through this library: they are stopped in handlers, or take turns.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let ip = frame.ip().addr();
            if skipping {
                // The frames of the handler come first; the frame of the fault has been written.
                skipping = Some(ip) != at;
                return true;
            }
            line!("  {ip:#x}");
            left -= 1;
            left > 0
        });
    }
    if skipping {
        line!("  the rest of the stack cannot be walked");
    }
}

/// Has every other thread write its stack, one after the other.
pub(super) fn write_others(own: i32) {
    let proc = PROC.load(Ordering::SeqCst);
    if proc < 0 {
        return;
    }
    let mut tids = [0; MAX_THREADS];
    let (listed, more) = list(proc, &mut tids);
    // SAFETY: no pointers.
    let process = unsafe { libc::getpid() };
    for &tid in listed.iter().filter(|&&tid| tid != own) {
        let before = SHOWN.load(Ordering::SeqCst);
        // SAFETY: no pointers; the signal has a handler.
        if unsafe { libc::syscall(libc::SYS_tgkill, process, tid, SHOW) } != 0 {
            continue;
        }
        let mut waited = 0;
        while SHOWN.load(Ordering::SeqCst) == before && waited < PATIENCE {
            let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            // SAFETY: reads a local.
            unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
            waited += 1;
        }
        if waited == PATIENCE {
            line!("thread {tid} does not answer");
        }
    }
    if more {
        line!("more threads are not shown");
    }
}

/// The handler of [`SHOW`]: writes, and holds the thread until the process ends.
pub(super) extern "C" fn on_show(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    write_own(own_tid(), call::current(), None);
    SHOWN.fetch_add(1, Ordering::SeqCst);
    loop {
        // SAFETY: waits; all signals are blocked.
        unsafe { libc::pause() };
    }
}

/// Reads the ids of this process's threads into `tids`; whether there are more.
fn list(proc: i32, tids: &mut [i32; MAX_THREADS]) -> (&[i32], bool) {
    /// Aligned for `linux_dirent64`.
    #[repr(C, align(8))]
    struct Buffer([u8; 512]);
    let mut buffer = Buffer([0; 512]);
    let mut count = 0;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a C string, relative to a directory.
    let dir = unsafe { libc::openat(proc, c"self/task".as_ptr(), flags) };
    loop {
        let room = size_of_val(&buffer.0);
        // SAFETY: fills at most `room` bytes of the buffer.
        let n = unsafe { libc::syscall(libc::SYS_getdents64, dir, buffer.0.as_mut_ptr(), room) };
        let Ok(n @ 1..) = usize::try_from(n) else { return (&tids[..count], false) };
        let mut rest = buffer.0.get(..n).unwrap_or_default();
        // Inode, offset, length of the record, type, name.
        while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, _, name @ ..] = rest {
            if let Some(tid) = number(name) {
                let Some(slot) = tids.get_mut(count) else { return (&tids[..count], true) };
                *slot = tid;
                count += 1;
            }
            rest = rest.get(usize::from(u16::from_ne_bytes([*low, *high])).max(1)..).unwrap_or_default();
        }
    }
}

/// A decimal number up to a zero byte; None for anything else (`.` and `..`).
fn number(name: &[u8]) -> Option<i32> {
    let mut digits = name.iter().take_while(|&&byte| byte != 0).peekable();
    digits.peek()?;
    digits.try_fold(0i32, |sum, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit as i32)
    })
}
