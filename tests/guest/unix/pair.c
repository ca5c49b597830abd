#include "case.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int s[2];

static void make(int type)
{
    NEED(socketpair(AF_UNIX, type, 0, s) == 0);
}

CASE(creation)
{
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s));
    say("%d %#o", fcntl(s[0], F_GETFD), fcntl(s[0], F_GETFL));
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 1, s));
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 77, s));
    TRY(socketpair(AF_UNIX, SOCK_RAW, 0, s));
    TRY(socketpair(AF_UNIX, 99, 0, s));
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)8));
    TRY(socket(AF_UNIX, SOCK_STREAM, 0));
    TRY(socket(AF_UNIX, 99, 0));
    TRY(socket(AF_UNIX, SOCK_STREAM | 0x1000, 0));
    TRY(socket(9999, SOCK_STREAM, 0));
    TRY(socket(-1, SOCK_STREAM, 0));
}

CASE(stream)
{
    char buf[20] = "";
    make(SOCK_STREAM);
    TRY(write(s[0], "one", 3));
    TRY(write(s[0], "two", 3));
    TRY(recv(s[1], buf, 4, MSG_PEEK));
    TRY(recv(s[1], buf, 4, 0));
    say("%s", buf);
    TRY(recv(s[1], buf, 20, 0));
    TRY(recv(s[1], buf, 20, MSG_DONTWAIT));
    TRY(send(s[1], "back", 4, 0));
    TRY(read(s[0], buf, 20));
    TRY(write(s[0], "", 0));
    TRY(recv(s[1], buf, 20, MSG_DONTWAIT));
}

CASE(datagrams)
{
    char buf[20] = "";
    make(SOCK_DGRAM);
    TRY(send(s[0], "first", 5, 0));
    TRY(send(s[0], "second", 6, 0));
    TRY(send(s[0], "", 0, 0));
    TRY(recv(s[1], buf, 3, MSG_PEEK));
    TRY(recv(s[1], buf, 3, MSG_TRUNC));
    TRY(recv(s[1], buf, 20, 0));
    TRY(recv(s[1], buf, 20, 0));
    TRY(recv(s[1], buf, 20, MSG_DONTWAIT));
    close(s[1]);
    TRY(send(s[0], "x", 1, 0));
}

CASE(seqpacket)
{
    char buf[20] = "";
    make(SOCK_SEQPACKET);
    struct iovec v = {buf, 3};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    TRY(send(s[0], "first", 5, 0));
    TRY(send(s[0], "second", 6, 0));
    TRY(recvmsg(s[1], &m, 0));
    SHOWX(m.msg_flags);
    TRY(recv(s[1], buf, 20, 0));
    say("%.6s", buf);
    close(s[0]);
    TRY(recv(s[1], buf, 20, 0));
    signal(SIGPIPE, SIG_IGN);
    TRY(send(s[1], "x", 1, 0));
}

CASE(closed_peer)
{
    char buf[20];
    handle(SIGPIPE, 0);
    make(SOCK_STREAM);
    write(s[0], "left", 4);
    close(s[0]);
    TRY(read(s[1], buf, 20));
    TRY(read(s[1], buf, 20));
    TRY(send(s[1], "x", 1, MSG_NOSIGNAL));
    SHOW(got[SIGPIPE]);
    TRY(send(s[1], "x", 1, 0));
    SHOW(got[SIGPIPE]);
    make(SOCK_STREAM);
    write(s[1], "unread", 6);
    close(s[0]);
    /* Unread data at the peer's close is a reset. */
    TRY(read(s[1], buf, 20));
    TRY(read(s[1], buf, 20));
}

CASE(shutdown)
{
    char buf[20];
    signal(SIGPIPE, SIG_IGN);
    make(SOCK_STREAM);
    TRY(shutdown(s[0], SHUT_WR));
    TRY(write(s[0], "x", 1));
    TRY(read(s[1], buf, 20));
    TRY(write(s[1], "still", 5));
    TRY(read(s[0], buf, 20));
    TRY(shutdown(s[0], SHUT_RD));
    TRY(read(s[0], buf, 20));
    TRY(write(s[1], "x", 1));
    TRY(shutdown(s[0], 77));
    TRY(shutdown(0, SHUT_RD));
    TRY(shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD));
}

