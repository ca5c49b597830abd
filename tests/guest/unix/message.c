#include "case.h"
#include <sys/socket.h>
#include <sys/un.h>

static int s[2];

static void make(int type)
{
    NEED(socketpair(AF_UNIX, type, 0, s) == 0);
}

union control {
    char buf[256];
    struct cmsghdr align;
};

static ssize_t send_fds(int fd, const int *fds, int n, const char *text)
{
    union control c = {.buf = ""};
    struct iovec v = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE((size_t)n * 4)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)n * 4);
    memcpy(CMSG_DATA(h), fds, (size_t)n * 4);
    return sendmsg(fd, &m, 0);
}

/* Receives and prints; the descriptors that came, at most 8, go to fds. */
static int receive(int fd, int *fds, size_t room, int flags, size_t bytes)
{
    union control c;
    char buf[64] = "";
    struct iovec v = {buf, bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = room};
    ssize_t r = recvmsg(fd, &m, flags | MSG_DONTWAIT);
    int n = 0;
    if (r < 0) {
        say("recvmsg: %s", errname(errno));
        return 0;
    }
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_type == SCM_RIGHTS) {
            n = (int)((h->cmsg_len - CMSG_LEN(0)) / 4);
            memcpy(fds, CMSG_DATA(h), (size_t)n * 4);
            say("descriptors: %d", n);
        } else if (h->cmsg_type == SCM_CREDENTIALS) {
            struct ucred u;
            memcpy(&u, CMSG_DATA(h), sizeof u);
            say("credentials: me %d parent %d uid %d gid %d", u.pid == getpid(), u.pid == getppid(), (int)u.uid,
                (int)u.gid);
        }
    }
    say("recvmsg: %zd \"%s\" flags %#x", r, buf, (unsigned)m.msg_flags & ~(unsigned)MSG_DONTWAIT);
    return n;
}

CASE(rights)
{
    int p[2], fds[8];
    char c = 0;
    make(SOCK_STREAM);
    NEED(pipe(p) == 0);
    TRY(send_fds(s[0], p, 2, "two"));
    close(p[0]);
    close(p[1]);
    receive(s[1], fds, 256, 0, 64);
    TRY(write(fds[1], "z", 1));
    TRY(read(fds[0], &c, 1));
    SHOW(fcntl(fds[0], F_GETFD));
    TRY(send_fds(s[0], fds, 1, "x"));
    receive(s[1], fds, 256, MSG_CMSG_CLOEXEC, 64);
    SHOW(fcntl(fds[0], F_GETFD));
}

CASE(rights_share_the_description)
{
    int fds[8];
    write_file("f", "abcdef", 0644);
    make(SOCK_STREAM);
    int f = open("f", O_RDONLY);
    pid_t pid;
    CHILD(pid)
    {
        char buf[3];
        receive(s[1], fds, 256, 0, 64);
        read(fds[0], buf, 3);
    }
    send_fds(s[0], &f, 1, "x");
    reap(pid);
    SHOW(lseek(f, 0, SEEK_CUR));
}

CASE(rights_do_not_merge)
{
    int fds[8], f = 0;
    make(SOCK_STREAM);
    write(s[0], "ab", 2);
    send_fds(s[0], &f, 1, "cd");
    write(s[0], "ef", 2);
    receive(s[1], fds, 256, 0, 64);
    receive(s[1], fds, 256, 0, 64);
    receive(s[1], fds, 256, 0, 64);
}

CASE(rights_of_partly_read_message)
{
    int fds[8], f = 0;
    make(SOCK_STREAM);
    send_fds(s[0], &f, 1, "abcd");
    receive(s[1], fds, 256, 0, 1);
    receive(s[1], fds, 256, 0, 64);
}

CASE(control_truncated)
{
    int fds[8], f[3] = {0, 1, 2};
    make(SOCK_DGRAM);
    send_fds(s[0], f, 3, "x");
    receive(s[1], fds, CMSG_LEN(2 * 4), 0, 64);
    send_fds(s[0], f, 3, "x");
    receive(s[1], fds, 0, 0, 64);
    send_fds(s[0], f, 3, "x");
    receive(s[1], fds, CMSG_LEN(0), 0, 64);
}

CASE(rights_errors)
{
    int bad = 99, many[30];
    make(SOCK_STREAM);
    TRY(send_fds(s[0], &bad, 1, "x"));
    for (int i = 0; i < 30; i++)
        many[i] = 0;
    TRY(send_fds(s[0], many, 30, "x"));
    int none;
    TRY(send_fds(s[0], &none, 0, "x"));
    union control c = {.buf = ""};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = 5};
    TRY(sendmsg(s[0], &m, 0));
    m.msg_controllen = CMSG_SPACE(4);
    CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&m)->cmsg_type = 99;
    CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(4);
    TRY(sendmsg(s[0], &m, 0));
    m.msg_control = (void *)8;
    TRY(sendmsg(s[0], &m, 0));
    m.msg_control = NULL, m.msg_controllen = 0, m.msg_iovlen = 2000;
    TRY(sendmsg(s[0], &m, 0));
    TRY(sendmsg(s[0], (void *)8, 0));
    TRY(sendmsg(0, &m, 0));
}

CASE(descriptor_limit_of_the_receiver)
{
    int fds[8], f[3] = {0, 1, 2};
    make(SOCK_STREAM);
    send_fds(s[0], f, 3, "x");
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){6, 6});
    receive(s[1], fds, 256, 0, 64);
}

CASE(socket_sent_over_itself)
{
    int fds[8];
    make(SOCK_STREAM);
    TRY(send_fds(s[0], s, 2, "self"));
    close(s[0]);
    receive(s[1], fds, 256, 0, 64);
    TRY(write(fds[0], "x", 1));
}

