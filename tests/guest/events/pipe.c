#include "case.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static int p[2];
static char big[300000];

static void make(int flags)
{
    NEED(pipe2(p, flags) == 0);
}

CASE(basics)
{
    char buf[10] = "";
    TRY(pipe2(p, O_CLOEXEC | O_NONBLOCK));
    SHOW(fcntl(p[0], F_GETFD));
    say("%#o %#o", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL));
    TRY(write(p[1], "abcdef", 6));
    TRY(read(p[0], buf, 4));
    TRY(read(p[0], buf, 10));
    TRY(read(p[0], buf, 10));
    TRY(read(p[1], buf, 1));
    TRY(write(p[0], buf, 1));
    TRY(pipe2(p, 0x1));
    TRY(pipe2((int *)8, 0));
    TRY(write(p[1], "", 0));
    TRY(read(p[0], buf, 0));
}

CASE(closed_ends)
{
    char buf[10];
    signal(SIGPIPE, SIG_IGN);
    make(0);
    write(p[1], "xy", 2);
    close(p[1]);
    TRY(read(p[0], buf, 10));
    TRY(read(p[0], buf, 10));
    make(0);
    close(p[0]);
    TRY(write(p[1], "x", 1));
    TRY(write(p[1], "", 0));
    pid_t pid;
    CHILD(pid)
    {
        signal(SIGPIPE, SIG_DFL);
        write(p[1], "x", 1);
    }
    tell_wait("child", pid);
}

CASE(capacity)
{
    make(O_NONBLOCK);
    TRY(fcntl(p[0], F_GETPIPE_SZ));
    TRY(write(p[1], big, sizeof big));
    TRY(write(p[1], big, 1));
    int n;
    TRY(ioctl(p[0], FIONREAD, &n));
    SHOW(n);
    TRY(read(p[0], big, 4096));
    TRY(write(p[1], big, 4096));
    TRY(write(p[1], big, 1));
}

CASE(resize)
{
    make(O_NONBLOCK);
    TRY(fcntl(p[0], F_SETPIPE_SZ, 4096));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 5000));
    TRY(write(p[1], big, sizeof big));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 4096));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 131072));
    TRY(write(p[1], big, sizeof big));
    TRY(fcntl(p[0], F_SETPIPE_SZ, 0));
    TRY(fcntl(p[0], F_SETPIPE_SZ, -1));
    become(1000, 1000);
    TRY(fcntl(p[0], F_SETPIPE_SZ, 64 << 20));
}

CASE(small_writes_are_atomic)
{
    make(0);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    NEED(write(p[1], big, 65536) == 65536);
    read(p[0], big, 1000);
    TRY(write(p[1], big, 4096));
    read(p[0], big, 3096);
    TRY(write(p[1], big, 4096));
}

CASE(interleaved_writers)
{
    make(0);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        CHILD(pids[i])
        {
            char line[512];
            memset(line, 'a' + i, sizeof line);
            for (int k = 0; k < 200; k++)
                write(p[1], line, sizeof line);
        }
    close(p[1]);
    char line[512];
    int torn = 0, n = 0;
    for (;;) {
        size_t have = 0;
        ssize_t r;
        while (have < sizeof line && (r = read(p[0], line + have, sizeof line - have)) > 0)
            have += (size_t)r;
        if (have < sizeof line)
            break;
        n++;
        for (size_t i = 1; i < sizeof line; i++)
            torn += line[i] != line[0];
    }
    for (int i = 0; i < 3; i++)
        reap(pids[i]);
    SHOW(n);
    SHOW(torn);
}

CASE(blocking_transfer)
{
    make(0);
    pid_t pid;
    CHILD(pid)
    {
        close(p[1]);
        long sum = 0;
        ssize_t n;
        while ((n = read(p[0], big, 7777)) > 0)
            for (ssize_t i = 0; i < n; i++)
                sum = (sum * 31 + big[i]) % 1000003;
        SHOW(sum);
    }
    close(p[0]);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i % 251);
    TRY(write(p[1], big, sizeof big));
    close(p[1]);
    reap(pid);
}

CASE(packets)
{
    char buf[100];
    make(O_DIRECT);
    TRY(write(p[1], "one", 3));
    TRY(write(p[1], "second", 6));
    TRY(read(p[0], buf, 100));
    TRY(read(p[0], buf, 2));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    TRY(read(p[0], buf, 100));
}

CASE(fifo)
{
    char buf[10] = "";
    TRY(mkfifo("f", 0600));
    TRY(open("f", O_WRONLY | O_NONBLOCK));
    int r, w;
    TRY(r = open("f", O_RDONLY | O_NONBLOCK));
    TRY(read(r, buf, 10));
    TRY(w = open("f", O_WRONLY));
    TRY(read(r, buf, 10));
    TRY(write(w, "hello", 5));
    TRY(read(r, buf, 10));
    close(w);
    TRY(read(r, buf, 10));
    TRY(w = open("f", O_RDWR));
    TRY(write(w, "self", 4));
    TRY(read(w, buf, 10));
    struct stat st;
    fstat(w, &st);
    SHOW(S_ISFIFO(st.st_mode));
    unlink("f");
    TRY(write(w, "x", 1));
    TRY(read(r, buf, 10));
}

CASE(fifo_rendezvous)
{
    mkfifo("f", 0600);
    pid_t pid;
    CHILD(pid)
    {
        long start = now_ms();
        int w = open("f", O_WRONLY);
        tell_took("open waits for a reader", now_ms() - start, 50, 3000);
        write(w, "met", 3);
    }
    msleep(150);
    char buf[10] = "";
    int r = open("f", O_RDONLY);
    TRY(read(r, buf, 10));
    TRY(read(r, buf, 10));
    reap(pid);
}

CASE(fifo_of_two_processes_closes)
{
    mkfifo("f", 0600);
    pid_t pid;
    CHILD(pid)
    {
        int w = open("f", O_WRONLY);
        write(w, "1", 1);
        close(w);
        w = open("f", O_WRONLY);
        write(w, "2", 1);
    }
    char c;
    int r = open("f", O_RDWR);
    TRY(read(r, &c, 1));
    TRY(read(r, &c, 1));
    say("%c", c);
    reap(pid);
}

CASE(owner_and_mode)
{
    int p[2], s[2];
    struct stat st;
    NEED(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    TRY(fchmod(p[0], 0640));
    TRY(fchown(p[1], 1000, -1));
    TRY(fstat(p[1], &st));
    say("%o %u %u", st.st_mode, st.st_uid, st.st_gid);
    TRY(fchmod(s[0], 0600));
    TRY(fchown(s[0], 1000, 1000));
    TRY(fstat(s[0], &st));
    say("%o %u %u", st.st_mode, st.st_uid, st.st_gid);
    TRY(fstat(s[1], &st));
    say("%u", st.st_uid);
    become(2000, 2000);
    TRY(fchmod(p[0], 0777));
    TRY(fchown(p[0], 2000, -1));
    TRY(write(p[1], "x", 1));
}
