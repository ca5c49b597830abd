#include "case.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strncpy(a.sun_path, path, sizeof a.sun_path - 1);
    return a;
}

static int bind_to(int fd, const char *path)
{
    struct sockaddr_un a = address(path);
    return bind(fd, (void *)&a, sizeof a);
}

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un a = address(path);
    return connect(fd, (void *)&a, sizeof a);
}

static int stream(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

CASE(connection)
{
    int l = stream(), c = stream(), a;
    char buf[10] = "";
    TRY(bind_to(l, "s"));
    TRY(connect_to(c, "s"));
    TRY(listen(l, 5));
    TRY(connect_to(c, "s"));
    TRY(connect_to(c, "s"));
    TRY(a = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    say("%d %#o", fcntl(a, F_GETFD), fcntl(a, F_GETFL));
    TRY(write(c, "hello", 5));
    TRY(read(a, buf, 10));
    struct sockaddr_un n;
    socklen_t len = sizeof n;
    TRY(getpeername(c, (void *)&n, &len));
    say("%s %d", n.sun_path, (int)len);
    len = sizeof n;
    TRY(getsockname(a, (void *)&n, &len));
    say("%s %d", n.sun_path, (int)len);
    len = sizeof n;
    TRY(getpeername(a, (void *)&n, &len));
    SHOW(len);
    TRY(accept4(l, NULL, NULL, 0x100));
}

CASE(bind_errors)
{
    struct stat st;
    int s = stream();
    write_file("f", "", 0644);
    mkdir("d", 0755);
    TRY(bind_to(s, "f"));
    TRY(bind_to(s, "missing/s"));
    TRY(bind_to(s, "f/s"));
    TRY(bind_to(s, "s"));
    TRY(bind_to(s, "t"));
    TRY(bind_to(stream(), "s"));
    stat("s", &st);
    SHOW(S_ISSOCK(st.st_mode));
    TRY(bind(stream(), (void *)&(struct sockaddr_un){AF_UNIX, ""}, 1));
    TRY(bind(stream(), (void *)&(struct sockaddr_un){AF_INET, "x"}, 20));
    TRY(bind(stream(), (void *)&(struct sockaddr_un){AF_UNIX, "x"}, 200));
    TRY(bind(0, (void *)&(struct sockaddr_un){AF_UNIX, "x"}, 20));
    TRY(bind(stream(), (void *)8, 20));
}

CASE(connect_errors)
{
    int l = stream();
    write_file("f", "", 0644);
    bind_to(l, "s");
    TRY(connect_to(stream(), "missing"));
    TRY(connect_to(stream(), "f"));
    TRY(connect_to(stream(), "s"));
    listen(l, 5);
    TRY(connect_to(socket(AF_UNIX, SOCK_DGRAM, 0), "s"));
    TRY(connect_to(socket(AF_UNIX, SOCK_SEQPACKET, 0), "s"));
    close(l);
    TRY(connect_to(stream(), "s"));
    TRY(connect(stream(), (void *)&(struct sockaddr_un){AF_UNIX, ""}, 2));
    TRY(open("s", O_RDWR));
    pid_t pid;
    l = stream();
    bind_to(l, "t");
    listen(l, 1);
    chmod("t", 0600);
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(connect_to(stream(), "t"));
    }
    reap(pid);
}

CASE(backlog)
{
    int l = stream();
    bind_to(l, "s");
    listen(l, 1);
    for (int i = 0; i < 4; i++)
        TRY(connect_to(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), "s"));
    fcntl(l, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3; i++)
        OKAY(accept(l, NULL, NULL));
}

CASE(accept_waits)
{
    int l = stream();
    bind_to(l, "s");
    listen(l, 1);
    struct pollfd p = {l, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    pid_t pid;
    CHILD(pid)
    {
        msleep(80);
        int c = stream();
        connect_to(c, "s");
        write(c, "hi", 2);
        settle();
    }
    char buf[4];
    TRY(poll(&p, 1, 5000));
    SHOWX(p.revents);
    int a = accept(l, NULL, NULL);
    TRY(read(a, buf, 4));
    TRY(read(a, buf, 4));
    reap(pid);
}

CASE(abstract)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX}, n;
    snprintf(a.sun_path + 1, 60, "oracle-%d", getpid());
    socklen_t len = (socklen_t)(3 + strlen(a.sun_path + 1));
    int l = stream(), c = stream();
    TRY(bind(l, (void *)&a, len));
    TRY(bind(stream(), (void *)&a, len));
    TRY(listen(l, 1));
    TRY(connect(c, (void *)&a, len));
    TRY(connect(stream(), (void *)&a, len + 1));
    socklen_t got_len = sizeof n;
    getpeername(c, (void *)&n, &got_len);
    SHOW(got_len == len && memcmp(&n, &a, len) == 0);
    close(l);
    TRY(connect(stream(), (void *)&a, len));
}

CASE(autobind)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof a;
    int s = stream();
    TRY(bind(s, (void *)&a, sizeof(sa_family_t)));
    TRY(getsockname(s, (void *)&a, &len));
    say("%d %d", (int)len, a.sun_path[0]);
}

CASE(datagram_names)
{
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un to = address("b"), from;
    socklen_t len = sizeof from;
    char buf[10] = "";
    bind_to(b, "b");
    TRY(sendto(a, "anon", 4, 0, (void *)&to, sizeof to));
    TRY(recvfrom(b, buf, 10, 0, (void *)&from, &len));
    SHOW(len);
    bind_to(a, "a");
    TRY(sendto(a, "named", 5, 0, (void *)&to, sizeof to));
    len = sizeof from;
    TRY(recvfrom(b, buf, 10, 0, (void *)&from, &len));
    say("%s", from.sun_path);
    TRY(sendto(b, "reply", 5, 0, (void *)&from, len));
    TRY(recv(a, buf, 10, 0));
    TRY(send(a, "x", 1, 0));
    TRY(connect_to(a, "b"));
    TRY(send(a, "x", 1, 0));
    TRY(connect(a, (void *)&(struct sockaddr){AF_UNSPEC, ""}, sizeof(sa_family_t)));
    TRY(send(a, "x", 1, 0));
    close(b);
    TRY(sendto(a, "x", 1, 0, (void *)&to, sizeof to));
    unlink("b");
    TRY(sendto(a, "x", 1, 0, (void *)&to, sizeof to));
}

CASE(unlinked_socket_still_listens)
{
    int l = stream(), c = stream();
    bind_to(l, "s");
    listen(l, 1);
    connect_to(c, "s");
    unlink("s");
    TRY(connect_to(stream(), "s"));
    int a;
    OKAY(a = accept(l, NULL, NULL));
    TRY(write(c, "x", 1));
    char b;
    TRY(read(a, &b, 1));
    TRY(bind_to(stream(), "s"));
}

CASE(renamed_and_linked)
{
    int l = stream();
    bind_to(l, "s");
    listen(l, 4);
    TRY(rename("s", "t"));
    TRY(link("t", "u"));
    symlink("u", "v");
    TRY(connect_to(stream(), "t"));
    TRY(connect_to(stream(), "u"));
    TRY(connect_to(stream(), "v"));
    TRY(connect_to(stream(), "s"));
}

CASE(closed_listener)
{
    int l = stream(), c = stream();
    char b;
    bind_to(l, "s");
    listen(l, 4);
    connect_to(c, "s");
    close(l);
    TRY(read(c, &b, 1));
    signal(SIGPIPE, SIG_IGN);
    TRY(write(c, "x", 1));
}
