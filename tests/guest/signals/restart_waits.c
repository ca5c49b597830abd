#include "trial.h"
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/timerfd.h>

static uint32_t word;

static long do_nanosleep(void)
{
    struct timespec t = {0, 200000000}, left = {9, 9};
    long r = nanosleep(&t, &left);
    int saved = errno;
    if (r < 0)
        say("left is sane %d", left.tv_sec == 0 && left.tv_nsec > 20000000 && left.tv_nsec < 160000000);
    errno = saved;
    return r;
}

CASE(nanosleep)
{
    trial("nanosleep", do_nanosleep, NULL);
}

static long do_clock_nanosleep(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 200000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

CASE(clock_nanosleep_absolute)
{
    trial("clock_nanosleep", do_clock_nanosleep, NULL);
}

static pid_t child;

static long do_wait(void)
{
    if (!child)
        CHILD(child) msleep(200);
    long r = waitpid(child, NULL, 0);
    if (r < 0)
        return r;
    child = 0;
    return 0;
}

CASE(waitpid)
{
    trial("waitpid", do_wait, NULL);
}

static long do_futex(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static long do_futex_timeout(void)
{
    struct timespec t = {0, 250000000};
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
}

static void *wakes(void *arg)
{
    msleep(1000);
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return arg;
}

CASE(futex_wait)
{
    thread(wakes, NULL);
    trial("futex", do_futex, NULL);
}

CASE(futex_wait_with_timeout)
{
    trial("futex", do_futex_timeout, NULL);
}

static long do_flock(void)
{
    int fd = open("f", O_RDWR);
    long r = flock(fd, LOCK_EX);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}


CASE(flock)
{
    write_file("f", "", 0644);
    for (int i = 0; i < 2; i++) {
        int p[2];
        NEED(pipe(p) == 0);
        pid_t pid;
        CHILD(pid)
        {
            int fd = open("f", O_RDWR);
            flock(fd, LOCK_EX);
            write(p[1], "x", 1);
            msleep(300);
        }
        char c;
        read(p[0], &c, 1);
        handle(SIGUSR1, i ? SA_RESTART : 0);
        pid_t sender = signal_later(getpid(), SIGUSR1, 60);
        TRY(do_flock());
        reap(sender);
        reap(pid);
    }
}

static long do_eventfd(void)
{
    uint64_t v;
    return read(fds[0], &v, 8);
}

static void bump(void)
{
    uint64_t one = 1;
    write(fds[0], &one, 8);
}

CASE(eventfd_read)
{
    fds[0] = eventfd(0, 0);
    trial("read", do_eventfd, bump);
}

CASE(timerfd_read)
{
    fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(fds[0], 0, &(struct itimerspec){{0, 250000000}, {0, 250000000}}, NULL);
    trial("read", do_eventfd, NULL);
}

static long do_open_fifo(void)
{
    int fd = open("fifo", O_RDONLY);
    int saved = errno;
    close(fd);
    errno = saved;
    return fd < 0 ? -1 : 0;
}

static void open_other_end(void)
{
    close(open("fifo", O_WRONLY));
}

CASE(open_fifo)
{
    mkfifo("fifo", 0600);
    trial("open", do_open_fifo, open_other_end);
}

static long do_setlkw(void)
{
    int fd = open("f", O_RDWR);
    struct flock l = {.l_type = F_WRLCK};
    long r = fcntl(fd, F_SETLKW, &l);
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

CASE(fcntl_setlkw)
{
    write_file("f", "", 0644);
    int p[2];
    NEED(pipe(p) == 0);
    pid_t pid;
    CHILD(pid)
    {
        int fd = open("f", O_RDWR);
        struct flock l = {.l_type = F_WRLCK};
        fcntl(fd, F_SETLK, &l);
        write(p[1], "x", 1);
        msleep(600);
    }
    char c;
    read(p[0], &c, 1);
    trial("fcntl", do_setlkw, NULL);
    reap(pid);
}
