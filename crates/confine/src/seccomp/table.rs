//! The host calls that the sentry may make: one line each, with the reason. Everything else ends the sandbox.
//!
//! To allow one more: add its line, say what needs it, and pin every argument that could widen what the call does. A
//! report of a violation names call and arguments. What a descriptor may be used for is not said here: Landlock and
//! read-only mounts see to that.

use libc::{
    AF_UNIX, AT_FDCWD, CLONE_CHILD_CLEARTID, CLONE_FILES, CLONE_FS, CLONE_PARENT_SETTID, CLONE_SETTLS,
    CLONE_SIGHAND, CLONE_SYSVSEM, CLONE_THREAD, CLONE_VM, ENOENT, ENOSYS, PROT_EXEC, S_IFIFO, S_IFMT,
    S_IFREG, S_IFSOCK,
};

use super::requests::{CONTROLS, FCNTLS, PRCTLS, SOCKET_OPTIONS};
use super::rule::Check::{In32, Is, Is32, Masked32, Not32, OwnOr0, Without32};
use super::rule::{Rule, Verdict};

/// Argument 0 is a directory of ours, not the working directory (which is empty anyway).
const BENEATH: &[&[super::rule::Check]] = &[&[Not32(0, CWD)]];
const CWD: u32 = AT_FDCWD as u32;
const EXEC: u32 = PROT_EXEC as u32;
const UNIX: u32 = AF_UNIX as u32;
const TCP: u32 = libc::IPPROTO_TCP as u32;

/// What the C library passes to clone(2) for a thread.
const PTHREAD: u64 = (CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID) as u64;

macro_rules! calls {
    ($($name:ident $(when $ways:expr)? $(; else $errno:ident)?, $why:literal;)*) => {
        &[$(Rule {
            nr: nr::$name,
            #[cfg(test)]
            name: stringify!($name),
            verdict: calls!(@verdict $($ways)? $(; $errno)?),
            why: $why,
        }),*]
    };
    (@verdict) => { Verdict::Allow };
    (@verdict $ways:expr) => { Verdict::When($ways) };
    (@verdict $ways:expr; $errno:ident) => { Verdict::WhenElse($ways, $errno) };
    (@verdict ; $errno:ident) => { Verdict::Fail($errno) };
}

use stockade_abi::nr;