CASE(unreceived_descriptors_are_closed)
{
    int p[2];
    char c;
    make(SOCK_STREAM);
    NEED(pipe(p) == 0);
    send_fds(s[0], &p[1], 1, "x");
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    TRY(read(p[0], &c, 1));
    close(s[0]);
    close(s[1]);
    TRY(read(p[0], &c, 1));
}

/* Whether everybody who could write to a pipe is gone, soon. Linux looks for sockets that nobody can receive any more when
 * one is closed, and the last close of one that is in flight is none. */
static int is_alone(int p)
{
    struct pollfd f = {p, POLLIN, 0};
    for (int i = 0; i < 100; i++) {
        close(socket(AF_UNIX, SOCK_STREAM, 0));
        if (poll(&f, 1, 100) == 1)
            return (f.revents & POLLHUP) != 0;
    }
    return 0;
}

CASE(sockets_that_only_hold_each_other_are_closed)
{
    int p[2], a[2], b[2];
    NEED(pipe(p) == 0);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, b) == 0);
    int set[] = {a[0], a[1], b[0], b[1], p[1]};
    TRY(send_fds(a[0], set, 5, "x"));
    TRY(send_fds(b[0], set, 4, "x"));
    for (int i = 0; i < 5; i++)
        close(set[i]);
    SHOW(is_alone(p[0]));
    /* One that can still be received keeps the others. */
    NEED(pipe(p) == 0);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
    TRY(send_fds(a[0], &p[1], 1, "x"));
    TRY(send_fds(b[0], a, 2, "y"));
    close(p[1]);
    close(a[0]);
    close(a[1]);
    close(socket(AF_UNIX, SOCK_STREAM, 0));
    msleep(50);
    struct pollfd f = {p[0], POLLIN, 0};
    TRY(poll(&f, 1, 0));
    int fds[8];
    receive(b[1], fds, 256, 0, 64);
    receive(fds[1], fds + 2, 256, 0, 64);
    TRY(write(fds[2], "z", 1));
    TRY(poll(&f, 1, 0));
}

CASE(long_chains_of_sockets_are_closed)
{
    int p[2], last, n[2];
    NEED(pipe(p) == 0);
    last = p[1];
    for (int i = 0; i < 3000; i++) {
        NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, n) == 0);
        NEED(send_fds(n[0], &last, 1, "x") == 1);
        close(last);
        close(n[0]);
        last = n[1];
    }
    close(last);
    SHOW(is_alone(p[0]));
}

CASE(credentials)
{
    int fds[8], on = 1;
    make(SOCK_DGRAM);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    write(s[0], "own", 3);
    receive(s[1], fds, 256, 0, 64);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 2000);
        write(s[0], "user", 4);
    }
    reap(pid);
    receive(s[1], fds, 256, 0, 64);
}

static ssize_t send_creds(int fd, pid_t pid, uid_t uid, gid_t gid)
{
    union control c = {.buf = ""};
    struct iovec v = {"c", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(12)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    struct ucred u = {pid, uid, gid};
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_CREDENTIALS;
    h->cmsg_len = CMSG_LEN(12);
    memcpy(CMSG_DATA(h), &u, 12);
    return sendmsg(fd, &m, 0);
}

CASE(credentials_given)
{
    int fds[8], on = 1;
    make(SOCK_STREAM);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    TRY(send_creds(s[0], getpid(), 5, 6));
    receive(s[1], fds, 256, 0, 64);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(send_creds(s[0], getpid(), 0, 0));
        TRY(send_creds(s[0], getppid(), 1000, 1000));
        TRY(send_creds(s[0], getpid(), 1000, 1000));
    }
    reap(pid);
    TRY(send_creds(s[0], 0x3fffffff, 0, 0));
}

static void tell_peer(const char *text, int fd, pid_t pid)
{
    struct ucred u = {0, 7, 7};
    socklen_t n = sizeof u;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) < 0)
        say("%s: %s", text, errname(errno));
    else
        say("%s: pid as expected %d uid %d gid %d", text, u.pid == pid, (int)u.uid, (int)u.gid);
}

CASE(peer_credentials)
{
    make(SOCK_STREAM);
    tell_peer("pair", s[0], getpid());
    struct sockaddr_un a = {AF_UNIX, "s"};
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    tell_peer("fresh", l, 0);
    bind(l, (void *)&a, sizeof a);
    chmod("s", 0777);
    listen(l, 1);
    pid_t pid, server = getpid();
    CHILD(pid)
    {
        become(1000, 2000);
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        connect(c, (void *)&a, sizeof a);
        tell_peer("server", c, server);
        pause();
    }
    int fd = accept(l, NULL, NULL);
    settle();
    tell_peer("client", fd, pid);
    kill(pid, SIGKILL);
    reap(pid);
}

CASE(several_messages_at_once)
{
    make(SOCK_DGRAM);
    struct iovec v[3] = {{"one", 3}, {"three", 5}, {"x", 1}};
    struct mmsghdr m[3] = {0};
    for (int i = 0; i < 3; i++)
        m[i].msg_hdr = (struct msghdr){.msg_iov = v + i, .msg_iovlen = 1};
    TRY(sendmmsg(s[0], m, 3, 0));
    say("%d %d %d", (int)m[0].msg_len, (int)m[1].msg_len, (int)m[2].msg_len);
    char buf[3][8] = {{0}};
    for (int i = 0; i < 3; i++)
        v[i] = (struct iovec){buf[i], 8};
    TRY(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
    say("%s %s %s", buf[0], buf[1], buf[2]);
    TRY(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
}
