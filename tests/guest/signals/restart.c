#include "trial.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

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
