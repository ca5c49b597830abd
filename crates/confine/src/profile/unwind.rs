//! Walking the calling thread's stack.

#![expect(unsafe_code, reason = "unwinding, also in signal handlers")]

/// Writes return addresses into `into`, the innermost first, and says how many. In a handler, `at` is where the thread
/// was interrupted: frames further in are left out.
///
/// Allocates nothing and takes no lock that a signal may find taken: the unwinder finds its tables with
/// `_dl_find_object`, or on older C libraries under a lock that the same thread may take twice.
pub(super) fn walk(into: &mut [usize], at: Option<usize>) -> usize {
    let (mut count, mut is_skipping) = (0, at.is_some());
    if let (Some(at), Some(first)) = (at, into.first_mut()) {
        *first = at;
        count = 1;
    }
    // SAFETY: what this guards against is symbol resolution, of which there is none: the callback only stores numbers.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let ip = frame.ip().addr();
            if is_skipping {
                is_skipping = Some(ip) != at;
                return true;
            }
            // The outermost frame of a thread returns to nowhere.
            let Some(slot) = into.get_mut(count).filter(|_| ip != 0) else { return false };
            *slot = ip;
            count += 1;
            true
        });
    }
    count
}

/// Where a handler interrupted its thread.
#[cfg(target_arch = "x86_64")]
pub(super) fn interrupted_at(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

/// Where a handler interrupted its thread.
#[cfg(target_arch = "aarch64")]
pub(super) fn interrupted_at(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}
