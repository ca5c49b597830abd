#include "case.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

static struct itimerval ms(long first, long every)
{
    return (struct itimerval){{every / 1000, every % 1000 * 1000}, {first / 1000, first % 1000 * 1000}};
}

CASE(real)
{
    handle(SIGALRM, 0);
    struct itimerval v = ms(40, 0), old = {{9, 9}, {9, 9}};
    long start = now_ms();
    TRY(setitimer(ITIMER_REAL, &v, &old));
    /* The case itself has an alarm. */
    SHOW(old.it_value.tv_sec > 10);
    pause();
    tell_took("fired", now_ms() - start, 39, 2000);
    TRY(getitimer(ITIMER_REAL, &v));
    SHOW(v.it_value.tv_sec + v.it_value.tv_usec);
}

CASE(real_periodic)
{
    handle(SIGALRM, 0);
    struct itimerval v = ms(20, 20);
    long start = now_ms();
    setitimer(ITIMER_REAL, &v, NULL);
    while (got[SIGALRM] < 4)
        pause();
    tell_took("four", now_ms() - start, 78, 3000);
    v = ms(0, 20);
    TRY(setitimer(ITIMER_REAL, &v, NULL));
    TRY(getitimer(ITIMER_REAL, &v));
    SHOW(v.it_value.tv_sec + v.it_value.tv_usec + v.it_interval.tv_usec);
}

CASE(virtual_and_prof)
{
    int which[] = {ITIMER_VIRTUAL, ITIMER_PROF}, sigs[] = {SIGVTALRM, SIGPROF};
    for (int i = 0; i < 2; i++) {
        handle(sigs[i], 0);
        struct itimerval v = ms(50, 0);
        TRY(setitimer(which[i], &v, NULL));
        msleep(120);
        SHOW(got[sigs[i]]);
        while (!got[sigs[i]])
            ;
        say("%s fired", signame(sigs[i]));
    }
}

CASE(arguments)
{
    struct itimerval v = ms(0, 0);
    TRY(setitimer(7, &v, NULL));
    TRY(getitimer(7, &v));
    TRY(getitimer(ITIMER_REAL, (void *)8));
    TRY(setitimer(ITIMER_PROF, (void *)8, NULL));
    v.it_value.tv_usec = 1000000;
    TRY(setitimer(ITIMER_PROF, &v, NULL));
    v.it_value.tv_usec = -1;
    TRY(setitimer(ITIMER_PROF, &v, NULL));
    v.it_value = (struct timeval){-1, 0};
    TRY(setitimer(ITIMER_PROF, &v, NULL));
}

CASE(alarm)
{
    alarm(0);
    SHOW(alarm(100));
    SHOW(alarm(50));
    SHOW(alarm(0));
    SHOW(alarm(0));
    pid_t pid;
    CHILD(pid)
    {
        alarm(1);
        pause();
    }
    tell_wait("child", pid);
}

static struct itimerspec spec(long first, long every)
{
    return (struct itimerspec){{every / 1000, every % 1000 * 1000000}, {first / 1000, first % 1000 * 1000000}};
}

CASE(timerfd)
{
    int fd;
    TRY(fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    uint64_t n = 0;
    TRY(read(fd, &n, 8));
    struct itimerspec s = spec(30, 0), old;
    TRY(timerfd_settime(fd, 0, &s, &old));
    SHOW(old.it_value.tv_nsec);
    struct pollfd p = {fd, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    TRY(poll(&p, 1, 2000));
    TRY(read(fd, &n, 4));
    TRY(read(fd, &n, 8));
    SHOW(n);
    TRY(read(fd, &n, 8));
    TRY(poll(&p, 1, 0));
}

CASE(timerfd_periodic)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec s = spec(10, 10);
    timerfd_settime(fd, 0, &s, NULL);
    msleep(105);
    uint64_t n = 0;
    TRY(read(fd, &n, 8));
    SHOW(n >= 10 && n <= 40);
    TRY(read(fd, &n, 8));
    SHOW(n >= 1);
    TRY(timerfd_gettime(fd, &s));
    SHOW(s.it_interval.tv_nsec);
    SHOW(s.it_value.tv_nsec > 0 && s.it_value.tv_nsec <= 10000000);
}

CASE(timerfd_absolute)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    for (int i = 0; i < 3; i++) {
        int fd = timerfd_create(clocks[i], 0);
        struct itimerspec s = {0};
        uint64_t n = 0;
        clock_gettime(clocks[i], &s.it_value);
        s.it_value.tv_sec--;
        TRY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL));
        TRY(read(fd, &n, 8));
        SHOW(n);
    }
}

