#include "case.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int ep, p[2];

static void make(void)
{
    ep = epoll_create1(0);
    NEED(ep >= 0 && pipe(p) == 0);
}

static int ctl(int op, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u64 = 0x1234567800000000 + (uint64_t)fd};
    return epoll_ctl(ep, op, fd, &e);
}

static void wait_now(const char *text)
{
    struct epoll_event e[8];
    int n = epoll_wait(ep, e, 8, 0);
    char line[200] = "";
    for (int i = 0; i < n; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " fd %d %#x", (int)(e[i].data.u64 & 0xffff), e[i].events);
    say("%s: %d%s", text, n, line);
}

CASE(level)
{
    make();
    TRY(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN));
    wait_now("empty");
    write(p[1], "xy", 2);
    wait_now("data");
    wait_now("again");
    char c;
    read(p[0], &c, 1);
    wait_now("some left");
    read(p[0], &c, 1);
    wait_now("drained");
    close(p[1]);
    wait_now("hung up");
}

CASE(edge)
{
    char c;
    make();
    TRY(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET));
    write(p[1], "x", 1);
    wait_now("data");
    wait_now("again");
    write(p[1], "x", 1);
    wait_now("more");
    read(p[0], &c, 1);
    wait_now("after a read");
    ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET);
    wait_now("rearmed");
    close(p[1]);
    wait_now("closed");
}

CASE(edge_of_a_writer)
{
    static char big[65536];
    make();
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET);
    wait_now("writable");
    wait_now("again");
    write(p[1], big, sizeof big);
    wait_now("full");
    read(p[0], big, sizeof big);
    wait_now("emptied");
}

CASE(oneshot)
{
    make();
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT);
    write(p[1], "x", 1);
    wait_now("first");
    wait_now("disabled");
    write(p[1], "x", 1);
    wait_now("still");
    TRY(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
    wait_now("enabled");
}

CASE(control_errors)
{
    make();
    write_file("f", "", 0644);
    int file = open("f", O_RDONLY);
    TRY(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN));
    TRY(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN));
    TRY(ctl(EPOLL_CTL_MOD, p[1], EPOLLIN));
    TRY(ctl(EPOLL_CTL_DEL, p[1], 0));
    TRY(ctl(EPOLL_CTL_ADD, 99, EPOLLIN));
    TRY(ctl(EPOLL_CTL_ADD, file, EPOLLIN));
    TRY(ctl(EPOLL_CTL_ADD, open(".", O_RDONLY), EPOLLIN));
    TRY(ctl(EPOLL_CTL_ADD, ep, EPOLLIN));
    TRY(ctl(77, p[0], EPOLLIN));
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], NULL));
    TRY(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], NULL));
    TRY(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &(struct epoll_event){0}));
    TRY(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    TRY(epoll_create(0));
    TRY(epoll_create1(1));
    SHOW(fcntl(epoll_create1(EPOLL_CLOEXEC), F_GETFD));
    struct epoll_event e;
    TRY(epoll_wait(ep, &e, 0, 0));
    TRY(epoll_wait(ep, &e, -1, 0));
    TRY(epoll_wait(p[0], &e, 1, 0));
    TRY(epoll_wait(99, &e, 1, 0));
    TRY(epoll_wait(ep, (void *)8, 1, 0));
    TRY(read(ep, &e, 8));
}

CASE(closing_removes)
{
    make();
    write(p[1], "x", 1);
    int d = dup(p[0]);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    close(p[0]);
    /* The description lives on in the duplicate. */
    wait_now("duplicate open");
    close(d);
    wait_now("all closed");
}

CASE(nested)
{
    make();
    int outer = epoll_create1(0), inner = ep;
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    ep = outer;
    TRY(ctl(EPOLL_CTL_ADD, inner, EPOLLIN));
    wait_now("quiet");
    write(p[1], "x", 1);
    wait_now("ready");
    struct pollfd f = {outer, POLLIN, 0};
    TRY(poll(&f, 1, 0));
    read(p[0], &(char){0}, 1);
    wait_now("quiet again");
    ep = inner;
    TRY(ctl(EPOLL_CTL_ADD, outer, EPOLLIN));
}

CASE(nesting_depth)
{
    int chain[8];
    for (int i = 0; i < 8; i++) {
        chain[i] = epoll_create1(0);
        if (i) {
            ep = chain[i];
            say("%d: %s", i, ctl(EPOLL_CTL_ADD, chain[i - 1], EPOLLIN) ? errname(errno) : "ok");
        }
    }
}

CASE(exclusive)
{
    make();
    TRY(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
    TRY(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN));
    TRY(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT));
    TRY(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
    int inner = epoll_create1(0);
    TRY(ctl(EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE));
    write(p[1], "x", 1);
    wait_now("ready");
}

CASE(many_ready_take_turns)
{
    int e[4], seen = 0;
    ep = epoll_create1(0);
    for (int i = 0; i < 4; i++)
        ctl(EPOLL_CTL_ADD, e[i] = eventfd(1, 0), EPOLLIN);
    for (int i = 0; i < 4; i++) {
        struct epoll_event v;
        NEED(epoll_wait(ep, &v, 1, 0) == 1);
        seen |= 1 << ((int)(v.data.u64 & 0xffff) - e[0]);
    }
    SHOW(seen);
}

CASE(timeouts)
{
    make();
    struct epoll_event e;
    long start = now_ms();
    TRY(epoll_wait(ep, &e, 1, 60));
    tell_took("waited", now_ms() - start, 60, 2000);
    struct timespec t = {0, 60000000};
    start = now_ms();
    TRY(syscall(441, ep, &e, 1, &t, NULL, 8));
    tell_took("waited", now_ms() - start, 60, 2000);
    t.tv_nsec = -1;
    TRY(syscall(441, ep, &e, 1, &t, NULL, 8));
}

CASE(pwait_mask)
{
    make();
    sigset_t none;
    sigemptyset(&none);
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    struct epoll_event e;
    TRY(epoll_pwait(ep, &e, 1, 2000, &none));
    SHOW(got[SIGUSR1]);
}

static void *waits(void *arg)
{
    struct epoll_event e;
    atomic_fetch_add((_Atomic int *)arg, epoll_wait(ep, &e, 1, 3000));
    return NULL;
}

CASE(woken_by_another_thread)
{
    make();
    _Atomic int n = 0;
    pthread_t t = thread(waits, (void *)&n);
    settle();
    ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT);
    pthread_join(t, NULL);
    SHOW(n);
}

CASE(edge_wakes_one_of_two)
{
    make();
    _Atomic int n = 0;
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET);
    pthread_t t = thread(waits, (void *)&n), u = thread(waits, (void *)&n);
    settle();
    write(p[1], "x", 1);
    settle();
    SHOW(n);
    write(p[1], "x", 1);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    SHOW(n);
}

CASE(inherited)
{
    make();
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    pid_t pid;
    CHILD(pid)
    {
        write(p[1], "x", 1);
        wait_now("child");
        ctl(EPOLL_CTL_DEL, p[0], 0);
    }
    reap(pid);
    wait_now("parent");
}

CASE(socket_events)
{
    int s[2];
    ep = epoll_create1(0);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    ctl(EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    wait_now("fresh");
    write(s[1], "x", 1);
    wait_now("data");
    shutdown(s[1], SHUT_WR);
    wait_now("half closed");
    close(s[1]);
    wait_now("closed");
}
