#include "case.h"

static volatile int order[64], values[64], count;

static void record(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (count < 64) {
        order[count] = sig;
        values[count++] = info->si_value.sival_int;
    }
}

static void recorder(int sig)
{
    struct sigaction sa = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    sigfillset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

static void release(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < count; i++)
        say("%d: %s %d", i, signame(order[i]), values[i]);
}

static void queue(int sig, int value)
{
    NEED(sigqueue(getpid(), sig, (union sigval){.sival_int = value}) == 0);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

CASE(realtime_signals_queue)
{
    recorder(SIGRTMIN + 1);
    block_all();
    for (int i = 1; i <= 5; i++)
        queue(SIGRTMIN + 1, i);
    release();
}

CASE(standard_signals_merge)
{
    recorder(SIGUSR1);
    block_all();
    for (int i = 1; i <= 5; i++)
        queue(SIGUSR1, i);
    release();
}

CASE(lowest_number_first)
{
    int sigs[] = {SIGRTMIN + 3, SIGUSR2, SIGRTMIN, SIGUSR1, SIGTERM, SIGRTMIN + 1};
    for (int i = 0; i < 6; i++)
        recorder(sigs[i]);
    block_all();
    for (int i = 0; i < 6; i++)
        queue(sigs[i], i);
    release();
}

CASE(synchronous_signals_go_first)
{
    int sigs[] = {SIGHUP, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS};
    for (int i = 0; i < 7; i++)
        recorder(sigs[i]);
    block_all();
    for (int i = 0; i < 7; i++)
        queue(sigs[i], i);
    release();
}

CASE(thread_queue_before_process_queue)
{
    recorder(SIGRTMIN + 2);
    block_all();
    queue(SIGRTMIN + 2, 1);
    siginfo_t info = {.si_code = SI_QUEUE, .si_value.sival_int = 2};
    TRY(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid_raw(), SIGRTMIN + 2, &info));
    queue(SIGRTMIN + 2, 3);
    release();
}

CASE(ignored_signals_are_dropped)
{
    signal(SIGUSR1, SIG_IGN);
    sigset_t set;
    raise(SIGUSR1);
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    /* A blocked one is kept: its action may still change. */
    block(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
}

CASE(default_ignored_and_blocked)
{
    sigset_t set;
    block(SIGCHLD);
    block(SIGWINCH);
    raise(SIGCHLD);
    raise(SIGWINCH);
    sigpending(&set);
    SHOW(sigismember(&set, SIGCHLD));
    SHOW(sigismember(&set, SIGWINCH));
    signal(SIGCHLD, SIG_DFL);
    sigpending(&set);
    SHOW(sigismember(&set, SIGCHLD));
}

static void *pends(void *arg)
{
    sigset_t set;
    sigpending(&set);
    say("thread: %d %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
    return arg;
}

CASE(pending_of_thread_and_process)
{
    block(SIGUSR1);
    block(SIGUSR2);
    kill(getpid(), SIGUSR1);
    raise(SIGUSR2);
    pthread_join(thread(pends, NULL), NULL);
    pends(NULL);
}

CASE(sigqueue_errors)
{
    union sigval v = {0};
    TRY(sigqueue(getpid(), 65, v));
    TRY(sigqueue(getpid(), -1, v));
    TRY(sigqueue(0x3ffffff, SIGUSR1, v));
    TRY(sigqueue(getpid(), 0, v));
    siginfo_t info = {.si_code = SI_USER};
    TRY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
    info.si_code = SI_TKILL;
    TRY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
    info.si_code = SI_QUEUE;
    TRY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
    TRY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8));
    TRY(syscall(SYS_rt_tgsigqueueinfo, -1, 1, SIGUSR1, &info));
}

CASE(own_process_may_forge_the_code)
{
    handle(SIGUSR1, 0);
    siginfo_t info = {.si_code = 17, .si_value.sival_int = 99};
    TRY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    SHOW(last_info.si_code);
    SHOW(last_info.si_signo == SIGUSR1);
    SHOW(last_info.si_value.sival_int);
}

CASE(many_queued)
{
    recorder(SIGRTMIN);
    block_all();
    for (int i = 0; i < 1000; i++)
        queue(SIGRTMIN, i);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    siginfo_t info;
    int in_order = 0, n = 0;
    struct timespec zero = {0};
    while (sigtimedwait(&set, &info, &zero) > 0)
        in_order += info.si_value.sival_int == n++;
    SHOW(n);
    SHOW(in_order);
}
