//! The one table of system calls: number, name, arguments, handler, and how well it is supported.
//!
//! Dispatch, strace and `docs/syscalls.md` all read it. A call that is not in it answers ENOSYS.

use std::sync::atomic::{AtomicU64, Ordering};

use stockade_abi::nr;

use crate::strace::Struct;
use crate::strace::names::{self as f, Names};

use super::{
    Handler, adjtimex, copy, events, fd, futex, ids, inotify, ioprio, itimer, lock, membarrier, memfd,
    memory, message, mount, names, namespaces, open, policy, poll, posix_timer, prctl, process, restart,
    rlimit, rw, sched, signal, signalfd, sleep, socket, splice, stat, system, time, timerfd, xattr,
};

/// What an argument is, for strace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A descriptor.
    Fd,
    /// A descriptor of a directory, or AT_FDCWD.
    DirFd,
    /// A path in guest memory.
    Path,
    /// Bytes given; the next argument says how many.
    InBuf,
    /// Bytes taken; the result says how many.
    OutBuf,
    /// An address.
    Ptr,
    /// A vector of strings.
    Argv,
    /// The strings of an environment, of which the count is shown.
    Envp,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// Bits without names.
    Hex,
    /// A count of bytes.
    Size,
    /// Permission bits.
    Mode,
    /// open(2)'s flags.
    OpenFlags,
    /// mmap(2)'s access.
    Prot,
    /// mmap(2)'s flags.
    MmapFlags,
    /// A signal.
    Signal,
    /// Flags with names.
    Flags(&'static Names),
    /// One of several values with names.
    Choice(&'static Names),
    /// futex(2)'s operation.
    FutexOp,
    /// clone(2)'s flags, and a signal.
    CloneFlags,
    /// A structure that is given.
    In(Struct),
    /// A structure that is taken.
    Out(Struct),
    /// A structure that is given, and changed.
    InOut(Struct),
}

/// How well a call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All of it.
    Full,
    /// What is missing.
    Partial(&'static str),
}

/// A system call.
pub struct Syscall {
    /// Number.
    pub nr: u32,
    /// Name.
    pub name: &'static str,
    /// Its arguments.
    pub args: &'static [Kind],
    /// What carries it out.
    pub handler: Handler,
    /// How well.
    pub support: Support,
}

const fn full(nr: u32, name: &'static str, args: &'static [Kind], handler: Handler) -> Syscall {
    Syscall { nr, name, args, handler, support: Support::Full }
}

const fn partial(
    nr: u32,
    name: &'static str,
    args: &'static [Kind],
    handler: Handler,
    missing: &'static str,
) -> Syscall {
    Syscall { nr, name, args, handler, support: Support::Partial(missing) }
}

use Kind::{
    Argv, Choice, CloneFlags, DirFd, Envp, Fd, Flags, FutexOp, Hex, In, InBuf, InOut, Int, MmapFlags, Mode,
    OpenFlags, Out, OutBuf, Path, Prot, Ptr, Signal, Size, Uint,
};
use Struct::{
    EpollEvent, EpollEvents, Iovecs, Itimerspec, Itimerval, OpenHow, Pair, Pollfds, Rlimit, Sigaction,
    Sigset, Sockaddr, Stat, Text, Timespec, Timeval, WaitStatus,
};

/// All supported calls, by number.
#[rustfmt::skip]
pub static TABLE: &[Syscall] = &[
    full(0, "read", &[Fd, OutBuf, Size], rw::read),
    full(1, "write", &[Fd, InBuf, Size], rw::write),
    full(2, "open", &[Path, OpenFlags, Mode], open::open),
    full(3, "close", &[Fd], fd::close),
    full(4, "stat", &[Path, Out(Stat)], stat::stat),
    full(5, "fstat", &[Fd, Out(Stat)], stat::fstat),
    full(6, "lstat", &[Path, Out(Stat)], stat::lstat),
    full(7, "poll", &[InOut(Pollfds), Uint, Int], poll::poll),
    full(8, "lseek", &[Fd, Int, Choice(f::WHENCE)], rw::lseek),
    partial(9, "mmap", &[Ptr, Size, Prot, MmapFlags, Fd, Hex], memory::mmap, "huge pages"),
    full(10, "mprotect", &[Ptr, Size, Prot], memory::mprotect),
    full(11, "munmap", &[Ptr, Size], memory::munmap),
    full(12, "brk", &[Ptr], memory::brk),
    full(13, "rt_sigaction", &[Signal, In(Sigaction), Out(Sigaction), Size], signal::rt_sigaction),
    full(14, "rt_sigprocmask", &[Choice(f::SIGMASK), In(Sigset), Out(Sigset), Size], signal::rt_sigprocmask),
    full(15, "rt_sigreturn", &[], signal::rt_sigreturn),
    partial(16, "ioctl", &[Fd, Hex, Ptr], fd::ioctl, "as the file has them"),
    full(17, "pread64", &[Fd, OutBuf, Size, Int], rw::pread64),
    full(18, "pwrite64", &[Fd, InBuf, Size, Int], rw::pwrite64),
    full(19, "readv", &[Fd, Out(Iovecs), Uint], rw::readv),
    full(20, "writev", &[Fd, In(Iovecs), Uint], rw::writev),
    full(21, "access", &[Path, Flags(f::ACCESS)], stat::access),
    full(22, "pipe", &[Out(Pair)], system::pipe),
    full(23, "select", &[Int, Ptr, Ptr, Ptr, Ptr], poll::select),
    full(24, "sched_yield", &[], sched::sched_yield),
    full(25, "mremap", &[Ptr, Size, Size, Flags(f::MREMAP), Ptr], memory::mremap),
    full(26, "msync", &[Ptr, Size, Flags(f::MSYNC)], memory::msync),
    full(27, "mincore", &[Ptr, Size, Ptr], memory::mincore),
    partial(28, "madvise", &[Ptr, Size, Choice(f::MADVISE)], memory::madvise, "no merging, no poisoning"),
    full(32, "dup", &[Fd], fd::dup),
    full(33, "dup2", &[Fd, Fd], fd::dup2),
    full(34, "pause", &[], signal::pause),
    full(35, "nanosleep", &[In(Timespec), Out(Timespec)], sleep::nanosleep),
    full(36, "getitimer", &[Choice(f::ITIMER), Out(Itimerval)], itimer::getitimer),
    full(37, "alarm", &[Uint], itimer::alarm),
    full(38, "setitimer", &[Choice(f::ITIMER), In(Itimerval), Out(Itimerval)], itimer::setitimer),
    full(39, "getpid", &[], process::getpid),
    full(40, "sendfile", &[Fd, Fd, Ptr, Size], copy::sendfile),
    partial(41, "socket", &[Choice(f::FAMILY), Flags(f::SOCKET), Int], socket::socket, "AF_UNIX only"),
    full(42, "connect", &[Fd, In(Sockaddr), Uint], socket::connect),
    full(43, "accept", &[Fd, Out(Sockaddr), Ptr], socket::accept),
    partial(44, "sendto", &[Fd, InBuf, Size, Flags(f::MSG), In(Sockaddr), Uint], message::sendto, "no out-of-band data"),
    partial(45, "recvfrom", &[Fd, OutBuf, Size, Flags(f::MSG), Ptr, Ptr], message::recvfrom, "no out-of-band data"),
    partial(46, "sendmsg", &[Fd, Ptr, Flags(f::MSG)], message::sendmsg, "no out-of-band data"),
    partial(47, "recvmsg", &[Fd, Ptr, Flags(f::MSG)], message::recvmsg, "no out-of-band data"),
    full(48, "shutdown", &[Fd, Choice(f::SHUTDOWN)], socket::shutdown),
    full(49, "bind", &[Fd, In(Sockaddr), Uint], socket::bind),
    full(50, "listen", &[Fd, Int], socket::listen),
    full(51, "getsockname", &[Fd, Out(Sockaddr), Ptr], socket::getsockname),
    full(52, "getpeername", &[Fd, Out(Sockaddr), Ptr], socket::getpeername),
    partial(53, "socketpair", &[Choice(f::FAMILY), Flags(f::SOCKET), Int, Out(Pair)], socket::socketpair, "AF_UNIX only"),
    partial(54, "setsockopt", &[Fd, Int, Int, Ptr, Uint], socket::setsockopt, "no filters, no time stamps"),
    partial(55, "getsockopt", &[Fd, Int, Int, Ptr, Ptr], socket::getsockopt, "no filters, no time stamps"),
    partial(56, "clone", &[CloneFlags, Ptr, Ptr, Ptr, Ptr], process::clone, "no user, network, ipc namespaces"),
    full(57, "fork", &[], process::fork),
    full(58, "vfork", &[], process::vfork),
    full(59, "execve", &[Path, Argv, Envp], process::execve),
    full(60, "exit", &[Int], process::exit),
    full(61, "wait4", &[Int, Out(WaitStatus), Flags(f::WAIT), Ptr], process::wait4),
    full(62, "kill", &[Int, Signal], signal::kill),
    full(63, "uname", &[Ptr], system::uname),
    partial(72, "fcntl", &[Fd, Choice(f::FCNTL), Hex], fd::fcntl, "no leases, no F_NOTIFY, no hints"),
    full(73, "flock", &[Fd, Flags(f::FLOCK)], lock::flock),
    full(74, "fsync", &[Fd], fd::fsync),
    full(75, "fdatasync", &[Fd], fd::fdatasync),
    full(76, "truncate", &[Path, Int], names::truncate),
    full(77, "ftruncate", &[Fd, Int], fd::ftruncate),
    full(78, "getdents", &[Fd, Ptr, Uint], names::getdents),
    full(79, "getcwd", &[Out(Text), Size], stat::getcwd),
    full(80, "chdir", &[Path], stat::chdir),
    full(81, "fchdir", &[Fd], stat::fchdir),
    full(82, "rename", &[Path, Path], names::rename),
    full(83, "mkdir", &[Path, Mode], names::mkdir),
    full(84, "rmdir", &[Path], names::rmdir),
    full(85, "creat", &[Path, Mode], open::creat),
    full(86, "link", &[Path, Path], names::link),
    full(87, "unlink", &[Path], names::unlink),
    full(88, "symlink", &[Path, Path], names::symlink),
    full(89, "readlink", &[Path, Out(Text), Size], stat::readlink),
    full(90, "chmod", &[Path, Mode], names::chmod),
    full(91, "fchmod", &[Fd, Mode], names::fchmod),
    full(92, "chown", &[Path, Int, Int], names::chown),
    full(93, "fchown", &[Fd, Int, Int], names::fchown),
    full(94, "lchown", &[Path, Int, Int], names::lchown),
    full(95, "umask", &[Mode], stat::umask),
    full(96, "gettimeofday", &[Out(Timeval), Ptr], time::gettimeofday),
    full(97, "getrlimit", &[Choice(f::RLIMIT), Out(Rlimit)], rlimit::getrlimit),
    partial(98, "getrusage", &[Int, Ptr], time::getrusage, "no involuntary switches, no blocks read and written, no page faults and memory of the last 0.25 ms of a thread"),
    full(99, "sysinfo", &[Ptr], system::sysinfo),
    full(100, "times", &[Ptr], time::times),
    partial(101, "ptrace", &[Int, Int, Ptr, Ptr], system::not_permitted, "refused"),
    full(102, "getuid", &[], ids::getuid),
    partial(103, "syslog", &[Int, Ptr, Int], system::not_permitted, "refused"),
    full(104, "getgid", &[], ids::getgid),
    full(105, "setuid", &[Int], ids::setuid),
    full(106, "setgid", &[Int], ids::setgid),
    full(107, "geteuid", &[], ids::geteuid),
    full(108, "getegid", &[], ids::getegid),
    full(109, "setpgid", &[Int, Int], process::setpgid),
    full(110, "getppid", &[], process::getppid),
    full(111, "getpgrp", &[], process::getpgrp),
    full(112, "setsid", &[], process::setsid),
    full(113, "setreuid", &[Int, Int], ids::setreuid),
    full(114, "setregid", &[Int, Int], ids::setregid),
    full(115, "getgroups", &[Int, Ptr], ids::getgroups),
    full(116, "setgroups", &[Int, Ptr], ids::setgroups),
    full(117, "setresuid", &[Int, Int, Int], ids::setresuid),
    full(118, "getresuid", &[Ptr, Ptr, Ptr], ids::getresuid),
    full(119, "setresgid", &[Int, Int, Int], ids::setresgid),
    full(120, "getresgid", &[Ptr, Ptr, Ptr], ids::getresgid),
    full(121, "getpgid", &[Int], process::getpgid),
    full(122, "setfsuid", &[Int], ids::setfsuid),
    full(123, "setfsgid", &[Int], ids::setfsgid),
    full(124, "getsid", &[Int], process::getsid),
    full(125, "capget", &[Ptr, Ptr], ids::capget),
    full(126, "capset", &[Ptr, Ptr], ids::capset),
    full(127, "rt_sigpending", &[Out(Sigset), Size], signal::rt_sigpending),
    full(128, "rt_sigtimedwait", &[In(Sigset), Ptr, In(Timespec), Size], signal::rt_sigtimedwait),
    full(129, "rt_sigqueueinfo", &[Int, Signal, Ptr], signal::rt_sigqueueinfo),
    full(130, "rt_sigsuspend", &[In(Sigset), Size], signal::rt_sigsuspend),
    full(131, "sigaltstack", &[Ptr, Ptr], signal::sigaltstack),
    full(132, "utime", &[Path, Ptr], names::utime),
    full(133, "mknod", &[Path, Mode, Hex], names::mknod),
    partial(135, "personality", &[Hex], system::personality, "no ADDR_COMPAT_LAYOUT, no MMAP_PAGE_ZERO, no 32-bit names"),
    full(137, "statfs", &[Path, Ptr], stat::statfs),
    full(138, "fstatfs", &[Fd, Ptr], stat::fstatfs),
    full(140, "getpriority", &[Int, Int], sched::getpriority),
    partial(141, "setpriority", &[Int, Int, Int], sched::setpriority, "recorded only"),
    partial(142, "sched_setparam", &[Int, Ptr], policy::sched_setparam, "recorded only"),
    full(143, "sched_getparam", &[Int, Ptr], policy::sched_getparam),
    partial(144, "sched_setscheduler", &[Int, Int, Ptr], policy::sched_setscheduler, "recorded only"),
    full(145, "sched_getscheduler", &[Int], policy::sched_getscheduler),
    full(146, "sched_get_priority_max", &[Int], sched::sched_get_priority_max),
    full(147, "sched_get_priority_min", &[Int], sched::sched_get_priority_min),
    full(148, "sched_rr_get_interval", &[Int, Ptr], sched::sched_rr_get_interval),
    partial(149, "mlock", &[Ptr, Size], memory::mlock, "counted and populated, not pinned"),
    full(150, "munlock", &[Ptr, Size], memory::munlock),
    partial(151, "mlockall", &[Hex], memory::mlockall, "counted, not pinned"),
    full(152, "munlockall", &[], memory::munlockall),
    partial(153, "vhangup", &[], system::not_permitted, "refused"),
    full(155, "pivot_root", &[Path, Path], mount::pivot_root),
    partial(157, "prctl", &[Int, Hex, Hex, Hex, Hex], prctl::prctl, "no PR_SET_MM, PR_SCHED_CORE, no dispatch of system calls, no SIGSEGV for RDTSC"),
    full(158, "arch_prctl", &[Choice(f::ARCH), Ptr], process::arch_prctl),
    partial(159, "adjtimex", &[Ptr], adjtimex::adjtimex, "refused, but to read"),
    full(160, "setrlimit", &[Choice(f::RLIMIT), In(Rlimit)], rlimit::setrlimit),
    full(161, "chroot", &[Path], stat::chroot),
    full(162, "sync", &[], fd::sync),
    partial(163, "acct", &[Path], system::not_permitted, "refused"),
    partial(164, "settimeofday", &[Ptr, Ptr], time::settimeofday, "refused"),
    partial(165, "mount", &[Path, Path, Path, Flags(f::MOUNT), Ptr], mount::mount, "proc, tmpfs and ramfs; private mounts only"),
    full(166, "umount2", &[Path, Hex], mount::umount2),
    partial(167, "swapon", &[Path, Hex], system::not_permitted, "refused"),
    partial(168, "swapoff", &[Path], system::not_permitted, "refused"),
    partial(169, "reboot", &[Hex, Hex, Hex, Ptr], system::not_permitted, "refused"),
    full(170, "sethostname", &[Ptr, Size], system::sethostname),
    full(171, "setdomainname", &[Ptr, Size], system::setdomainname),
    partial(172, "iopl", &[Int], system::not_permitted, "refused"),
    partial(173, "ioperm", &[Hex, Hex, Int], system::not_permitted, "refused"),
    partial(175, "init_module", &[Ptr, Size, Path], system::not_permitted, "refused"),
    partial(176, "delete_module", &[Path, Hex], system::not_permitted, "refused"),
    full(186, "gettid", &[], process::gettid),
    full(187, "readahead", &[Fd, Int, Size], fd::readahead),
    full(188, "setxattr", &[Path, Path, Ptr, Size, Hex], xattr::setxattr),
    full(189, "lsetxattr", &[Path, Path, Ptr, Size, Hex], xattr::lsetxattr),
    full(190, "fsetxattr", &[Fd, Path, Ptr, Size, Hex], xattr::fsetxattr),
    full(191, "getxattr", &[Path, Path, Ptr, Size], xattr::getxattr),
    full(192, "lgetxattr", &[Path, Path, Ptr, Size], xattr::lgetxattr),
    full(193, "fgetxattr", &[Fd, Path, Ptr, Size], xattr::fgetxattr),
    full(194, "listxattr", &[Path, Ptr, Size], xattr::listxattr),
    full(195, "llistxattr", &[Path, Ptr, Size], xattr::llistxattr),
    full(196, "flistxattr", &[Fd, Ptr, Size], xattr::flistxattr),
    full(197, "removexattr", &[Path, Path], xattr::removexattr),
    full(198, "lremovexattr", &[Path, Path], xattr::lremovexattr),
    full(199, "fremovexattr", &[Fd, Path], xattr::fremovexattr),
    full(200, "tkill", &[Int, Signal], signal::tkill),
    full(201, "time", &[Ptr], time::time),
    partial(202, "futex", &[Ptr, FutexOp, Int, Ptr, Ptr, Int], futex::futex, "mutexes are handed over, priorities are not"),
    full(203, "sched_setaffinity", &[Int, Uint, Ptr], sched::sched_setaffinity),
    full(204, "sched_getaffinity", &[Int, Uint, Ptr], sched::sched_getaffinity),
    full(213, "epoll_create", &[Int], events::epoll_create),
    full(216, "remap_file_pages", &[Ptr, Size, Prot, Uint, Hex], memory::remap_file_pages),
    full(217, "getdents64", &[Fd, Ptr, Uint], names::getdents64),
    full(218, "set_tid_address", &[Ptr], process::set_tid_address),
    full(219, "restart_syscall", &[], restart::restart_syscall),
    full(221, "fadvise64", &[Fd, Int, Size, Int], fd::fadvise64),
    full(222, "timer_create", &[Choice(f::CLOCK), Ptr, Ptr], posix_timer::timer_create),
    full(223, "timer_settime", &[Int, Flags(f::TIMER), In(Itimerspec), Out(Itimerspec)], posix_timer::timer_settime),
    full(224, "timer_gettime", &[Int, Out(Itimerspec)], posix_timer::timer_gettime),
    full(225, "timer_getoverrun", &[Int], posix_timer::timer_getoverrun),
    full(226, "timer_delete", &[Int], posix_timer::timer_delete),
    partial(227, "clock_settime", &[Choice(f::CLOCK), In(Timespec)], time::clock_settime, "refused"),
    full(228, "clock_gettime", &[Choice(f::CLOCK), Out(Timespec)], time::clock_gettime),
    full(229, "clock_getres", &[Choice(f::CLOCK), Out(Timespec)], time::clock_getres),
    full(230, "clock_nanosleep", &[Choice(f::CLOCK), Flags(f::TIMER), In(Timespec), Out(Timespec)], sleep::clock_nanosleep),
    full(231, "exit_group", &[Int], process::exit_group),
    full(232, "epoll_wait", &[Fd, Out(EpollEvents), Int, Int], events::epoll_wait),
    full(233, "epoll_ctl", &[Fd, Choice(f::EPOLL_OP), Fd, In(EpollEvent)], events::epoll_ctl),
    full(234, "tgkill", &[Int, Int, Signal], signal::tgkill),
    full(235, "utimes", &[Path, Ptr], names::utimes),
    partial(246, "kexec_load", &[Hex, Hex, Ptr, Hex], system::not_permitted, "refused"),
    full(247, "waitid", &[Int, Int, Ptr, Flags(f::WAIT), Ptr], process::waitid),
    partial(251, "ioprio_set", &[Int, Int, Hex], ioprio::ioprio_set, "recorded only"),
    full(252, "ioprio_get", &[Int, Int], ioprio::ioprio_get),
    full(253, "inotify_init", &[], inotify::inotify_init),
    full(254, "inotify_add_watch", &[Fd, Path, Hex], inotify::inotify_add_watch),
    full(255, "inotify_rm_watch", &[Fd, Int], inotify::inotify_rm_watch),
    full(257, "openat", &[DirFd, Path, OpenFlags, Mode], open::openat),
    full(258, "mkdirat", &[DirFd, Path, Mode], names::mkdirat),
    full(259, "mknodat", &[DirFd, Path, Mode, Hex], names::mknodat),
    full(260, "fchownat", &[DirFd, Path, Int, Int, Flags(f::AT)], names::fchownat),
    full(261, "futimesat", &[DirFd, Path, Ptr], names::futimesat),
    full(262, "newfstatat", &[DirFd, Path, Out(Stat), Flags(f::AT)], stat::newfstatat),
    full(263, "unlinkat", &[DirFd, Path, Flags(f::UNLINK)], names::unlinkat),
    full(264, "renameat", &[DirFd, Path, DirFd, Path], names::renameat),
    full(265, "linkat", &[DirFd, Path, DirFd, Path, Flags(f::AT)], names::linkat),
    full(266, "symlinkat", &[Path, DirFd, Path], names::symlinkat),
    full(267, "readlinkat", &[DirFd, Path, Out(Text), Size], stat::readlinkat),
    full(268, "fchmodat", &[DirFd, Path, Mode], names::fchmodat),
    full(269, "faccessat", &[DirFd, Path, Flags(f::ACCESS)], stat::faccessat),
    full(270, "pselect6", &[Int, Ptr, Ptr, Ptr, Ptr, Ptr], poll::pselect6),
    full(271, "ppoll", &[InOut(Pollfds), Uint, In(Timespec), In(Sigset), Size], poll::ppoll),
    partial(272, "unshare", &[Flags(f::CLONE)], namespaces::unshare, "no user, network, ipc namespaces"),
    full(273, "set_robust_list", &[Ptr, Size], futex::set_robust_list),
    full(274, "get_robust_list", &[Int, Ptr, Ptr], futex::get_robust_list),
    full(275, "splice", &[Fd, Ptr, Fd, Ptr, Size, Flags(f::SPLICE)], splice::splice),
    full(276, "tee", &[Fd, Fd, Size, Flags(f::SPLICE)], splice::tee),
    full(277, "sync_file_range", &[Fd, Size, Size, Hex], fd::sync_file_range),
    full(278, "vmsplice", &[Fd, In(Iovecs), Uint, Flags(f::SPLICE)], splice::vmsplice),
    full(280, "utimensat", &[DirFd, Path, In(Timespec), Flags(f::AT)], names::utimensat),
    full(281, "epoll_pwait", &[Fd, Out(EpollEvents), Int, Int, Ptr, Size], events::epoll_pwait),
    full(282, "signalfd", &[Fd, In(Sigset), Size], signalfd::signalfd),
    full(283, "timerfd_create", &[Choice(f::CLOCK), OpenFlags], timerfd::timerfd_create),
    full(284, "eventfd", &[Uint], events::eventfd),
    full(285, "fallocate", &[Fd, Flags(f::FALLOCATE), Int, Int], fd::fallocate),
    full(286, "timerfd_settime", &[Fd, Flags(f::TIMER), In(Itimerspec), Out(Itimerspec)], timerfd::timerfd_settime),
    full(287, "timerfd_gettime", &[Fd, Out(Itimerspec)], timerfd::timerfd_gettime),
    full(288, "accept4", &[Fd, Out(Sockaddr), Ptr, Flags(f::SOCKET)], socket::accept4),
    full(289, "signalfd4", &[Fd, In(Sigset), Size, OpenFlags], signalfd::signalfd4),
    full(290, "eventfd2", &[Uint, OpenFlags], events::eventfd2),
    full(291, "epoll_create1", &[OpenFlags], events::epoll_create1),
    full(292, "dup3", &[Fd, Fd, OpenFlags], fd::dup3),
    full(293, "pipe2", &[Out(Pair), OpenFlags], system::pipe2),
    full(294, "inotify_init1", &[OpenFlags], inotify::inotify_init1),
    full(295, "preadv", &[Fd, Out(Iovecs), Uint, Int], rw::preadv),
    full(296, "pwritev", &[Fd, In(Iovecs), Uint, Int], rw::pwritev),
    full(297, "rt_tgsigqueueinfo", &[Int, Int, Signal, Ptr], signal::rt_tgsigqueueinfo),
    partial(298, "perf_event_open", &[Ptr, Int, Int, Int, Hex], system::not_permitted, "refused"),
    partial(299, "recvmmsg", &[Fd, Ptr, Uint, Hex, Ptr], message::recvmmsg, "no out-of-band data"),
    full(302, "prlimit64", &[Int, Choice(f::RLIMIT), In(Rlimit), Out(Rlimit)], rlimit::prlimit64),
    partial(304, "open_by_handle_at", &[Fd, Ptr, Hex], system::not_permitted, "refused"),
    partial(305, "clock_adjtime", &[Int, Ptr], adjtimex::clock_adjtime, "refused, but to read"),
    full(306, "syncfs", &[Fd], fd::syncfs),
    partial(307, "sendmmsg", &[Fd, Ptr, Uint, Hex], message::sendmmsg, "no out-of-band data"),
    partial(308, "setns", &[Fd, Flags(f::CLONE)], namespaces::setns, "no user, network, ipc namespaces"),
    full(309, "getcpu", &[Ptr, Ptr, Ptr], system::getcpu),
    full(310, "process_vm_readv", &[Int, Ptr, Uint, Ptr, Uint, Hex], memory::process_vm_readv),
    full(311, "process_vm_writev", &[Int, Ptr, Uint, Ptr, Uint, Hex], memory::process_vm_writev),
    partial(313, "finit_module", &[Fd, Path, Hex], system::not_permitted, "refused"),
    partial(314, "sched_setattr", &[Int, Ptr, Hex], policy::sched_setattr, "recorded only; no deadlines"),
    full(315, "sched_getattr", &[Int, Ptr, Uint, Hex], policy::sched_getattr),
    full(316, "renameat2", &[DirFd, Path, DirFd, Path, Flags(f::RENAME)], names::renameat2),
    full(318, "getrandom", &[Ptr, Size, Flags(f::RANDOM)], system::getrandom),
    partial(319, "memfd_create", &[Path, Flags(f::MEMFD)], memfd::memfd_create, "no huge pages"),
    partial(321, "bpf", &[Int, Ptr, Uint], system::not_permitted, "refused"),
    full(322, "execveat", &[DirFd, Path, Argv, Envp, Flags(f::AT)], process::execveat),
    partial(324, "membarrier", &[Int, Hex], membarrier::membarrier, "no restartable sequences"),
    partial(325, "mlock2", &[Ptr, Size, Hex], memory::mlock2, "counted and populated, not pinned"),
    full(326, "copy_file_range", &[Fd, Ptr, Fd, Ptr, Size, Hex], copy::copy_file_range),
    full(327, "preadv2", &[Fd, Ptr, Uint, Int, Int, Hex], rw::preadv2),
    full(328, "pwritev2", &[Fd, Ptr, Uint, Int, Int, Hex], rw::pwritev2),
    partial(329, "pkey_mprotect", &[Ptr, Size, Prot, Int], memory::pkey_mprotect, "no keys"),
    full(332, "statx", &[DirFd, Path, Flags(f::AT), Hex, Ptr], stat::statx),
    full(424, "pidfd_send_signal", &[Fd, Signal, Ptr, Hex], signal::pidfd_send_signal),
    full(434, "pidfd_open", &[Int, Hex], process::pidfd_open),
    partial(435, "clone3", &[Ptr, Size], process::clone3, "no user, network, ipc namespaces"),
    full(436, "close_range", &[Uint, Uint, Hex], fd::close_range),
    full(437, "openat2", &[DirFd, Path, In(OpenHow), Size], open::openat2),
    full(438, "pidfd_getfd", &[Fd, Fd, Hex], process::pidfd_getfd),
    full(439, "faccessat2", &[DirFd, Path, Flags(f::ACCESS), Flags(f::FACCESS)], stat::faccessat2),
    full(441, "epoll_pwait2", &[Fd, Ptr, Int, Ptr, Ptr, Size], events::epoll_pwait2),
    full(449, "futex_waitv", &[Ptr, Uint, Hex, Ptr, Int], futex::futex_waitv),
    full(452, "fchmodat2", &[DirFd, Path, Mode, Hex], names::fchmodat2),
    full(454, "futex_wake", &[Ptr, Hex, Int, Hex], futex::futex_wake),
    full(455, "futex_wait", &[Ptr, Uint, Hex, Hex, Ptr, Int], futex::futex_wait),
    full(456, "futex_requeue", &[Ptr, Hex, Int, Int], futex::futex_requeue),
];

/// Numbers below this can be in the table.
const LIMIT: usize = 512;

/// The table, to be indexed by number.
pub static BY_NUMBER: [Option<&'static Syscall>; LIMIT] = {
    let mut index: [Option<&'static Syscall>; LIMIT] = [None; LIMIT];
    let mut i = 0;
    while i < TABLE.len() {
        index[TABLE[i].nr as usize] = Some(&TABLE[i]);
        i += 1;
    }
    index
};

/// Logs an unsupported call, the first time.
pub fn note_unsupported(number: u64) {
    static SEEN: [AtomicU64; LIMIT / 64] = [const { AtomicU64::new(0) }; LIMIT / 64];
    let Ok(index) = usize::try_from(number) else { return };
    let Some(word) = SEEN.get(index / 64) else { return };
    let bit = 1 << (index % 64);
    if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        tracing::info!(
            call = nr::name(number).unwrap_or("?"),
            number,
            "unsupported system call answered with ENOSYS"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for (i, call) in TABLE.iter().enumerate() {
            assert_eq!(nr::name(u64::from(call.nr)), Some(call.name));
            assert!(i == 0 || TABLE[i - 1].nr < call.nr, "{} is out of order", call.name);
        }
    }
}
