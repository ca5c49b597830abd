#include "case.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>

static sigset_t two(int a, int b)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, a);
    sigaddset(&s, b);
    sigprocmask(SIG_BLOCK, &s, NULL);
    return s;
}

CASE(reads)
{
    sigset_t s = two(SIGUSR1, SIGRTMIN);
    int fd;
    TRY(fd = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC));
    struct signalfd_siginfo i[4];
    TRY(read(fd, i, sizeof i));
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 6});
    TRY(read(fd, i, sizeof *i - 1));
    long n = TRY(read(fd, i, sizeof i));
    for (long k = 0; k < n / (long)sizeof *i; k++)
        say("%s code %d pid %d uid %d int %d", signame((int)i[k].ssi_signo), i[k].ssi_code,
            i[k].ssi_pid == (uint32_t)getpid(), (int)i[k].ssi_uid, i[k].ssi_int);
    TRY(read(fd, i, sizeof i));
}

CASE(poll)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    struct pollfd p = {.fd = signalfd(-1, &s, 0), .events = POLLIN | POLLOUT};
    TRY(poll(&p, 1, 0));
    pid_t pid = signal_later(getpid(), SIGUSR2, 50);
    TRY(poll(&p, 1, 5000));
    SHOWX(p.revents);
    reap(pid);
}

CASE(blocks)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, 0);
    struct signalfd_siginfo i;
    pid_t pid = signal_later(getpid(), SIGUSR1, 50);
    TRY(read(fd, &i, sizeof i));
    say("%s", signame((int)i.ssi_signo));
    reap(pid);
}

CASE(change_mask)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, SFD_NONBLOCK);
    sigdelset(&s, SIGUSR1);
    SHOW(signalfd(fd, &s, 0) == fd);
    raise(SIGUSR1);
    struct signalfd_siginfo i;
    TRY(read(fd, &i, sizeof i));
    sigaddset(&s, SIGUSR1);
    signalfd(fd, &s, 0);
    TRY(read(fd, &i, sizeof i));
    TRY(signalfd(0, &s, 0));
    TRY(signalfd(99, &s, 0));
    TRY(signalfd(-1, &s, 77));
    TRY(syscall(SYS_signalfd4, -1, &s, 4, 0));
    TRY(syscall(SYS_signalfd4, -1, 8, 8, 0));
    TRY(write(fd, &i, sizeof i));
    TRY(lseek(fd, 0, SEEK_SET));
}

CASE(child_info)
{
    sigset_t s = two(SIGCHLD, SIGUSR1);
    int fd = signalfd(-1, &s, 0);
    pid_t pid;
    CHILD(pid) _exit(12);
    struct signalfd_siginfo i;
    TRY(read(fd, &i, sizeof i));
    say("pid %d status %d code %d", i.ssi_pid == (uint32_t)pid, i.ssi_status, i.ssi_code == CLD_EXITED);
    reap(pid);
}

CASE(reader_is_who_counts)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, SFD_NONBLOCK);
    raise(SIGUSR1);
    pid_t pid;
    CHILD(pid)
    {
        struct signalfd_siginfo i;
        TRY(read(fd, &i, sizeof i));
        raise(SIGUSR2);
        TRY(read(fd, &i, sizeof i));
    }
    reap(pid);
}

CASE(epoll)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, SFD_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = {EPOLLIN, {.u64 = 7}}, out;
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    TRY(epoll_wait(ep, &out, 1, 0));
    pid_t pid = signal_later(getpid(), SIGUSR2, 50);
    TRY(epoll_wait(ep, &out, 1, 5000));
    reap(pid);
    struct signalfd_siginfo i;
    TRY(read(fd, &i, sizeof i));
    TRY(epoll_wait(ep, &out, 1, 0));
}

CASE(timer)
{
    sigset_t s = two(SIGUSR1, SIGALRM);
    int fd = signalfd(-1, &s, 0);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    timer_t t;
    NEED(timer_create(CLOCK_MONOTONIC, &e, &t) == 0);
    struct itimerspec v = {{0, 10000000}, {0, 10000000}};
    timer_settime(t, 0, &v, NULL);
    for (int k = 0; k < 2; k++) {
        msleep(55);
        struct signalfd_siginfo i;
        TRY(read(fd, &i, sizeof i));
        say("%s code %d int %d overrun %d", signame((int)i.ssi_signo), i.ssi_code, i.ssi_int, i.ssi_overrun >= 3);
    }
    timer_delete(t);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 10000}}, NULL);
    struct signalfd_siginfo i;
    TRY(read(fd, &i, sizeof i));
    say("%s code %d", signame((int)i.ssi_signo), i.ssi_code);
}

static void *reads_own(void *arg)
{
    struct signalfd_siginfo i;
    int fd = *(int *)arg;
    TRY(read(fd, &i, sizeof i));
    syscall(SYS_tgkill, getpid(), gettid_raw(), SIGUSR1);
    TRY(read(fd, &i, sizeof i));
    return NULL;
}

CASE(threads_read_their_own)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, SFD_NONBLOCK);
    syscall(SYS_tgkill, getpid(), gettid_raw(), SIGUSR1);
    pthread_join(thread(reads_own, &fd), NULL);
    struct signalfd_siginfo i;
    TRY(read(fd, &i, sizeof i));
    TRY(read(fd, &i, sizeof i));
}

CASE(info_of_descriptors)
{
    sigset_t s = two(SIGUSR1, SIGUSR2);
    int fd = signalfd(-1, &s, 0);
    char path[64], text[512];
    sprintf(path, "/proc/self/fdinfo/%d", fd);
    NEED(slurp(path, text, sizeof text) > 0);
    SHOW(strstr(text, "sigmask:\t0000000000000a00") != NULL);
}