#[rustfmt::skip]
pub(super) const TABLE: &[Rule] = calls! {
    // With arguments looked at.
    ioctl when &[&[In32(1, CONTROLS)]], "notifications; terminals; see the list of requests";
    mmap when &[&[Without32(2, EXEC)]], "memory of the allocator, thread stacks, shared memory; never code";
    mprotect when &[&[Without32(2, EXEC)]], "guard pages of stacks, heaps of the allocator; never code";
    openat2 when BENEATH; else ENOENT, "host files, beneath directories opened before the lock-down";
    openat when BENEATH; else ENOENT, "files of our own procfs";
    newfstatat when BENEATH; else ENOENT, "attributes of host files; the C library's fstat()";
    statx when BENEATH; else ENOENT, "attributes of host files, with birth times and mount ids";
    readlinkat when BENEATH; else ENOENT, "symlinks of host trees";
    faccessat2 when BENEATH; else ENOENT, "whether the host would let the caller in";
    unlinkat when BENEATH, "writable trees";
    mkdirat when BENEATH, "writable trees";
    mknodat when &[&[Not32(0, CWD), Masked32(2, S_IFMT, S_IFREG)],
                   &[Not32(0, CWD), Masked32(2, S_IFMT, S_IFIFO)],
                   &[Not32(0, CWD), Masked32(2, S_IFMT, S_IFSOCK)]], "writable trees; never device nodes";
    symlinkat when &[&[Not32(1, CWD)]], "writable trees";
    linkat when &[&[Not32(0, CWD), Not32(2, CWD)]], "writable trees; O_TMPFILE given a name";
    renameat2 when &[&[Not32(0, CWD), Not32(2, CWD)]], "writable trees";
    fchmodat when BENEATH, "writable trees";
    fchmodat2 when BENEATH, "writable trees, symlinks not followed";
    fchownat when BENEATH, "writable trees; needs CAP_CHOWN to give away";
    utimensat when BENEATH, "writable trees; futimens()";
    fcntl when &[&[In32(1, FCNTLS)]], "status flags, record locks, seals; never an owner for signals";
    clone when &[&[Is(0, PTHREAD)]], "a thread per guest thread; never a process";
    tgkill when &[&[Not32(0, 0)]], "kicks guest threads, wakes own ones; nothing outside the PID namespace has a number";
    kill when &[&[Not32(0, 0)]], "ends stubs; nothing outside the PID namespace has a number";
    prctl when &[&[In32(0, PRCTLS)]], "names of threads and of memory";
    prlimit64 when &[&[OwnOr0(0), Is(2, 0)]], "reads own limits; sets none";
    socketpair when &[&[Is32(0, UNIX)]], "channels to stubs; guests' own socket pairs with descriptors of the host";
    setsockopt when &[&[Is32(1, libc::SOL_SOCKET as u32), In32(2, SOCKET_OPTIONS)],
                      &[Is32(1, TCP), Is32(2, libc::TCP_NODELAY as u32)]], "credentials and buffers of channels; sockets passed in: their packets' delay";
    getsockopt when &[&[Is32(1, libc::SOL_SOCKET as u32)],
                      &[Is32(1, TCP), Is32(2, libc::TCP_NODELAY as u32)]], "who is on the other side, pending errors; sockets passed in";
    setitimer when &[&[Is32(0, libc::ITIMER_PROF as u32)]], "samples where its own CPU time goes, when asked to";
    sched_setaffinity when &[&[Not32(0, 0)], &[Is32(0, 0)]], "new guest threads start on the CPU of who waits for them";

    // Names that lead nowhere: the root is empty, and libraries that look into /proc, /sys or /etc go on without.
    open; else ENOENT, "libraries look for files that are not there";
    access; else ENOENT, "libraries look for files that are not there";
    stat; else ENOENT, "libraries look for files that are not there";
    lstat; else ENOENT, "libraries look for files that are not there";
    readlink; else ENOENT, "libraries look for files that are not there";

    // Memory.
    munmap, "gives memory back";
    mremap, "grows allocations and shared memory; cannot add rights";
    madvise, "gives unused memory back, huge pages";
    brk, "heap of the C library";
    memfd_create, "arenas for memory that guests share, memfds of guests";
    mincore, "which pages of a mapping are resident";
    msync, "mappings of host files";
    mlock, "guest's mlock of shared memory";
    munlock, "guest's munlock of shared memory";
    membarrier, "orders memory with stubs without fences on the fast side";
    process_vm_readv, "reads guest memory: the stubs', which are ours";
    process_vm_writev, "writes guest memory";

    // Files.
    read, "host files, pipes, standard streams";
    write, "host files, pipes, standard streams, the log";
    readv, "as read, scattered";
    writev, "as write, gathered";
    pread64, "host files at an offset";
    pwrite64, "host files at an offset";
    preadv, "as pread64, scattered";
    pwritev, "as pwrite64, gathered";
    preadv2, "as preadv, with RWF_NOWAIT";
    pwritev2, "as pwritev, with RWF_APPEND";
    lseek, "holes and data of host files, directories from the start";
    close, "every descriptor ends somewhere";
    close_range, "many descriptors at once";
    dup, "a second owner for a descriptor";
    dup3, "a second owner for a descriptor, at a number";
    fstat, "attributes of an open file";
    fstatfs, "what a host file system is and has left";
    ftruncate, "writable host files, arenas";
    fallocate, "holes and reservations in writable host files and arenas";
    fsync, "guest's fsync on host files";
    fdatasync, "guest's fdatasync on host files";
    syncfs, "guest's syncfs and sync on host trees";
    sync_file_range, "guest's sync_file_range on host files";
    fadvise64, "read-ahead of host files";
    readahead, "read-ahead of host files";
    getdents64, "entries of host directories";
    fchmod, "writable trees";
    fchown, "writable trees; needs CAP_CHOWN to give away";
    flock, "locks that other processes of the host see";
    fgetxattr, "extended attributes of host files";
    fsetxattr, "writable trees";
    flistxattr, "extended attributes of host files";
    fremovexattr, "writable trees";
    copy_file_range, "copy-up and guest's copy_file_range, without a detour through memory";
    sendfile, "copies between host descriptors";
    splice, "moves pipe contents between host descriptors";
    tee, "copies pipe contents between host descriptors";

    // Waiting and waking.
    futex, "every lock and condition variable";
    futex_waitv, "waits for several words at once";
    poll, "host descriptors";
    ppoll, "host descriptors, with a timeout";
    epoll_create1, "the thread that watches host descriptors";
    epoll_ctl, "the thread that watches host descriptors";
    epoll_wait, "the thread that watches host descriptors";
    epoll_pwait, "the thread that watches host descriptors";
    epoll_pwait2, "the same, with nanoseconds";
    eventfd2, "wakes a thread that waits for descriptors";
    pipe2, "wakes and channels";
    timerfd_create, "timers in a poll set";
    timerfd_settime, "timers in a poll set";
    timerfd_gettime, "timers in a poll set";
    nanosleep, "sleeps of threads and of guests";
    clock_nanosleep, "sleeps of threads and of guests";
    restart_syscall, "the host goes on with a sleep that a stop interrupted";

    // Messages: on sockets made before the lock-down, passed in, accepted or made by socketpair. There is no call that would
    // bind or connect one, and guests' messages name no address: those of passed sockets go where their owner connected them.
    sendmsg, "messages with descriptors to stubs and to the front; guests' by passed sockets, without";
    recvmsg, "messages with descriptors from the front and from stubs; guests' by passed sockets, without";
    sendto, "messages to stubs";
    recvfrom, "messages from stubs";
    listen, "a control socket that the front bound; the backlog of a passed one that listens";
    accept4, "connections to a control socket that the front bound, and to passed ones";
    shutdown, "ends a connection, guests' by passed sockets too";
    getsockname, "what an inherited socket is bound to";
    getpeername, "what an inherited socket is connected to";

    // Stubs and threads.
    clone3; else ENOSYS, "its flags lie in memory that a filter cannot see; the C library falls back to clone";
    pidfd_open, "stubs and their threads";
    pidfd_send_signal, "ends stubs without a race for their PID";
    wait4, "reaps stubs";
    waitid, "reaps stubs";
    exit, "a thread ends";
    exit_group, "the sandbox ends";
    gettid, "own thread ids";
    getpid, "own PID";
    getppid, "whether there is a parent in the namespace";
    getuid, "the C library's checks";
    geteuid, "the C library's checks";
    getgid, "the C library's checks";
    getegid, "the C library's checks";
    set_robust_list, "the C library's start of a thread";
    rseq, "the C library's start of a thread";
    sched_yield, "backs off from a busy lock";
    getpriority, "niceness of stubs";
    setpriority, "niceness of stubs, lower only";
    sched_getaffinity, "how many CPUs there are";
    getcpu, "which CPU this is";
    sigaltstack, "stacks for crash reports";
    rt_sigaction, "handlers of a thread's start and of crash reports";
    rt_sigprocmask, "a thread's start";
    rt_sigreturn, "returns from handlers";
    rt_sigtimedwait, "waits for a signal";
    pause, "threads stand still while a crash report is written";
    alarm, "a crash report that hangs ends";

    // What it knows of the host.
    clock_gettime, "clocks, where the vDSO cannot, and the CPU time of stubs";
    clock_getres, "resolution of clocks";
    gettimeofday, "clocks, where the vDSO cannot";
    time, "clocks, where the vDSO cannot";
    getrandom, "guest's randomness, addresses, hash seeds";
    getrusage, "CPU time of the sentry";
    sysinfo, "how much memory there is";
    getcwd, "the standard library's checks; it is the empty root";
    uname, "the C library's checks";
};
