#include "case.h"

static timer_t make(clockid_t clock, int notify, int sig)
{
    timer_t t;
    struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = 42};
    NEED(timer_create(clock, &e, &t) == 0);
    return t;
}

static void arm(timer_t t, long first_ms, long every_ms)
{
    struct itimerspec s = {{every_ms / 1000, every_ms % 1000 * 1000000}, {first_ms / 1000, first_ms % 1000 * 1000000}};
    NEED(timer_settime(t, 0, &s, NULL) == 0);
}

CASE(one_shot)
{
    handle(SIGUSR1, 0);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    long start = now_ms();
    arm(t, 50, 0);
    TRY(pause());
    tell_took("fired", now_ms() - start, 49, 2000);
    say("code %d value %d overrun %d", last_info.si_code == SI_TIMER, last_info.si_value.sival_int,
        last_info.si_overrun);
    struct itimerspec s = {{9, 9}, {9, 9}};
    TRY(timer_gettime(t, &s));
    SHOW(s.it_value.tv_sec + s.it_value.tv_nsec + s.it_interval.tv_sec);
    TRY(timer_delete(t));
}

CASE(periodic)
{
    handle(SIGUSR1, 0);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    long start = now_ms();
    arm(t, 20, 20);
    while (got[SIGUSR1] < 5)
        pause();
    tell_took("five", now_ms() - start, 98, 3000);
    arm(t, 0, 0);
    int n = got[SIGUSR1];
    settle();
    SHOW(got[SIGUSR1] - n);
}

CASE(overrun)
{
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 10, 10);
    msleep(205);
    unblock(SIGUSR1);
    arm(t, 0, 0);
    SHOW(got[SIGUSR1] >= 1);
    int over = last_info.si_overrun;
    say("overrun plausible %d", got[SIGUSR1] > 1 || (over >= 17 && over <= 40));
}

CASE(realtime_timers_overrun_too)
{
    block(SIGRTMIN);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN);
    arm(t, 1, 1);
    msleep(60);
    arm(t, 0, 0);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    siginfo_t info;
    struct timespec zero = {0};
    int n = 0;
    while (sigtimedwait(&s, &info, &zero) > 0)
        n++;
    /* One signal per timer at a time; disarming withdraws it on newer kernels. */
    SHOW(n <= 1);
}

CASE(absolute)
{
    handle(SIGUSR1, 0);
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    for (int i = 0; i < 3; i++) {
        timer_t t = make(clocks[i], SIGEV_SIGNAL, SIGUSR1);
        struct itimerspec s = {0};
        clock_gettime(clocks[i], &s.it_value);
        s.it_value.tv_nsec += 40000000;
        if (s.it_value.tv_nsec >= 1000000000)
            s.it_value.tv_sec++, s.it_value.tv_nsec -= 1000000000;
        long start = clock_ms(clocks[i]);
        TRY(timer_settime(t, TIMER_ABSTIME, &s, NULL));
        pause();
        tell_took("fired", clock_ms(clocks[i]) - start, 37, 2000);
        s.it_value = (struct timespec){1, 0};
        got[SIGUSR1] = 0;
        TRY(timer_settime(t, TIMER_ABSTIME, &s, NULL));
        for (int k = 0; k < 1000 && !got[SIGUSR1]; k++)
            msleep(1);
        SHOW(got[SIGUSR1]);
    }
}

CASE(none)
{
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_NONE, 0);
    arm(t, 500, 0);
    msleep(20);
    struct itimerspec s;
    TRY(timer_gettime(t, &s));
    tell_took("left", s.it_value.tv_nsec / 1000000, 100, 481);
    TRY(timer_getoverrun(t));
}

static pid_t handled_by;

static void notes_thread(int sig)
{
    got[sig]++;
    handled_by = gettid_raw();
}

static void *with_timer(void *arg)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    e._sigev_un._tid = gettid_raw();
    timer_t t;
    TRY(timer_create(CLOCK_MONOTONIC, &e, &t));
    arm(t, 30, 0);
    pause();
    SHOW(handled_by == gettid_raw());
    return arg;
}

CASE(directed_at_a_thread)
{
    signal(SIGUSR2, notes_thread);
    pthread_join(thread(with_timer, NULL), NULL);
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    timer_t t;
    e._sigev_un._tid = getppid();
    TRY(timer_create(CLOCK_MONOTONIC, &e, &t));
}

