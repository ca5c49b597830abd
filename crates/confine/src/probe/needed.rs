//! Host calls without which no sandbox starts or lives: of the front, of the sentry before it locks itself down and after,
//! and of the stubs. What the sentry makes beyond these (`crate::seccomp`) serves what programs inside ask for.

use stockade_abi::nr;

macro_rules! numbers {
    ($($name:ident)*) => { &[$(nr::$name),*] };
}

pub(super) const NEEDED: &[u32] = numbers! {
    arch_prctl bind capget capset chdir clock_nanosleep clone close close_range dup2 eventfd2 exit exit_group
    fchdir fcntl flock fsconfig fsmount fsopen fstat fstatfs ftruncate futex getdents64 getegid geteuid getgid
    getgroups getpid getrandom gettid getuid ioctl kill madvise memfd_create mkdir mmap mount_setattr
    move_mount mprotect munmap newfstatat open open_tree openat openat2 pidfd_getfd pidfd_open pidfd_send_signal
    pipe2 pivot_root poll ppoll prctl pread64 preadv prlimit64 process_vm_readv process_vm_writev pwrite64 pwritev2 read
    readlink readlinkat recvmsg rename rt_sigaction rt_sigprocmask rt_sigreturn seccomp sendmsg sendto
    sethostname setresgid setresuid setsid setsockopt sigaltstack signalfd4 socket socketpair
    statx tgkill timerfd_create timerfd_settime umask umount2 uname unshare wait4 waitid write
};

/// Needed where there is Landlock.
pub(super) const LANDLOCK: &[u32] = numbers! { landlock_add_rule landlock_restrict_self };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_calls_with_names() {
        for list in [NEEDED, LANDLOCK] {
            assert!(list.iter().all(|&nr| nr::name(nr.into()).is_some()));
            assert!(list.is_sorted_by_key(|&nr| nr::name(nr.into())));
        }
    }
}
