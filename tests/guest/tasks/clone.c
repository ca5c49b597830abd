#include "case.h"
#include <linux/sched.h>

static long raw_clone(unsigned long flags, pid_t *ptid, pid_t *ctid)
{
    return syscall(SYS_clone, flags, 0, ptid, ctid, 0);
}

static long raw_clone3(struct clone_args *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

CASE(exit_signal)
{
    handle(SIGUSR1, 0);
    handle(SIGCHLD, 0);
    long pid = raw_clone(SIGUSR1, NULL, NULL);
    if (pid == 0)
        _exit(1);
    TRY(waitpid(pid, NULL, 0));
    SHOW(waitpid(pid, NULL, __WALL) == pid);
    SHOW(got[SIGUSR1]);
    SHOW(got[SIGCHLD]);
}

CASE(no_exit_signal_needs_clone_or_all)
{
    long pid = raw_clone(0, NULL, NULL);
    if (pid == 0)
        _exit(2);
    TRY(waitpid(pid, NULL, 0));
    int status;
    SHOW(waitpid(pid, &status, __WCLONE) == pid);
    tell_status("child", status);
    pid = raw_clone(SIGUSR2, NULL, NULL);
    if (pid == 0)
        _exit(3);
    handle(SIGUSR2, 0);
    SHOW(waitpid(pid, &status, __WALL) == pid);
    tell_status("child", status);
}

CASE(parent_and_child_tid)
{
    pid_t *shared = shared_memory(64);
    pid_t local = 0;
    long pid = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, shared, &local);
    if (pid == 0)
        _exit(local == getpid() ? 0 : 1);
    SHOW(*shared == pid);
    SHOW(local);
    tell_wait("child", (pid_t)pid);
}

static char stack[65536] __attribute__((aligned(16)));

static int nothing(void *arg)
{
    return arg != NULL;
}

CASE(child_cleartid)
{
    pid_t *word = shared_memory(64);
    *word = 77;
    long pid = raw_clone(CLONE_CHILD_CLEARTID | SIGCHLD, NULL, word);
    if (pid == 0)
        _exit(0);
    reap((pid_t)pid);
    /* The word is cleared only where somebody else has the memory too. */
    SHOW(*word);
    pid_t mine = 78;
    pid = clone(nothing, stack + sizeof stack, CLONE_CHILD_CLEARTID | CLONE_VM | SIGCHLD, NULL, NULL, NULL, &mine);
    reap((pid_t)pid);
    SHOW(*(volatile pid_t *)&mine);
}

CASE(clone_files)
{
    long pid = raw_clone(CLONE_FILES | SIGCHLD, NULL, NULL);
    if (pid == 0) {
        dup2(0, 33);
        close(0);
        _exit(0);
    }
    reap((pid_t)pid);
    TRY(fcntl(33, F_GETFD));
    TRY(fcntl(0, F_GETFD));
}

CASE(clone_fs)
{
    mkdir("d", 0755);
    long pid = raw_clone(CLONE_FS | SIGCHLD, NULL, NULL);
    if (pid == 0) {
        umask(037);
        _exit(chdir("d"));
    }
    reap((pid_t)pid);
    TRY(access("../d", F_OK));
    say("umask %03o", umask(0));
}

static int ignores(void *arg)
{
    struct sigaction sa = {.sa_handler = SIG_IGN};
    return arg ? 1 : sigaction(SIGUSR1, &sa, NULL);
}

CASE(clone_sighand_with_vm)
{
    int pid = clone(ignores, stack + sizeof stack, CLONE_SIGHAND | CLONE_VM | SIGCHLD, NULL);
    tell_wait("child", pid);
    struct sigaction sa;
    sigaction(SIGUSR1, NULL, &sa);
    SHOW(sa.sa_handler == SIG_IGN);
}

CASE(clone_clear_sighand)
{
    handle(SIGUSR1, 0);
    signal(SIGUSR2, SIG_IGN);
    struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    long pid = raw_clone3(&args, sizeof args);
    if (pid == 0) {
        struct sigaction sa;
        sigaction(SIGUSR1, NULL, &sa);
        SHOW(sa.sa_handler == SIG_DFL);
        sigaction(SIGUSR2, NULL, &sa);
        SHOW(sa.sa_handler == SIG_IGN);
        _exit(0);
    }
    tell_wait("child", (pid_t)pid);
}

CASE(clone_parent)
{
    pid_t *grandchild = shared_memory(64);
    pid_t me = getpid(), pid;
    CHILD(pid)
    {
        long p = raw_clone(CLONE_PARENT | SIGCHLD, NULL, NULL);
        if (p == 0) {
            SHOW(getppid() == me);
            _exit(9);
        }
        *grandchild = (pid_t)p;
    }
    reap(pid);
    tell_wait("sibling", *grandchild);
}

CASE(flag_combinations)
{
    TRY(raw_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_THREAD | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_THREAD | CLONE_VM | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_NEWUSER | CLONE_FS | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, NULL, NULL));
    TRY(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL));
    TRY(raw_clone(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, NULL, NULL));
}

