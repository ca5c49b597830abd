#include "case.h"
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>

static int p[2];

static void make(void)
{
    NEED(pipe(p) == 0);
}

static void look(const char *text, int fd)
{
    struct pollfd f = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    int r = poll(&f, 1, 0);
    say("%s: %d %#x", text, r, (unsigned)f.revents);
}

CASE(pipe_states)
{
    static char big[65536];
    make();
    look("empty reader", p[0]);
    look("empty writer", p[1]);
    write(p[1], "x", 1);
    look("reader", p[0]);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    write(p[1], big, sizeof big);
    look("full writer", p[1]);
    close(p[1]);
    look("reader without writer", p[0]);
    while (read(p[0], big, sizeof big) > 0)
        ;
    look("drained", p[0]);
    make();
    close(p[0]);
    look("writer without reader", p[1]);
}

CASE(other_descriptors)
{
    write_file("f", "x", 0644);
    look("file", open("f", O_RDONLY));
    look("directory", open(".", O_RDONLY));
    look("null", open("/dev/null", O_RDWR));
    look("closed", 99);
    look("negative", -1);
    look("eventfd", eventfd(0, 0));
    look("eventfd with value", eventfd(3, 0));
    int s[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    look("socket", s[0]);
    write(s[1], "x", 1);
    look("socket with data", s[0]);
    shutdown(s[1], SHUT_WR);
    look("shut down for writing", s[0]);
    close(s[1]);
    look("closed peer", s[0]);
}

CASE(several)
{
    make();
    int e = eventfd(1, 0);
    struct pollfd f[4] = {{p[0], POLLIN, 0}, {-5, POLLIN, 77}, {e, POLLIN, 0}, {99, POLLIN, 0}};
    TRY(poll(f, 4, -1));
    for (int i = 0; i < 4; i++)
        SHOWX(f[i].revents);
}

CASE(arguments)
{
    struct pollfd f = {0, POLLIN, 0};
    struct timespec t = {0, -1};
    TRY(poll(NULL, 0, 0));
    TRY(poll((void *)8, 1, 0));
    TRY(syscall(SYS_poll, &f, 1 << 30, 0));
    TRY(ppoll(&f, 0, &t, NULL));
    t = (struct timespec){-1, 0};
    TRY(ppoll(&f, 0, &t, NULL));
    TRY(syscall(SYS_ppoll, &f, 0, 8, NULL, 8));
    uint64_t mask = 0;
    TRY(syscall(SYS_ppoll, &f, 0, NULL, &mask, 4));
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){10, 10});
    struct pollfd many[11];
    memset(many, -1, sizeof many);
    TRY(poll(many, 10, 0));
    TRY(poll(many, 11, 0));
}

CASE(wakes)
{
    make();
    pid_t pid;
    CHILD(pid)
    {
        msleep(80);
        write(p[1], "x", 1);
    }
    struct pollfd f = {p[0], POLLIN, 0};
    long start = now_ms();
    TRY(poll(&f, 1, 5000));
    tell_took("waited", now_ms() - start, 50, 3000);
    reap(pid);
    CHILD(pid) settle();
    close(p[1]);
    read(p[0], &(char){0}, 1);
    TRY(poll(&f, 1, 5000));
    SHOWX(f.revents);
    reap(pid);
}

CASE(ppoll_mask)
{
    sigset_t none;
    sigemptyset(&none);
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    struct timespec t = {2, 0};
    SHOW(got[SIGUSR1]);
    TRY(ppoll(NULL, 0, &t, &none));
    SHOW(got[SIGUSR1]);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    SHOW(sigismember(&now, SIGUSR1));
    /* A descriptor that is ready does not hide the signal for ever. */
    make();
    write(p[1], "x", 1);
    struct pollfd f = {p[0], POLLIN, 0};
    raise(SIGUSR1);
    TRY(ppoll(&f, 1, &t, &none));
    SHOW(got[SIGUSR1]);
}

CASE(ppoll_timeout_is_left_alone_by_the_library)
{
    struct timespec t = {0, 30000000};
    TRY(syscall(SYS_ppoll, NULL, 0, &t, NULL, 8));
    SHOW(t.tv_sec * 1000000000 + t.tv_nsec);
    handle(SIGUSR1, 0);
    t = (struct timespec){5, 0};
    pid_t pid = signal_later(getpid(), SIGUSR1, 50);
    TRY(syscall(SYS_ppoll, NULL, 0, &t, NULL, 8));
    SHOW(t.tv_sec == 4);
    reap(pid);
}

CASE(select)
{
    fd_set r, w, x;
    make();
    write(p[1], "x", 1);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&x);
    FD_SET(p[0], &r);
    FD_SET(p[1], &r);
    FD_SET(p[1], &w);
    FD_SET(p[0], &x);
    TRY(select(p[1] + 1, &r, &w, &x, NULL));
    say("%d %d %d %d", FD_ISSET(p[0], &r), FD_ISSET(p[1], &r), FD_ISSET(p[1], &w), FD_ISSET(p[0], &x));
    struct timeval t = {0, 0};
    FD_SET(99, &r);
    TRY(select(100, &r, NULL, NULL, &t));
    FD_CLR(99, &r);
    TRY(select(-1, &r, NULL, NULL, &t));
    TRY(select(0, NULL, NULL, NULL, &t));
    t.tv_usec = -1;
    TRY(select(0, NULL, NULL, NULL, &t));
    t = (struct timeval){-1, 0};
    TRY(select(0, NULL, NULL, NULL, &t));
    TRY(syscall(SYS_select, 1, 8, NULL, NULL, NULL));
    t = (struct timeval){0, 2000000};
    close(p[1]);
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    TRY(select(p[0] + 1, &r, NULL, NULL, &t));
}

CASE(pselect_mask)
{
    sigset_t none;
    sigemptyset(&none);
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    struct timespec t = {2, 0};
    TRY(pselect(0, NULL, NULL, NULL, &t, &none));
    SHOW(got[SIGUSR1]);
    TRY(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &t, 8));
}

static void *closes(void *arg)
{
    settle();
    write(p[1], "x", 1);
    return arg;
}

CASE(threads_poll_the_same)
{
    make();
    struct pollfd f = {p[0], POLLIN, 0};
    pthread_t t = thread(closes, NULL);
    TRY(poll(&f, 1, 5000));
    pthread_join(t, NULL);
}
