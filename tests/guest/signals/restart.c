#include "case.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

/* What a handler's signal does to each call that blocks: the call is made with and without SA_RESTART, the signal comes
 * after 60 ms, and 250 ms after the start the thing waited for happens. */

typedef long (*blocking)(void);
typedef void (*release)(void);

static int fds[2];
static uint32_t word;

static void trial(const char *text, blocking call, release let_go)
{
    for (int restart = 0; restart < 2; restart++) {
        got[SIGUSR1] = 0;
        handle(SIGUSR1, restart ? SA_RESTART : 0);
        pid_t sender = signal_later(getpid(), SIGUSR1, 60), helper = 0;
        if (let_go)
            CHILD(helper)
            {
                msleep(250);
                let_go();
            }
        errno = 0;
        long r = call();
        say("%s %s: %ld %s signals %d", text, restart ? "with SA_RESTART" : "without", r, r < 0 ? errname(errno) : "",
            (int)got[SIGUSR1]);
        reap(sender);
        if (helper) {
            kill(helper, SIGKILL);
            reap(helper);
        }
    }
}

static void new_pipe(void)
{
    NEED(pipe(fds) == 0);
}

static long do_read(void)
{
    char c;
    return read(fds[0], &c, 1);
}

static void do_write(void)
{
    write(fds[1], "x", 1);
}

CASE(read_pipe)
{
    new_pipe();
    trial("read", do_read, do_write);
}

static long do_readv(void)
{
    char c;
    struct iovec v = {&c, 1};
    return readv(fds[0], &v, 1);
}

CASE(readv_pipe)
{
    new_pipe();
    trial("readv", do_readv, do_write);
}

static long fill(void)
{
    static char big[200000];
    return write(fds[1], big, sizeof big);
}

static void drain(void)
{
    static char big[65536];
    for (int i = 0; i < 200; i++) {
        read(fds[0], big, sizeof big);
        msleep(5);
    }
}

CASE(write_pipe_partial)
{
    new_pipe();
    handle(SIGUSR1, 0);
    pid_t sender = signal_later(getpid(), SIGUSR1, 60);
    /* What fitted was written, so the signal does not make it fail. */
    TRY(fill());
    reap(sender);
}

static long write_one(void)
{
    return write(fds[1], "x", 1);
}

CASE(write_pipe_full)
{
    new_pipe();
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    fill();
    fcntl(fds[1], F_SETFL, 0);
    trial("write", write_one, drain);
}

static long do_recv(void)
{
    char c;
    return recv(fds[0], &c, 1, 0);
}

CASE(recv_socket)
{
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    trial("recv", do_recv, do_write);
}

CASE(recv_with_timeout)
{
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    struct timeval t = {1, 0};
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    trial("recv", do_recv, do_write);
}

static long do_accept(void)
{
    return accept(fds[0], NULL, NULL) < 0 ? -1 : 0;
}

static void do_connect(void)
{
    struct sockaddr_un a = {AF_UNIX, "s"};
    connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a);
}

CASE(accept_socket)
{
    struct sockaddr_un a = {AF_UNIX, "s"};
    fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    NEED(bind(fds[0], (void *)&a, sizeof a) == 0 && listen(fds[0], 4) == 0);
    trial("accept", do_accept, do_connect);
}

static long do_poll(void)
{
    return poll(&(struct pollfd){fds[0], POLLIN, 0}, 1, 2000);
}

CASE(poll)
{
    new_pipe();
    trial("poll", do_poll, do_write);
}

static long do_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    return select(fds[0] + 1, &set, NULL, NULL, &(struct timeval){2, 0});
}

CASE(select)
{
    new_pipe();
    trial("select", do_select, do_write);
}

static int epoll;

static long do_epoll(void)
{
    struct epoll_event e;
    return epoll_wait(epoll, &e, 1, 2000);
}

CASE(epoll_wait)
{
    new_pipe();
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &(struct epoll_event){.events = EPOLLIN});
    trial("epoll_wait", do_epoll, do_write);
}

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
