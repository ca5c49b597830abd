//! The sentry's own seccomp filter: an allow-list with arguments checked. What it does not allow raises SIGSYS, of which
//! the crash report says which call it was; the sandbox ends.

#![expect(unsafe_code, reason = "installing a filter")]

mod compile;
mod requests;
mod rule;
mod table;

use std::fmt::Write as _;
use std::io;

use libc::sock_filter;
use stockade_abi::nr;

use crate::error::{Error, Step};
use rule::Verdict;
use table::TABLE;

/// Puts this process under the filter for good, and all that it starts. It needs no_new_privs.
///
/// # Errors
/// Another thread is under a filter that this one is not under, or the host refuses.
pub(crate) fn install() -> Result<(), Error> {
    put_under(&compile::compile(TABLE, std::process::id())).step("cannot install the sentry's seccomp filter")
}

/// The numbers of the calls that the sentry may make, whatever their arguments.
pub(crate) fn allowed() -> impl Iterator<Item = u32> {
    TABLE.iter().filter(|rule| !matches!(rule.verdict, Verdict::Fail(_))).map(|rule| rule.nr)
}

/// Allocates nothing.
fn put_under(program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // The sentry runs no code of guests: it need not pay for what keeps them from reading it speculatively.
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the program and its length belong together and live through the call, which only reads them.
    let r =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match r {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        // The id of a thread that is under another filter.
        _ => Err(io::Error::from_raw_os_error(libc::EBUSY)),
    }
}

/// What a call that was refused did wrong, in one line.
pub(crate) fn explain(number: u64, args: [u64; 6]) -> String {
    let name = nr::name(number).unwrap_or("unknown");
    let rule = TABLE.iter().find(|rule| u64::from(rule.nr) == number);
    let why = match rule {
        Some(rule) if matches!(rule.verdict, Verdict::When(_) | Verdict::WhenElse(..)) => {
            "is not allowed with these arguments"
        }
        Some(_) => "is allowed, but was not made as on x86-64",
        None => "is not in the sentry's list of host calls",
    };
    let mut line = format!("{name} (number {number}) {why}:");
    for arg in args {
        let _ = write!(line, " {arg:#x}");
    }
    if let Some(rule) = rule {
        let _ = write!(line, " (what it is allowed for: {})", rule.why);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains() {
        let args = [1, 0x5412, 0, 0, 0, 0];
        let ioctl = explain(16, args);
        let expected =
            "ioctl (number 16) is not allowed with these arguments: 0x1 0x5412 0x0 0x0 0x0 0x0 (what it";
        assert!(ioctl.starts_with(expected), "{ioctl}");
        assert!(explain(42, args).starts_with("connect (number 42) is not in the sentry's list"));
        assert!(explain(9999, args).starts_with("unknown (number 9999) is not in"));
    }

    /// Runs `call` in a forked child under the filter; its exit status, or the signal that ended it, negated.
    fn under_filter(call: fn() -> i32) -> i32 {
        let filter = compile::compile(TABLE, std::process::id());
        // SAFETY: the child makes plain system calls only, though other threads of the test may hold locks.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
                if put_under(&filter).is_err() {
                    libc::_exit(99);
                }
                libc::_exit(call());
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
        }
    }

    #[test]
    fn the_kernel_takes_it() {
        // SAFETY: plain system calls.
        let allowed = under_filter(|| unsafe { libc::getppid().min(1) });
        assert_eq!(allowed, 1);
        // SAFETY: as above.
        let refused = under_filter(|| unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) });
        assert_eq!(refused, -libc::SIGSYS);
        // SAFETY: as above; never gets to execute.
        let exec = under_filter(|| unsafe { libc::mprotect(std::ptr::null_mut(), 4096, libc::PROT_EXEC) });
        assert_eq!(exec, -libc::SIGSYS);
        // SAFETY: as above.
        // SAFETY: as above.
        let absolute = under_filter(|| unsafe {
            libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY);
            *libc::__errno_location()
        });
        assert_eq!(absolute, libc::ENOENT);
        // SAFETY: as above.
        let clone3 = under_filter(|| unsafe {
            libc::syscall(libc::SYS_clone3, 0, 0);
            *libc::__errno_location()
        });
        assert_eq!(clone3, libc::ENOSYS);
    }
}
