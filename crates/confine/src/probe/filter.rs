//! A seccomp filter that somebody else put this process under (a container's), and what it refuses.

#![expect(unsafe_code, reason = "calls with arguments that do nothing")]

use super::Probe;
use super::child::Child;

const NAME: &str = "host calls that no inherited filter refuses";
const WHY: &str = "the sentry needs them, and guests' calls have to reach it";
const FIX: &str =
    "give the container a seccomp profile that allows them (docker: --security-opt seccomp=PROFILE)";

/// A call with arguments that make it fail before it does anything, in the way it does on a host that has it.
struct Trial(&'static str, libc::c_long, [libc::c_long; 6]);

/// What the sentry and its stubs cannot do without. Those that make namespaces and mounts are tried for real elsewhere.
static TRIALS: [Trial; 14] = [
    Trial("seccomp", libc::SYS_seccomp, [libc::SECCOMP_GET_NOTIF_SIZES as _, 0, 0, 0, 0, 0]),
    Trial("process_vm_readv", libc::SYS_process_vm_readv, [0, 0, 0, 0, 0, 1]),
    Trial("process_vm_writev", libc::SYS_process_vm_writev, [0, 0, 0, 0, 0, 1]),
    Trial("pidfd_open", libc::SYS_pidfd_open, [-1, 0, 0, 0, 0, 0]),
    Trial("pidfd_getfd", libc::SYS_pidfd_getfd, [-1, -1, 0, 0, 0, 0]),
    Trial("pidfd_send_signal", libc::SYS_pidfd_send_signal, [-1, 0, 0, 0, 0, 0]),
    Trial("openat2", libc::SYS_openat2, [-1, 0, 0, 0, 0, 0]),
    Trial("close_range", libc::SYS_close_range, [1, 0, 0, 0, 0, 0]),
    Trial("memfd_create", libc::SYS_memfd_create, [0, 0, 0, 0, 0, 0]),
    Trial("statx", libc::SYS_statx, [-1, 0, 0, 0, 0, 0]),
    Trial("prctl", libc::SYS_prctl, [libc::PR_GET_DUMPABLE as _, 0, 0, 0, 0, 0]),
    Trial("sigaltstack", libc::SYS_sigaltstack, [0, 0, 0, 0, 0, 0]),
    Trial("clone", libc::SYS_clone, [libc::CLONE_THREAD as _, 0, 0, 0, 0, 0]),
    Trial("unshare", libc::SYS_unshare, [0, 0, 0, 0, 0, 0]),
];

/// Whether this process is under a filter (prctl(2), PR_GET_SECCOMP). Under one that kills for the question, it is gone.
pub(super) fn is_inherited() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) == libc::SECCOMP_MODE_FILTER as libc::c_int }
}

pub(super) fn inherited() -> Probe {
    if !is_inherited() {
        return Probe::present(NAME, WHY, "no filter is inherited");
    }
    // In a child: a filter may kill for a call.
    let child = Child::start(0, |report| {
        for (index, Trial(_, nr, args)) in TRIALS.iter().enumerate() {
            report.say(-1);
            let [a, b, c, d, e, f] = *args;
            // SAFETY: the arguments are invalid for these calls or change nothing.
            let r = unsafe { libc::syscall(*nr, a, b, c, d, e, f) };
            // SAFETY: the C library's errno of this thread.
            let errno = unsafe { *libc::__errno_location() };
            let refused = r == -1 && matches!(errno, libc::EPERM | libc::ENOSYS | libc::EACCES);
            report.say(if refused { index as i32 } else { -2 });
        }
        report.say(-3);
    });
    let child = match child {
        Ok(child) => child,
        Err(error) => return Probe::missing(NAME, WHY, format!("fork failed: {error}"), FIX),
    };
    let (mut refused, mut tried) = (Vec::new(), 0);
    loop {
        match child.next() {
            Some(-1) => tried += 1,
            Some(-2) => {}
            Some(index) if index >= 0 => refused.push(TRIALS[index as usize].0),
            Some(_) => break,
            None => {
                // Killed for the last one.
                refused.extend(TRIALS.get(usize::wrapping_sub(tried, 1)).map(|trial| trial.0));
                break;
            }
        }
    }
    if refused.is_empty() {
        return Probe::present(NAME, WHY, "a filter is inherited, and allows what is needed");
    }
    Probe::missing(NAME, WHY, format!("the inherited seccomp filter refuses {}", refused.join(", ")), FIX)
}