CASE(clone3_arguments)
{
    struct {
        struct clone_args args;
        uint64_t more;
    } big = {.args = {.exit_signal = SIGCHLD}, .more = 1};
    TRY(raw_clone3(&big.args, 8));
    TRY(raw_clone3(&big.args, 63));
    TRY(raw_clone3(&big.args, sizeof big));
    TRY(raw_clone3(&big.args, 5000));
    TRY(raw_clone3(NULL, 64));
    big.args.exit_signal = 65;
    TRY(raw_clone3(&big.args, 64));
    big.args.exit_signal = SIGCHLD;
    big.args.flags = CLONE_DETACHED;
    TRY(raw_clone3(&big.args, 64));
    big.args.flags = SIGCHLD;
    TRY(raw_clone3(&big.args, 64));
    big.args.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM;
    TRY(raw_clone3(&big.args, 64));
    big.args.flags = 0;
    big.args.stack_size = 4096;
    TRY(raw_clone3(&big.args, 64));
    big.args.stack = 4096;
    big.args.stack_size = 0;
    TRY(raw_clone3(&big.args, 64));
}

CASE(clone3_first_size)
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    long pid = raw_clone3(&args, CLONE_ARGS_SIZE_VER0);
    if (pid == 0)
        _exit(11);
    tell_wait("child", (pid_t)pid);
    struct {
        struct clone_args args;
        uint64_t more;
    } big = {.args = {.exit_signal = SIGCHLD}};
    pid = raw_clone3(&big.args, sizeof big);
    if (pid == 0)
        _exit(12);
    tell_wait("child with more zeros", (pid_t)pid);
}

CASE(clone_pidfd)
{
    int fd = -1;
    long pid = raw_clone(CLONE_PIDFD | SIGCHLD, &fd, NULL);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    SHOW(fd);
    SHOW(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    TRY(poll(&p, 1, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    TRY(poll(&p, 1, 5000));
    SHOWX(p.revents);
    siginfo_t info;
    TRY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SHOW(info.si_pid == pid);
    SHOW(info.si_status);
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
}

CASE(pidfd_open)
{
    pid_t pid;
    CHILD(pid) pause();
    int fd;
    TRY(fd = (int)syscall(SYS_pidfd_open, pid, 0));
    TRY(syscall(SYS_pidfd_open, pid, 5));
    TRY(syscall(SYS_pidfd_open, -1, 0));
    TRY(syscall(SYS_pidfd_open, 0x3fffffff, 0));
    char c;
    TRY(read(fd, &c, 1));
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, 100, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
    kill(pid, SIGKILL);
    tell_wait("child", pid);
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static int thread_body(void *arg)
{
    *(pid_t *)arg = gettid_raw();
    return 0;
}

CASE(thread_group)
{
    volatile pid_t tid = 0, seen = 0;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID |
                CLONE_PARENT_SETTID;
    int r = clone(thread_body, stack + sizeof stack, flags, (void *)&seen, &tid, NULL, &tid);
    for (int i = 0; i < 2000 && tid; i++)
        msleep(1);
    SHOW(r == seen);
    SHOW(tid);
    SHOW(seen != getpid());
    TRY(waitpid(r, NULL, __WALL));
}

CASE(unshare_parts)
{
    TRY(unshare(0));
    TRY(unshare(CLONE_FILES));
    TRY(unshare(CLONE_FS));
    TRY(unshare(CLONE_SYSVSEM));
    TRY(unshare(CLONE_PARENT));
    TRY(unshare(CLONE_VFORK));
    TRY(unshare(CLONE_THREAD));
    TRY(unshare(CLONE_VM));
}

static void *unshares(void *arg)
{
    (void)arg;
    TRY(unshare(CLONE_THREAD));
    TRY(unshare(CLONE_SIGHAND));
    TRY(unshare(CLONE_FILES));
    dup2(0, 44);
    return NULL;
}

CASE(unshare_in_thread)
{
    pthread_join(thread(unshares, NULL), NULL);
    TRY(fcntl(44, F_GETFD));
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

CASE(signals_by_pidfd)
{
    enum { THREAD = 1, THREAD_GROUP = 2, PROCESS_GROUP = 4 };
    int me = (int)syscall(SYS_pidfd_open, getpid(), 0);
    handle(SIGUSR1, SA_SIGINFO);
    TRY(syscall(SYS_pidfd_send_signal, me, SIGUSR1, NULL, 0));
    SHOW(last_info.si_code == SI_USER);
    TRY(syscall(SYS_pidfd_send_signal, me, SIGUSR1, NULL, THREAD));
    SHOW(last_info.si_code == SI_TKILL);
    TRY(syscall(SYS_pidfd_send_signal, me, SIGUSR1, NULL, THREAD_GROUP));
    SHOW(last_info.si_code == SI_USER);
    TRY(syscall(SYS_pidfd_send_signal, me, SIGUSR1, NULL, THREAD | THREAD_GROUP));
    TRY(syscall(SYS_pidfd_send_signal, me, SIGUSR1, NULL, 8));
    SHOW(got[SIGUSR1]);
    pid_t leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        signal(SIGUSR1, SIG_DFL);
        thread(stay, NULL);
        pid_t other;
        CHILD(other) pause();
        tell_wait("other", other);
        _exit(3);
    }
    setpgid(leader, leader);
    settle();
    int group = (int)syscall(SYS_pidfd_open, leader, 0);
    pid_t alone;
    CHILD(alone) { pause(); }
    int none = (int)syscall(SYS_pidfd_open, alone, 0);
    TRY(syscall(SYS_pidfd_send_signal, none, 0, NULL, PROCESS_GROUP));
    TRY(syscall(SYS_pidfd_send_signal, group, 0, NULL, PROCESS_GROUP));
    TRY(syscall(SYS_pidfd_send_signal, group, SIGUSR1, NULL, PROCESS_GROUP));
    tell_wait("leader", leader);
    TRY(syscall(SYS_pidfd_send_signal, none, SIGKILL, NULL, THREAD));
    tell_wait("alone", alone);
    TRY(syscall(SYS_pidfd_send_signal, none, 0, NULL, THREAD));
}