CASE(waitall_and_partial)
{
    char buf[20] = "";
    make(SOCK_STREAM);
    pid_t pid;
    CHILD(pid) for (int i = 0; i < 4; i++)
    {
        msleep(20);
        write(s[0], "abc", 3);
    }
    TRY(recv(s[1], buf, 12, MSG_WAITALL));
    say("%s", buf);
    reap(pid);
}

CASE(buffer_fills)
{
    static char big[4 << 20];
    make(SOCK_STREAM | SOCK_NONBLOCK);
    long n = write(s[0], big, sizeof big);
    SHOW(n > 4096 && n < (long)sizeof big);
    TRY(write(s[0], big, 1000));
    struct pollfd p = {s[0], POLLOUT, 0};
    TRY(poll(&p, 1, 0));
    long back = 0, r;
    while ((r = read(s[1], big, sizeof big)) > 0)
        back += r;
    SHOW(back == n);
    TRY(poll(&p, 1, 0));
    int q = -1;
    write(s[0], big, 10);
    TRY(ioctl(s[1], FIONREAD, &q));
    SHOW(q);
}

CASE(empty_messages_fill_it_too)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 2; i++) {
        make(types[i] | SOCK_NONBLOCK);
        int n = 0;
        while (n < 5000 && send(s[0], "", 0, 0) == 0)
            n++;
        SHOW(n > 100 && n < 1000);
        TRY(send(s[0], "", 0, 0));
        while (recv(s[1], NULL, 0, 0) == 0 && n > 0)
            n--;
        SHOW(n);
        TRY(send(s[0], "", 0, 0));
    }
}

CASE(options)
{
    int v = 77;
    socklen_t n = sizeof v;
    make(SOCK_STREAM);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n));
    say("%d %d", v, (int)n);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &v, &n));
    SHOW(v);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_PROTOCOL, &v, &n));
    SHOW(v);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &n));
    SHOW(v);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
    SHOW(v);
    TRY(getsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &v, &n));
    SHOW(v);
    v = 1;
    TRY(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &v, sizeof v));
    v = 40000;
    TRY(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
    TRY(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &n));
    SHOW(v);
    n = 2;
    TRY(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n));
    SHOW(n);
    TRY(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &v, 1));
    TRY(getsockopt(s[0], SOL_SOCKET, 9999, &v, &n));
    TRY(getsockopt(s[0], 9999, 1, &v, &n));
    TRY(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &n));
    TRY(getsockopt(s[0], SOL_SOCKET, SO_TYPE, (void *)8, &n));
}

CASE(receive_timeout)
{
    char c;
    make(SOCK_STREAM);
    struct timeval t = {0, 60000};
    TRY(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    long start = now_ms();
    TRY(read(s[0], &c, 1));
    tell_took("waited", now_ms() - start, 50, 2000);
    t.tv_usec = 2000000;
    TRY(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
}

CASE(names_of_unbound)
{
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    make(SOCK_STREAM);
    TRY(getsockname(s[0], (void *)&a, &n));
    say("%d %d", a.sun_family == AF_UNIX, (int)n);
    n = sizeof a;
    TRY(getpeername(s[0], (void *)&a, &n));
    SHOW(n);
    TRY(getpeername(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, &n));
    TRY(getsockname(0, (void *)&a, &n));
}

CASE(ping_pong)
{
    make(SOCK_STREAM);
    pid_t pid;
    CHILD(pid)
    {
        char c;
        close(s[0]);
        while (read(s[1], &c, 1) == 1)
            c++, write(s[1], &c, 1);
    }
    close(s[1]);
    char c = 0;
    for (int i = 0; i < 500; i++) {
        write(s[0], &c, 1);
        read(s[0], &c, 1);
    }
    close(s[0]);
    reap(pid);
    SHOW((unsigned char)c);
}

CASE(out_of_band_and_misc)
{
    make(SOCK_STREAM);
    char c;
    TRY(recv(s[0], &c, 1, MSG_DONTWAIT | MSG_ERRQUEUE));
    TRY(sendto(s[0], "x", 1, 0, (void *)&(struct sockaddr_un){AF_UNIX, "nowhere"}, sizeof(struct sockaddr_un)));
    TRY(lseek(s[0], 0, SEEK_SET));
    TRY(pread(s[0], &c, 1, 0));
    TRY(listen(s[0], 1));
    TRY(accept(s[0], NULL, NULL));
    struct stat st;
    TRY(fstat(s[0], &st));
    SHOW(S_ISSOCK(st.st_mode));
}