CASE(timerfd_disarmed_and_rearmed)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t n = 0;
    struct itimerspec s = spec(10, 10);
    timerfd_settime(fd, 0, &s, NULL);
    msleep(40);
    s = spec(0, 0);
    TRY(timerfd_settime(fd, 0, &s, NULL));
    TRY(read(fd, &n, 8));
    s = spec(10000, 0);
    TRY(timerfd_settime(fd, 0, &s, NULL));
    TRY(read(fd, &n, 8));
    s = spec(1, 0);
    timerfd_settime(fd, 0, &s, NULL);
    msleep(30);
    s = spec(10000, 0);
    /* Setting it again forgets what expired before. */
    timerfd_settime(fd, 0, &s, NULL);
    TRY(read(fd, &n, 8));
}

CASE(timerfd_arguments)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec s = {{0, 0}, {0, 1000000000}};
    TRY(timerfd_settime(fd, 0, &s, NULL));
    s = spec(1, 0);
    TRY(timerfd_settime(fd, 77, &s, NULL));
    TRY(timerfd_settime(0, 0, &s, NULL));
    TRY(timerfd_settime(99, 0, &s, NULL));
    TRY(timerfd_settime(fd, 0, (void *)8, NULL));
    TRY(timerfd_gettime(0, &s));
    TRY(timerfd_create(99, 0));
    TRY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    TRY(timerfd_create(CLOCK_MONOTONIC, 77));
    TRY(write(fd, "12345678", 8));
    TRY(lseek(fd, 0, SEEK_SET));
}

CASE(prof_periodic)
{
    handle(SIGPROF, 0);
    struct itimerval v = ms(20, 20);
    setitimer(ITIMER_PROF, &v, NULL);
    clock_t end = clock() + 210000;
    while (clock() < end)
        ;
    v = ms(0, 0);
    struct itimerval old;
    TRY(setitimer(ITIMER_PROF, &v, &old));
    SHOW(got[SIGPROF] >= 5 && got[SIGPROF] <= 11);
    SHOW(old.it_interval.tv_usec);
    SHOW(last_info.si_code == SI_KERNEL);
}

CASE(survives_ignored_signals)
{
    signal(SIGALRM, SIG_IGN);
    struct itimerval v = ms(10, 10);
    setitimer(ITIMER_REAL, &v, NULL);
    settle();
    handle(SIGALRM, 0);
    raise(SIGALRM);
    msleep(50);
    SHOW(got[SIGALRM]);
    kill(getpid(), SIGALRM);
    for (int i = 0; i < 50 && got[SIGALRM] < 4; i++)
        msleep(10);
    SHOW(got[SIGALRM] >= 4);
}

CASE(cpu_time_survives_exec)
{
    pid_t pid;
    CHILD(pid)
    {
        clock_t end = clock() + 60000;
        while (clock() < end)
            ;
        execl("/bin/true", "true", NULL);
    }
    struct rusage ru;
    int status;
    NEED(wait4(pid, &status, 0, &ru) == pid);
    tell_took("used", (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000,
              58, 300);
    SHOW(ru.ru_minflt > 0);
}

CASE(timerfd_and_epoll)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), ep = epoll_create1(0);
    struct epoll_event e = {EPOLLIN | EPOLLET, {.u64 = 7}}, out;
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    TRY(epoll_wait(ep, &out, 1, 0));
    struct itimerspec s = spec(20, 20);
    timerfd_settime(fd, 0, &s, NULL);
    TRY(epoll_wait(ep, &out, 1, 2000));
    /* Unread it rests, and is not told of again. */
    TRY(epoll_wait(ep, &out, 1, 100));
    uint64_t n = 0;
    TRY(read(fd, &n, 8));
    SHOW(n >= 4);
    TRY(epoll_wait(ep, &out, 1, 2000));
    TRY(read(fd, &n, 8));
    SHOW(n);
}

CASE(timerfd_is_shared_with_children)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec s = spec(50, 0);
    timerfd_settime(fd, 0, &s, NULL);
    pid_t pid;
    uint64_t n = 0;
    CHILD(pid)
    {
        TRY(read(fd, &n, 8));
        SHOW(n);
    }
    reap(pid);
    TRY(timerfd_gettime(fd, &s));
    SHOW(s.it_value.tv_sec + s.it_value.tv_nsec);
}

CASE(timerfd_cancelled_by_setting)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec s = {0};
    clock_gettime(CLOCK_REALTIME, &s.it_value);
    s.it_value.tv_sec += 100;
    uint64_t n;
    TRY(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL));
    TRY(read(fd, &n, 8));
    TRY(timerfd_settime(fd, TFD_TIMER_CANCEL_ON_SET, &s, NULL));
    TRY(timerfd_settime(fd, 4, &s, NULL));
}

CASE(timerfd_info)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, 0);
    struct itimerspec s = {{5, 0}, {1, 0}};
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL);
    settle();
    char path[64], text[512];
    sprintf(path, "/proc/self/fdinfo/%d", fd);
    NEED(slurp(path, text, sizeof text) > 0);
    char *from = strstr(text, "clockid"), *to = strstr(text, "it_value");
    NEED(from && to);
    say("%.*s", (int)(to - from), from);
    SHOW(strstr(text, "it_interval: (5, 0)") != NULL);
}