static _Atomic int ran;

static void thread_function(union sigval v)
{
    ran = v.sival_int;
}

CASE(notified_by_a_thread)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = thread_function};
    e.sigev_value.sival_int = 5;
    timer_t t;
    TRY(timer_create(CLOCK_MONOTONIC, &e, &t));
    arm(t, 30, 0);
    SHOW(wait_for(&ran, 5));
}

CASE(cpu_time)
{
    handle(SIGUSR1, 0);
    timer_t t = make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 50, 0);
    msleep(150);
    SHOW(got[SIGUSR1]);
    while (!got[SIGUSR1])
        ;
    struct timespec c;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
    tell_took("fired", c.tv_sec * 1000 + c.tv_nsec / 1000000, 45, 300);
}

CASE(arguments)
{
    timer_t t = 0;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
    struct itimerspec s = {{0, 0}, {0, 1000000000}};
    int id = -1;
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id));
    e.sigev_signo = SIGUSR1;
    e.sigev_notify = 77;
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id));
    e.sigev_notify = SIGEV_SIGNAL;
    TRY(syscall(SYS_timer_create, 99, &e, &id));
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &e, &id));
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, 8));
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &id));
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
    TRY(syscall(SYS_timer_settime, id, 0, &s, NULL));
    s.it_value.tv_nsec = -1;
    TRY(syscall(SYS_timer_settime, id, 0, &s, NULL));
    TRY(syscall(SYS_timer_settime, id, 0, NULL, NULL));
    TRY(syscall(SYS_timer_settime, id, 0, 8, NULL));
    TRY(syscall(SYS_timer_gettime, id, 8));
    TRY(syscall(SYS_timer_gettime, 12345, &s));
    TRY(syscall(SYS_timer_delete, id));
    TRY(syscall(SYS_timer_delete, id));
    TRY(syscall(SYS_timer_getoverrun, id));
    (void)t;
}

CASE(not_inherited_by_fork)
{
    signal(SIGUSR1, SIG_IGN);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 30, 0);
    pid_t pid;
    CHILD(pid)
    {
        struct itimerspec s;
        signal(SIGUSR1, SIG_DFL);
        TRY(timer_gettime(t, &s));
        msleep(60);
    }
    tell_wait("child", pid);
}

CASE(gone_after_exec)
{
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 150, 0);
    execl("/bin/sleep", "sleep", "0.3", NULL);
}

CASE(itimer_survives_exec)
{
    pid_t pid;
    CHILD(pid)
    {
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 100000}}, NULL);
        execl("/bin/sleep", "sleep", "2", NULL);
    }
    tell_wait("child", pid);
}

CASE(settime_gives_the_old_value)
{
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_NONE, 0);
    arm(t, 5000, 3000);
    struct itimerspec s = {{7, 0}, {100, 0}}, old;
    TRY(timer_settime(t, 0, &s, &old));
    say("%d %d", (int)old.it_value.tv_sec, (int)old.it_interval.tv_sec);
    TRY(timer_gettime(t, &s));
    say("%d %d", (int)s.it_value.tv_sec, (int)s.it_interval.tv_sec);
}

static int wait_now(int sig, siginfo_t *info)
{
    sigset_t s;
    struct timespec zero = {0};
    sigemptyset(&s);
    sigaddset(&s, sig);
    return sigtimedwait(&s, info, &zero);
}

CASE(setting_and_deleting_make_signals_void)
{
    siginfo_t info;
    block(SIGUSR1);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 1, 0);
    settle();
    arm(t, 0, 0);
    TRY(wait_now(SIGUSR1, &info));
    arm(t, 1, 0);
    settle();
    arm(t, 100000, 0);
    TRY(wait_now(SIGUSR1, &info));
    arm(t, 1, 0);
    settle();
    timer_delete(t);
    TRY(wait_now(SIGUSR1, &info));
}

CASE(each_timer_has_a_signal_of_its_own)
{
    siginfo_t info;
    block(SIGUSR1);
    timer_t a = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1), b = make(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGUSR1);
    arm(a, 1, 0);
    arm(b, 10, 0);
    settle();
    raise(SIGUSR1);
    for (int i = 0; i < 4; i++) {
        int sig = wait_now(SIGUSR1, &info);
        say("%s code %d", sig > 0 ? signame(sig) : "none", sig > 0 ? info.si_code : 0);
    }
}

