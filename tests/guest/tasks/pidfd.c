#include "case.h"

/* PIDFD_THREAD */
#define THREAD_FD O_EXCL
enum { TO_THREAD = 1, TO_GROUP = 2, TO_PROCESS_GROUP = 4 };

static _Atomic int tid, taken_by;
static int go[2];

static int open_pidfd(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int send_by(int fd, int sig, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, flags);
}

static void note_taker(int sig, siginfo_t *info, void *context)
{
    count_signal(sig, info, context);
    taken_by = gettid_raw();
}

/* A thread that stays until something can be read, or is closed. */
static void *stays(void *arg)
{
    char c;
    tid = gettid_raw();
    while (read(go[0], &c, 1) < 0 && errno == EINTR)
        ;
    return arg;
}

static pthread_t start(void)
{
    NEED(pipe(go) == 0);
    tid = 0;
    pthread_t t = thread(stays, NULL);
    while (tid == 0)
        msleep(1);
    return t;
}

static void tell_poll(const char *text, int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, ms);
    say("%s: %d %#x", text, n, (unsigned)p.revents);
}

/* First it has ended, and a moment later it is no more. */
static void tell_gone(const char *text, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 5000);
    for (int i = 0; i < 500 && !(p.revents & POLLHUP); i++) {
        msleep(10);
        poll(&p, 1, 0);
    }
    say("%s: %d %#x", text, n, (unsigned)p.revents);
}

CASE(of_a_thread)
{
    pthread_t t = start();
    int fd = open_pidfd(tid, THREAD_FD);
    NEED(fd >= 0);
    TRY(open_pidfd(tid, 0));
    TRY(open_pidfd(tid, THREAD_FD | O_CLOEXEC));
    SHOW(fcntl(fd, F_GETFD));
    SHOWX(fcntl(fd, F_GETFL));
    tell_poll("it runs", fd, 0);
    TRY(send_by(fd, 0, 0));
    int same = (int)syscall(SYS_pidfd_getfd, fd, go[1], 0);
    SHOW(same >= 0);
    siginfo_t info;
    TRY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG));
    TRY(write(same, "x", 1));
    tell_gone("it ends", fd);
    pthread_join(t, NULL);
    TRY(send_by(fd, 0, 0));
    TRY(syscall(SYS_pidfd_getfd, fd, go[1], 0));
    TRY(open_pidfd(tid, THREAD_FD));
}

CASE(signals_to_a_thread)
{
    struct sigaction action = {.sa_sigaction = note_taker, .sa_flags = SA_SIGINFO};
    NEED(sigaction(SIGUSR1, &action, NULL) == 0);
    pthread_t t = start();
    int fd = open_pidfd(tid, THREAD_FD);
    static const unsigned whom[] = {0, TO_THREAD};
    for (int i = 0; i < 2; i++) {
        taken_by = 0;
        TRY(send_by(fd, SIGUSR1, whom[i]));
        SHOW(wait_for(&taken_by, tid));
        SHOW(last_info.si_code == SI_TKILL);
    }
    block(SIGUSR1);
    TRY(send_by(fd, SIGUSR1, TO_GROUP));
    SHOW(wait_for(&taken_by, tid));
    settle();
    SHOW(got[SIGUSR1]);
    SHOW(last_info.si_code == SI_USER);
    TRY(send_by(fd, 0, TO_PROCESS_GROUP));
    close(go[1]);
    pthread_join(t, NULL);
}

CASE(of_a_leader)
{
    NEED(pipe(go) == 0);
    pid_t pid;
    CHILD(pid)
    {
        close(go[1]);
        stays(NULL);
    }
    int fd = open_pidfd(pid, THREAD_FD | O_NONBLOCK);
    SHOWX(fcntl(fd, F_GETFL));
    siginfo_t info = {0};
    TRY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    tell_poll("it runs", fd, 0);
    close(go[1]);
    tell_poll("it ends", fd, 5000);
    TRY(send_by(fd, SIGKILL, 0));
    TRY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SHOW(info.si_pid == pid);
    tell_poll("it was waited for", fd, 0);
    TRY(send_by(fd, 0, 0));
}

static int body(void *arg)
{
    char c;
    syscall(SYS_read, *(int *)arg, &c, 1);
    syscall(SYS_exit, 0);
    return 0;
}

CASE(from_clone)
{
    static char stack[65536] __attribute__((aligned(16)));
    int fd = -1;
    NEED(pipe(go) == 0);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PIDFD;
    NEED(clone(body, stack + sizeof stack, flags, &go[0], &fd) > 0);
    SHOWX(fcntl(fd, F_GETFL));
    tell_poll("it runs", fd, 0);
    close(go[1]);
    tell_gone("it ends", fd);
}

HELPER(executed)
{
    char c;
    return (int)read(0, &c, 1);
}

static void *executes(void *arg)
{
    stays(arg);
    dup2(go[0], 0);
    close(go[1]);
    execl(self, self, "--as", "executed", NULL);
    return arg;
}

CASE(of_a_thread_that_executes)
{
    _Atomic int *number = SHARED_INTS(1);
    NEED(pipe(go) == 0);
    pid_t pid;
    CHILD(pid)
    {
        thread(executes, NULL);
        while (tid == 0)
            msleep(1);
        *number = tid;
        pause();
    }
    while (*number == 0)
        msleep(1);
    int leader = open_pidfd(pid, THREAD_FD), process = open_pidfd(pid, 0), other = open_pidfd(*number, THREAD_FD);
    NEED(leader >= 0 && process >= 0 && other >= 0);
    TRY(write(go[1], "x", 1));
    tell_gone("the number is no more", other);
    TRY(send_by(other, 0, 0));
    tell_poll("the leader is another", leader, 0);
    TRY(send_by(leader, 0, 0));
    close(go[1]);
    tell_poll("it ends", leader, 5000);
    tell_poll("so does the process", process, 5000);
    tell_wait("child", pid);
}
