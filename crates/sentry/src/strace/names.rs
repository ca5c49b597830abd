//! Names of flags and choices.

use stockade_abi::general as c;
use stockade_abi::net as n;

/// Values and their names.
pub type Names = [(u32, &'static str)];

macro_rules! names {
    ($(#[$doc:meta])* $vis:vis $table:ident: $from:ident, $($name:ident)*) => {
        $(#[$doc])*
        $vis static $table: &Names = &[$(($from::$name as u32, stringify!($name)),)*];
    };
}

pub(super) static PROT: &Names = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];
/// access(2)'s.
pub static ACCESS: &Names = &[(4, "R_OK"), (2, "W_OK"), (1, "X_OK")];

names!(pub(super) MMAP: c, MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANONYMOUS MAP_GROWSDOWN MAP_DENYWRITE MAP_LOCKED
    MAP_NORESERVE MAP_POPULATE MAP_STACK MAP_FIXED_NOREPLACE);
names!(pub(super) OPEN: c, O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_TMPFILE O_DIRECTORY O_NOFOLLOW O_CLOEXEC
    O_PATH O_SYNC O_DIRECT O_NOATIME O_LARGEFILE);
names!(
    /// The AT_ flags of calls on paths.
    pub AT: c, AT_SYMLINK_NOFOLLOW AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_STATX_FORCE_SYNC AT_STATX_DONT_SYNC);
/// unlinkat(2)'s.
pub static UNLINK: &Names = &[(c::AT_REMOVEDIR, "AT_REMOVEDIR")];
/// faccessat2(2)'s.
pub static FACCESS: &Names = &[
    (c::AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"),
    (c::AT_EACCESS, "AT_EACCESS"),
    (c::AT_EMPTY_PATH, "AT_EMPTY_PATH"),
];
names!(
    /// renameat2(2)'s.
    pub RENAME: c, RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT);
names!(
    /// lseek(2)'s.
    pub WHENCE: c, SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE);
names!(
    /// madvise(2)'s.
    pub MADVISE: c, MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE MADV_DONTFORK
    MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK
    MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE);
names!(
    /// clone(2)'s.
    pub CLONE: c, CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PIDFD CLONE_PTRACE CLONE_VFORK CLONE_PARENT CLONE_THREAD
    CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID CLONE_UNTRACED CLONE_CHILD_SETTID
    CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_IO);
names!(
    /// wait4(2)'s and waitid(2)'s.
    pub WAIT: c, WNOHANG WUNTRACED WEXITED WCONTINUED WNOWAIT);
names!(
    /// clock_gettime(2)'s.
    pub CLOCK: c, CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW
    CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM CLOCK_TAI);
/// clock_nanosleep(2)'s and timer_settime(2)'s.
pub static TIMER: &Names = &[(1, "TIMER_ABSTIME")];
names!(
    /// setitimer(2)'s.
    pub ITIMER: c, ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF);
names!(
    /// rt_sigprocmask(2)'s.
    pub SIGMASK: c, SIG_BLOCK SIG_UNBLOCK SIG_SETMASK);
names!(
    /// fcntl(2)'s.
    pub FCNTL: c, F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG
    F_GETOWN_EX F_SETOWN_EX F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS
    F_GET_SEALS);
names!(
    /// flock(2)'s.
    pub FLOCK: c, LOCK_SH LOCK_EX LOCK_NB LOCK_UN);
names!(
    /// epoll_ctl(2)'s.
    pub EPOLL_OP: c, EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD);
names!(pub(super) EPOLL: c, EPOLLIN EPOLLPRI EPOLLOUT EPOLLERR EPOLLHUP EPOLLRDNORM EPOLLRDHUP EPOLLEXCLUSIVE EPOLLWAKEUP
    EPOLLONESHOT EPOLLET);
names!(pub(super) POLL: c, POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLWRNORM POLLRDHUP);
names!(
    /// getrlimit(2)'s.
    pub RLIMIT: c, RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE
    RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME);
names!(
    /// mremap(2)'s.
    pub MREMAP: c, MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP);
names!(
    /// msync(2)'s.
    pub MSYNC: c, MS_ASYNC MS_INVALIDATE MS_SYNC);
names!(
    /// futex(2)'s, without FUTEX_PRIVATE_FLAG.
    pub(super) FUTEX: c, FUTEX_WAIT FUTEX_WAKE FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI
    FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2);
names!(
    /// getrandom(2)'s.
    pub RANDOM: c, GRND_NONBLOCK GRND_RANDOM GRND_INSECURE);
names!(
    /// memfd_create(2)'s.
    pub MEMFD: c, MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB MFD_NOEXEC_SEAL MFD_EXEC);
names!(
    /// fallocate(2)'s.
    pub FALLOCATE: c, FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_ZERO_RANGE);
names!(
    /// splice(2)'s.
    pub SPLICE: c, SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT);
names!(
    /// mount(2)'s.
    pub MOUNT: c, MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_REMOUNT MS_NOATIME MS_BIND MS_MOVE MS_REC MS_PRIVATE MS_SLAVE
    MS_SHARED MS_RELATIME);
/// arch_prctl(2)'s.
pub static ARCH: &Names =
    &[(0x1001, "ARCH_SET_GS"), (0x1002, "ARCH_SET_FS"), (0x1003, "ARCH_GET_FS"), (0x1004, "ARCH_GET_GS")];
/// socket(2)'s families.
pub static FAMILY: &Names =
    &[(0, "AF_UNSPEC"), (1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6"), (16, "AF_NETLINK")];
/// socket(2)'s kinds, with flags.
pub static SOCKET: &Names = &[
    (5, "SOCK_SEQPACKET"),
    (3, "SOCK_RAW"),
    (2, "SOCK_DGRAM"),
    (1, "SOCK_STREAM"),
    (c::O_NONBLOCK, "SOCK_NONBLOCK"),
    (c::O_CLOEXEC, "SOCK_CLOEXEC"),
];
names!(
    /// recv(2)'s and send(2)'s.
    pub MSG: n, MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_NOSIGNAL MSG_MORE
    MSG_CMSG_CLOEXEC);
/// shutdown(2)'s.
pub static SHUTDOWN: &Names = &[(0, "SHUT_RD"), (1, "SHUT_WR"), (2, "SHUT_RDWR")];
pub(super) static SA: &Names = &[
    (1, "SA_NOCLDSTOP"),
    (2, "SA_NOCLDWAIT"),
    (4, "SA_SIGINFO"),
    (0x0400_0000, "SA_RESTORER"),
    (0x0800_0000, "SA_ONSTACK"),
    (0x1000_0000, "SA_RESTART"),
    (0x4000_0000, "SA_NODEFER"),
    (0x8000_0000, "SA_RESETHAND"),
];

/// Flags that are set, joined; those without a name as a number.
pub(super) fn flags(value: u64, table: &Names, none: &str) -> String {
    let mut left = value;
    let mut found = Vec::new();
    for &(bits, name) in table {
        let bits = u64::from(bits);
        if bits != 0 && left & bits == bits {
            found.push(name.to_owned());
            left &= !bits;
        }
    }
    if left != 0 {
        found.push(format!("{left:#x}"));
    }
    if found.is_empty() { none.to_owned() } else { found.join("|") }
}

/// The name of a value, or the value.
pub(super) fn choice(value: u32, table: &Names) -> String {
    let found = table.iter().find(|(v, _)| *v == value);
    found.map_or_else(|| (value as i32).to_string(), |(_, name)| (*name).to_owned())
}

/// open(2)'s.
pub(super) fn open_flags(value: u32) -> String {
    let access = match value & c::O_ACCMODE {
        c::O_RDONLY => "O_RDONLY",
        c::O_WRONLY => "O_WRONLY",
        c::O_RDWR => "O_RDWR",
        _ => "O_ACCMODE",
    };
    match value & !c::O_ACCMODE {
        0 => access.to_owned(),
        rest => format!("{access}|{}", flags(u64::from(rest), OPEN, "0")),
    }
}
