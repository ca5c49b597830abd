//! Access to the memory of stubs (ptrace(2), "Ptrace access mode checking").

#![expect(unsafe_code, reason = "process_vm_readv, and a child to try it on")]

use super::Probe;
use super::child::Child;

const NAME: &str = "access to memory of child processes";
const WHY: &str = "system call arguments are read from guest memory";

/// Reads a child's memory as the sentry does: the child is in a user namespace that this process made.
pub(super) fn access() -> Probe {
    static SECRET: u64 = 0x5ec2_e7c0_ffee_0001;
    let child = Child::start(libc::CLONE_NEWUSER, |report| {
        report.say(0);
        // SAFETY: waits to be killed.
        unsafe { libc::pause() };
    });
    let child = match child {
        Ok(child) => child,
        Err(error) => return Probe::missing(NAME, WHY, format!("no process to try it on: {error}"), ""),
    };
    if child.next().is_none() {
        return Probe::missing(NAME, WHY, "the process to try it on died", "");
    }
    let mut copy = 0u64;
    let local = libc::iovec { iov_base: (&raw mut copy).cast(), iov_len: 8 };
    let remote = libc::iovec { iov_base: (&raw const SECRET).cast_mut().cast(), iov_len: 8 };
    // SAFETY: writes eight bytes to `copy`; what it reads is the other process's.
    let n = unsafe { libc::process_vm_readv(child.pid, &raw const local, 1, &raw const remote, 1, 0) };
    if n == 8 && copy == SECRET {
        return Probe::present(NAME, WHY, "process_vm_readv works");
    }
    let error = std::io::Error::last_os_error();
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let (cause, fix) = match (yama.trim(), error.raw_os_error()) {
        ("3", _) => {
            (", Yama forbids it to everyone (kernel.yama.ptrace_scope=3)", "set it to 2 or less and reboot")
        }
        ("2", _) => (", Yama forbids it (kernel.yama.ptrace_scope=2)", "`sysctl kernel.yama.ptrace_scope=1`"),
        (_, Some(libc::ENOSYS)) => {
            ("", "use a kernel with CONFIG_CROSS_MEMORY_ATTACH, or a container that permits it")
        }
        _ => ("", "in a container, permit process_vm_readv (docker: --cap-add SYS_PTRACE)"),
    };
    Probe::missing(NAME, WHY, format!("process_vm_readv failed: {error}{cause}"), fix)
}
