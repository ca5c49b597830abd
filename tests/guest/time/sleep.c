#include "case.h"

static struct timespec after(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

CASE(nanosleep)
{
    struct timespec t = {0, 50000000};
    long start = now_ms();
    TRY(nanosleep(&t, NULL));
    tell_took("slept", now_ms() - start, 50, 2000);
}

CASE(nanosleep_arguments)
{
    struct timespec t = {0, 1000000000};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){0, -1};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){-1, 0};
    TRY(nanosleep(&t, NULL));
    t = (struct timespec){0, 0};
    TRY(nanosleep(&t, (void *)8));
    TRY(nanosleep((void *)8, NULL));
}

CASE(clock_nanosleep)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
    for (int i = 0; i < 4; i++) {
        struct timespec t = {0, 30000000};
        long start = now_ms();
        RET(clock_nanosleep(clocks[i], 0, &t, NULL));
        tell_took("relative", now_ms() - start, 30, 2000);
        t = after(clocks[i], 30);
        start = clock_ms(clocks[i]);
        RET(clock_nanosleep(clocks[i], TIMER_ABSTIME, &t, NULL));
        tell_took("absolute", clock_ms(clocks[i]) - start, 28, 2000);
    }
    struct timespec past = {1, 0};
    RET(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL));
}

CASE(clock_nanosleep_arguments)
{
    struct timespec t = {0, 1};
    clockid_t clocks[] = {CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                          99, -1};
    for (int i = 0; i < 6; i++)
        say("clock %d: %s", clocks[i], errname((int)-(syscall(SYS_clock_nanosleep, clocks[i], 0, &t, NULL) ? -errno : 0)));
    TRY(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 77, &t, NULL));
    TRY(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 8, NULL));
    t.tv_nsec = 1000000000;
    TRY(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL));
}

static void *burns(void *arg)
{
    while (!atomic_load((_Atomic int *)arg))
        ;
    return NULL;
}

CASE(sleep_on_process_cpu_time)
{
    _Atomic int stop = 0;
    pthread_t t = thread(burns, (void *)&stop);
    struct timespec d = {0, 60000000};
    long start = now_ms();
    RET(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &d, NULL));
    tell_took("slept", now_ms() - start, 50, 3000);
    stop = 1;
    pthread_join(t, NULL);
}

CASE(poll_and_select_sleep)
{
    long start = now_ms();
    TRY(poll(NULL, 0, 40));
    tell_took("poll", now_ms() - start, 40, 2000);
    struct timeval tv = {0, 40000};
    start = now_ms();
    TRY(select(0, NULL, NULL, NULL, &tv));
    tell_took("select", now_ms() - start, 40, 2000);
    SHOW(tv.tv_sec * 1000000 + tv.tv_usec);
}

CASE(sleepers_wake_in_order)
{
    _Atomic int *v = SHARED_INTS(2);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        CHILD(pids[i])
        {
            msleep(240 - i * 80);
            v[1] = v[1] * 10 + i;
        }
    for (int i = 0; i < 3; i++)
        reap(pids[i]);
    SHOW(v[1]);
}

CASE(long_sleep_is_killed)
{
    pid_t pid;
    CHILD(pid)
    {
        struct timespec t = {LONG_MAX, 999999999};
        nanosleep(&t, NULL);
    }
    settle();
    TRY(waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGTERM);
    tell_wait("child", pid);
}

CASE(interrupted_sleep_on_cpu_time)
{
    handle(SIGUSR1, 0);
    pid_t pid = signal_later(getpid(), SIGUSR1, 60);
    struct timespec d = {100, 0}, left = {0};
    RET(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &d, &left));
    tell_took("left", left.tv_sec, 98, 100);
    reap(pid);
}

CASE(sleep_on_a_child)
{
    pid_t pid;
    CHILD(pid) for (;;)
        ;
    clockid_t clock;
    RET(clock_getcpuclockid(pid, &clock));
    struct timespec d = {0, 60000000}, now;
    RET(clock_nanosleep(clock, TIMER_ABSTIME, &d, NULL));
    clock_gettime(clock, &now);
    SHOW(now.tv_sec > 0 || now.tv_nsec >= 60000000);
    kill(pid, SIGKILL);
    reap(pid);
    TRY(syscall(SYS_clock_nanosleep, clock, 0, &d, NULL));
}

CASE(interrupted_absolute_sleep)
{
    handle(SIGUSR1, SA_RESTART);
    pid_t pid = signal_later(getpid(), SIGUSR1, 50);
    struct timespec t = after(CLOCK_REALTIME, 5000);
    long start = now_ms();
    RET(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
    tell_took("slept", now_ms() - start, 40, 3000);
    reap(pid);
}
