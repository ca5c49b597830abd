#include "case.h"

static sigset_t set_of(int sig)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, sig);
    return s;
}

CASE(takes_pending)
{
    sigset_t s = set_of(SIGUSR1);
    siginfo_t info;
    block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    TRY(sigwaitinfo(&s, &info));
    SHOW(info.si_pid == getpid());
    struct timespec zero = {0};
    TRY(sigtimedwait(&s, &info, &zero));
}

CASE(waits)
{
    sigset_t s = set_of(SIGUSR1);
    block(SIGUSR1);
    pid_t pid = signal_later(getpid(), SIGUSR1, 80);
    long start = now_ms();
    TRY(sigwaitinfo(&s, NULL));
    tell_took("waited", now_ms() - start, 60, 3000);
    reap(pid);
}

CASE(timeout)
{
    sigset_t s = set_of(SIGUSR1);
    struct timespec t = {0, 80000000};
    block(SIGUSR1);
    long start = now_ms();
    TRY(sigtimedwait(&s, NULL, &t));
    tell_took("waited", now_ms() - start, 79, 3000);
}

CASE(interrupted_by_another)
{
    sigset_t s = set_of(SIGUSR1);
    handle(SIGUSR2, SA_RESTART);
    block(SIGUSR1);
    pid_t pid = signal_later(getpid(), SIGUSR2, 80);
    TRY(sigwaitinfo(&s, NULL));
    SHOW(got[SIGUSR2]);
    reap(pid);
}

CASE(not_interrupted_by_ignored)
{
    sigset_t s = set_of(SIGUSR1);
    struct timespec t = {0, 200000000};
    block(SIGUSR1);
    signal(SIGUSR2, SIG_IGN);
    pid_t pid = signal_later(getpid(), SIGUSR2, 50);
    TRY(sigtimedwait(&s, NULL, &t));
    reap(pid);
}

CASE(unblocked_in_the_set)
{
    sigset_t s = set_of(SIGUSR1);
    handle(SIGUSR1, 0);
    pid_t pid = signal_later(getpid(), SIGUSR1, 80);
    struct timespec t = {2, 0};
    TRY(sigtimedwait(&s, NULL, &t));
    SHOW(got[SIGUSR1]);
    reap(pid);
}

CASE(ignored_signal_in_the_set)
{
    sigset_t s = set_of(SIGCHLD);
    block(SIGCHLD);
    pid_t pid;
    CHILD(pid) msleep(50);
    struct timespec t = {2, 0};
    siginfo_t info;
    TRY(sigtimedwait(&s, &info, &t));
    SHOW(info.si_pid == pid);
}

CASE(order)
{
    sigset_t s = set_of(SIGRTMIN);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGSEGV);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGRTMIN);
    raise(SIGUSR1);
    raise(SIGRTMIN);
    raise(SIGSEGV);
    struct timespec zero = {0};
    int sig;
    while ((sig = sigtimedwait(&s, NULL, &zero)) > 0)
        say("%s", signame(sig));
}

CASE(arguments)
{
    sigset_t s = set_of(SIGUSR1);
    struct timespec t = {0, 1000000000};
    TRY(syscall(SYS_rt_sigtimedwait, &s, NULL, &t, 8));
    t = (struct timespec){-1, 0};
    TRY(syscall(SYS_rt_sigtimedwait, &s, NULL, &t, 8));
    t = (struct timespec){0, 0};
    TRY(syscall(SYS_rt_sigtimedwait, &s, NULL, &t, 4));
    TRY(syscall(SYS_rt_sigtimedwait, 8, NULL, &t, 8));
    TRY(syscall(SYS_rt_sigtimedwait, &s, NULL, 8, 8));
    block(SIGUSR1);
    raise(SIGUSR1);
    TRY(syscall(SYS_rt_sigtimedwait, &s, 8, &t, 8));
    raise(SIGUSR1);
    int sig = 0;
    RET(sigwait(&s, &sig));
    say("%s", signame(sig));
}

static void *waiter(void *arg)
{
    sigset_t s = set_of(SIGUSR1);
    struct timespec t = {3, 0};
    int sig;
    /* Linux wakes a second one for nothing. */
    while ((sig = sigtimedwait(&s, NULL, &t)) < 0 && errno == EINTR)
        ;
    atomic_fetch_add((_Atomic int *)arg, sig == SIGUSR1);
    return NULL;
}

CASE(one_of_several_waiters)
{
    _Atomic int taken = 0;
    block(SIGUSR1);
    pthread_t t = thread(waiter, (void *)&taken), u = thread(waiter, (void *)&taken);
    settle();
    kill(getpid(), SIGUSR1);
    settle();
    SHOW(taken);
    kill(getpid(), SIGUSR1);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    SHOW(taken);
}

CASE(sigsuspend)
{
    sigset_t none;
    sigemptyset(&none);
    handle(SIGUSR1, SA_RESTART);
    block(SIGUSR1);
    raise(SIGUSR1);
    SHOW(got[SIGUSR1]);
    TRY(sigsuspend(&none));
    SHOW(got[SIGUSR1]);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    SHOW(sigismember(&now, SIGUSR1));
}

static void tells_mask(int sig)
{
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("in handler of %s: USR1 %d USR2 %d HUP %d", signame(sig), sigismember(&now, SIGUSR1),
        sigismember(&now, SIGUSR2), sigismember(&now, SIGHUP));
}

CASE(sigsuspend_mask_in_handler)
{
    sigset_t s = set_of(SIGHUP);
    signal(SIGUSR1, tells_mask);
    block(SIGUSR1);
    block(SIGUSR2);
    pid_t pid = signal_later(getpid(), SIGUSR1, 50);
    TRY(sigsuspend(&s));
    tells_mask(SIGKILL);
    reap(pid);
}

CASE(sigsuspend_arguments)
{
    TRY(syscall(SYS_rt_sigsuspend, 8, 8));
    uint64_t mask = 0;
    TRY(syscall(SYS_rt_sigsuspend, &mask, 4));
}

CASE(pause)
{
    handle(SIGUSR1, SA_RESTART);
    pid_t pid = signal_later(getpid(), SIGUSR1, 50);
    TRY(pause());
    reap(pid);
}
