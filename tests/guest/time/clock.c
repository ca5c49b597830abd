#include "case.h"
#include <sys/timex.h>

/* Without the alarm clocks: whether they exist is the hardware's. */
static const clockid_t clocks[] = {CLOCK_REALTIME,      CLOCK_MONOTONIC,       CLOCK_PROCESS_CPUTIME_ID,
                                   CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                                   CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};

static long raw_ns(clockid_t c)
{
    struct timespec t;
    if (syscall(SYS_clock_gettime, c, &t) < 0)
        return -1;
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static long ns(clockid_t c)
{
    struct timespec t;
    if (clock_gettime(c, &t) < 0)
        return -1;
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

CASE(gettime)
{
    struct timespec t;
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        long r = syscall(SYS_clock_gettime, clocks[i], &t);
        say("%d: %s valid %d", clocks[i], r ? errname(errno) : "ok", r || (t.tv_nsec >= 0 && t.tv_nsec < 1000000000));
    }
    TRY(syscall(SYS_clock_gettime, 10, &t));
    TRY(syscall(SYS_clock_gettime, 99, &t));
    TRY(syscall(SYS_clock_gettime, -1, &t));
    TRY(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8));
}

CASE(getres)
{
    struct timespec t;
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        long r = syscall(SYS_clock_getres, clocks[i], &t);
        say("%d: %s %d %d", clocks[i], r ? errname(errno) : "ok", (int)t.tv_sec,
            t.tv_nsec == 1 ? 1 : t.tv_nsec >= 1000000 && t.tv_nsec <= 10000000 ? 2 : 3);
    }
    TRY(clock_getres(99, &t));
    TRY(clock_getres(CLOCK_REALTIME, NULL));
    TRY(syscall(SYS_clock_getres, CLOCK_REALTIME, 8));
}

CASE(never_goes_back)
{
    clockid_t mono[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
                        CLOCK_THREAD_CPUTIME_ID};
    for (int i = 0; i < 5; i++) {
        long last = 0, back = 0;
        for (int k = 0; k < 2000; k++) {
            long t = k & 1 ? ns(mono[i]) : raw_ns(mono[i]);
            back += t < last;
            last = t;
        }
        say("%d: %ld", mono[i], back);
    }
}

CASE(library_and_call_agree)
{
    clockid_t same[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW};
    for (int i = 0; i < 5; i++) {
        int bad = 0;
        for (int k = 0; k < 200; k++) {
            long a = raw_ns(same[i]), b = ns(same[i]), c = raw_ns(same[i]);
            bad += !(a <= b && b <= c);
        }
        say("%d: %d", same[i], bad);
    }
}

CASE(clocks_relate)
{
    long a = ns(CLOCK_MONOTONIC), b = ns(CLOCK_BOOTTIME), c = ns(CLOCK_MONOTONIC_COARSE), d = ns(CLOCK_MONOTONIC);
    SHOW(b >= a);
    SHOW(c <= d && d - c < 100000000);
    struct timeval tv;
    long r = ns(CLOCK_REALTIME);
    gettimeofday(&tv, NULL);
    SHOW(tv.tv_sec * 1000000 + tv.tv_usec - r / 1000 < 1000000);
    SHOW(time(NULL) - r / 1000000000 <= 1);
    SHOW(time(NULL) > 1700000000);
    long e = ns(CLOCK_MONOTONIC);
    msleep(100);
    long took = ns(CLOCK_MONOTONIC) - e;
    SHOW(took >= 100000000 && took < 2000000000);
}

CASE(gettimeofday)
{
    struct timeval tv;
    struct timezone tz = {7, 7};
    TRY(syscall(SYS_gettimeofday, &tv, &tz));
    SHOW(tz.tz_minuteswest + tz.tz_dsttime);
    TRY(syscall(SYS_gettimeofday, NULL, NULL));
    TRY(syscall(SYS_gettimeofday, 8, NULL));
    time_t t;
    SHOW(syscall(SYS_time, &t) == t);
    TRY(syscall(SYS_time, 8));
}

CASE(setting_needs_privilege)
{
    become(1000, 1000);
    struct timespec t = {1000000000, 0};
    TRY(clock_settime(CLOCK_REALTIME, &t));
    TRY(clock_settime(CLOCK_MONOTONIC, &t));
    TRY(clock_settime(99, &t));
    t.tv_nsec = -1;
    TRY(clock_settime(CLOCK_REALTIME, &t));
    struct timeval tv = {1000000000, 0};
    TRY(settimeofday(&tv, NULL));
    struct timex x = {.modes = ADJ_FREQUENCY};
    TRY(adjtimex(&x));
}

CASE(file_times_follow_the_clock)
{
    struct stat st;
    long before = ns(CLOCK_REALTIME_COARSE) - 20000000;
    write_file("f", "x", 0644);
    stat("f", &st);
    long m = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    SHOW(m >= before && m <= ns(CLOCK_REALTIME));
}

CASE(in_threads_and_children)
{
    long a = ns(CLOCK_MONOTONIC);
    pid_t pid;
    CHILD(pid)
    {
        long b = ns(CLOCK_MONOTONIC);
        SHOW(b >= a && b - a < 5000000000);
    }
    reap(pid);
}

static void tell_clock(const char *what, clockid_t clock)
{
    struct timespec t = {0};
    long r = syscall(SYS_clock_gettime, clock, &t);
    say("%s: gettime %s", what, r ? errname(errno) : "0");
    r = syscall(SYS_clock_getres, clock, &t);
    say("%s: getres %s %ld", what, r ? errname(errno) : "0", r ? 0 : t.tv_nsec);
    t = (struct timespec){0, 1};
    r = syscall(SYS_clock_settime, clock, &t);
    say("%s: settime %s", what, r ? errname(errno) : "0");
    int id;
    r = syscall(SYS_timer_create, clock, NULL, &id);
    say("%s: timer_create %s", what, r ? errname(errno) : "0");
    t.tv_nsec = -1;
    r = syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &t, NULL);
    say("%s: nanosleep %s", what, r ? errname(errno) : "0");
}

CASE(clocks_by_number)
{
    become(1000, 1000);
    int self = getpid();
    for (int which = 0; which < 8; which++) {
        char name[32];
        sprintf(name, "own %d", which);
        tell_clock(name, (int)(~0u << 3 | (unsigned)which));
        sprintf(name, "by number %d", which);
        tell_clock(name, (int)(~(unsigned)self << 3 | (unsigned)which));
        sprintf(name, "nobody %d", which);
        tell_clock(name, (int)(~0x3ffffffu << 3 | (unsigned)which));
        sprintf(name, "parent %d", which);
        if (which != 0 && which != 1 && which != 2)
            tell_clock(name, (int)(~(unsigned)getppid() << 3 | (unsigned)which));
    }
    tell_clock("TAI", CLOCK_TAI);
    tell_clock("RAW", CLOCK_MONOTONIC_RAW);
    tell_clock("99", 99);
    tell_clock("10", 10);
}

CASE(reading_the_state_of_the_clock)
{
    struct timex x = {.modes = 0};
    SHOW(adjtimex(&x) >= 0);
    SHOW(x.tick);
    TRY(adjtimex((void *)8));
    TRY(clock_adjtime(CLOCK_MONOTONIC, &x));
    TRY(clock_adjtime(99, &x));
    x.modes = ADJ_OFFSET;
    become(1000, 1000);
    TRY(clock_adjtime(CLOCK_REALTIME, &x));
}
