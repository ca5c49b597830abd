#include "case.h"
#include <sys/times.h>

static long cpu_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void burn(long ms)
{
    for (long end = cpu_ms(CLOCK_THREAD_CPUTIME_ID) + ms; cpu_ms(CLOCK_THREAD_CPUTIME_ID) < end;)
        for (volatile int i = 0; i < 100000; i++)
            ;
}

/* Has the kernel do some work. */
static void have_zeroed(size_t megabytes)
{
    static char buf[4 << 20];
    int fd = open("/dev/zero", O_RDONLY);
    for (size_t i = 0; i < megabytes; i += sizeof buf >> 20)
        NEED(read(fd, buf, sizeof buf) == sizeof buf);
    close(fd);
}

static long usage_ms(int who)
{
    struct rusage ru;
    NEED(getrusage(who, &ru) == 0);
    return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
}

CASE(clocks_agree)
{
    burn(100);
    tell_took("thread clock", cpu_ms(CLOCK_THREAD_CPUTIME_ID), 100, 160);
    tell_took("process clock", cpu_ms(CLOCK_PROCESS_CPUTIME_ID), 100, 160);
    tell_took("getrusage", usage_ms(RUSAGE_SELF), 90, 170);
    tell_took("getrusage of the thread", usage_ms(RUSAGE_THREAD), 90, 170);
    struct tms t;
    OKAY(times(&t));
    tell_took("times", (t.tms_utime + t.tms_stime) * 10, 80, 180);
    tell_took("clock()", clock() / 1000, 100, 160);
}

static void *burns(void *arg)
{
    burn(100);
    tell_took("own thread clock", cpu_ms(CLOCK_THREAD_CPUTIME_ID), 99, 160);
    return arg;
}

CASE(process_counts_ended_threads)
{
    pthread_join(thread(burns, NULL), NULL);
    tell_took("this thread", cpu_ms(CLOCK_THREAD_CPUTIME_ID), 0, 30);
    tell_took("process clock", cpu_ms(CLOCK_PROCESS_CPUTIME_ID), 100, 190);
    tell_took("getrusage", usage_ms(RUSAGE_SELF), 90, 190);
}

CASE(children_count_when_reaped)
{
    pid_t pid;
    CHILD(pid) burn(100);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    tell_took("before", usage_ms(RUSAGE_CHILDREN), 0, 0);
    reap(pid);
    tell_took("after", usage_ms(RUSAGE_CHILDREN), 90, 200);
    struct tms t;
    times(&t);
    tell_took("times", (t.tms_cutime + t.tms_cstime) * 10, 80, 210);
}

CASE(sleep_costs_no_cpu)
{
    msleep(200);
    tell_took("process clock", cpu_ms(CLOCK_PROCESS_CPUTIME_ID), 0, 30);
}

CASE(clock_of_another_process)
{
    pid_t pid;
    CHILD(pid)
    {
        burn(100);
        pause();
    }
    clockid_t clock;
    RET(clock_getcpuclockid(pid, &clock));
    msleep(400);
    tell_took("its clock", cpu_ms(clock), 100, 300);
    kill(pid, SIGKILL);
    reap(pid);
    struct timespec t;
    TRY(clock_gettime(clock, &t));
    RET(clock_getcpuclockid(0x3ffffff, &clock));
}

static void *burns_then_waits(void *arg)
{
    burn(60);
    atomic_store((_Atomic int *)arg, 1);
    msleep(200);
    return NULL;
}

CASE(clock_of_another_thread)
{
    _Atomic int done = 0;
    pthread_t t = thread(burns_then_waits, (void *)&done);
    clockid_t clock;
    RET(pthread_getcpuclockid(t, &clock));
    wait_for(&done, 1);
    tell_took("its clock", cpu_ms(clock), 59, 130);
    pthread_join(t, NULL);
}

CASE(counts_of_rusage)
{
    struct rusage a, b;
    getrusage(RUSAGE_SELF, &a);
    for (int i = 0; i < 20; i++)
        msleep(1);
    getrusage(RUSAGE_SELF, &b);
    SHOW(b.ru_nvcsw - a.ru_nvcsw >= 20);
    SHOW(b.ru_maxrss > 0);
    SHOW(b.ru_minflt > 0);
    TRY(getrusage(7, &a));
    TRY(getrusage(RUSAGE_SELF, (void *)8));
}

CASE(times_pointer)
{
    OKAY(times(NULL));
    TRY(syscall(SYS_times, 8));
}

CASE(user_and_system)
{
    struct rusage ru;
    burn(100);
    for (int i = 0; i < 3000; i++)
        syscall(SYS_getppid);
    getrusage(RUSAGE_SELF, &ru);
    SHOW(ru.ru_utime.tv_usec >= 40000);
    SHOW(ru.ru_utime.tv_usec >= 0 && ru.ru_utime.tv_usec < 1000000 && ru.ru_stime.tv_usec >= 0);
}

static void *work_of_a_thread(void *arg)
{
    have_zeroed(2048);
    return arg;
}

CASE(work_of_the_kernel_counts)
{
    pid_t pid;
    struct rusage ru;
    struct tms t;
    long before = cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
    have_zeroed(2048);
    long process = cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - before;
    SHOW(process >= 10);
    getrusage(RUSAGE_SELF, &ru);
    long system = ru.ru_stime.tv_sec * 1000 + ru.ru_stime.tv_usec / 1000;
    SHOW(system >= process / 2);
    SHOW(cpu_ms(CLOCK_THREAD_CPUTIME_ID) >= process);
    CHILD(pid) have_zeroed(2048);
    reap(pid);
    times(&t);
    SHOW(t.tms_stime >= process / 20 && t.tms_cstime >= process / 20);
    pthread_t other = thread(work_of_a_thread, NULL);
    pthread_join(other, NULL);
    SHOW(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) >= 2 * process * 2 / 3);
    SHOW(usage_ms(RUSAGE_THREAD) < usage_ms(RUSAGE_SELF));
}

CASE(work_of_the_kernel_is_limited)
{
    pid_t pid;
    CHILD(pid)
    {
        setrlimit(RLIMIT_CPU, &(struct rlimit){1, 5});
        have_zeroed(1 << 20);
    }
    tell_wait("child", pid);
    tell_took("its time", usage_ms(RUSAGE_CHILDREN), 900, 2000);
}

CASE(cpu_clocks_cannot_be_set)
{
    struct timespec t = {0, 0};
    TRY(clock_settime(CLOCK_PROCESS_CPUTIME_ID, &t));
    TRY(clock_settime(CLOCK_THREAD_CPUTIME_ID, &t));
}