CASE(ignored_and_no_longer)
{
    signal(SIGUSR1, SIG_IGN);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 10, 10);
    msleep(100);
    handle(SIGUSR1, 0);
    for (int i = 0; i < 2000 && !got[SIGUSR1]; i++)
        msleep(1);
    SHOW(got[SIGUSR1] > 0);
    SHOW(last_info.si_overrun >= 0);
    arm(t, 0, 0);
    int n = got[SIGUSR1];
    settle();
    SHOW(got[SIGUSR1] - n);
}

CASE(overrun_of_the_last_signal)
{
    siginfo_t info;
    block(SIGUSR1);
    timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
    TRY(timer_getoverrun(t));
    arm(t, 10, 10);
    msleep(105);
    SHOW(timer_getoverrun(t));
    NEED(wait_now(SIGUSR1, &info) > 0);
    SHOW(timer_getoverrun(t) == info.si_overrun);
    SHOW(info.si_overrun >= 8 && info.si_overrun < 40);
    struct itimerspec s;
    timer_gettime(t, &s);
    SHOW(s.it_value.tv_nsec > 0 && s.it_value.tv_nsec <= 10000000);
}

CASE(without_an_event)
{
    siginfo_t info;
    block(SIGALRM);
    int id = -1;
    TRY(syscall(SYS_timer_create, CLOCK_TAI, NULL, &id));
    struct itimerspec s = {{0, 0}, {0, 1}};
    TRY(syscall(SYS_timer_settime, id, 0, &s, NULL));
    settle();
    TRY(wait_now(SIGALRM, &info));
    SHOW(info.si_timerid == id && info.si_value.sival_int == id);
}

CASE(numbered_from_zero_in_each_process)
{
    int id = -1;
    for (int i = 0; i < 3; i++) {
        TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
        SHOW(id);
        TRY(syscall(SYS_timer_delete, id));
    }
}

CASE(as_many_as_pending_signals)
{
    become(4321, 4321);
    struct rlimit r = {5, 5};
    setrlimit(RLIMIT_SIGPENDING, &r);
    int n = 0;
    timer_t t;
    while (n < 100 && timer_create(CLOCK_MONOTONIC, NULL, &t) == 0)
        n++;
    show_errno("full");
    SHOW(n);
    block(SIGRTMIN);
    union sigval v = {0};
    TRY(sigqueue(getpid(), SIGRTMIN, v));
    TRY(timer_delete(t));
    TRY(sigqueue(getpid(), SIGRTMIN, v));
}

static void *burns_with_timer(void *arg)
{
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    e._sigev_un._tid = gettid_raw();
    timer_t t;
    TRY(timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &t));
    arm(t, 40, 0);
    while (!handled_by)
        ;
    SHOW(handled_by == gettid_raw());
    struct timespec c;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c);
    tell_took("fired", c.tv_sec * 1000 + c.tv_nsec / 1000000, 39, 250);
    return arg;
}

CASE(cpu_time_of_a_thread)
{
    signal(SIGUSR2, notes_thread);
    pthread_join(thread(burns_with_timer, NULL), NULL);
}

CASE(cpu_time_of_another_process)
{
    pid_t pid;
    CHILD(pid)
    {
        msleep(100);
        for (;;)
            ;
    }
    clockid_t clock;
    RET(clock_getcpuclockid(pid, &clock));
    handle(SIGUSR1, 0);
    timer_t t = make(clock, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 50, 0);
    long start = now_ms();
    for (int i = 0; i < 500 && !got[SIGUSR1]; i++)
        msleep(10);
    tell_took("fired", now_ms() - start, 145, 3000);
    struct timespec c;
    clock_gettime(clock, &c);
    tell_took("its clock", c.tv_sec * 1000 + c.tv_nsec / 1000000, 50, 1000);
    kill(pid, SIGKILL);
    reap(pid);
    struct itimerspec s = {{0, 0}, {1, 0}};
    TRY(timer_settime(t, 0, &s, NULL));
}

CASE(cpu_time_periodic)
{
    handle(SIGUSR1, 0);
    timer_t t = make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1);
    arm(t, 20, 20);
    struct timespec c;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
    while (c.tv_sec * 1000 + c.tv_nsec / 1000000 < 210);
    SHOW(got[SIGUSR1] >= 5 && got[SIGUSR1] <= 11);
}
