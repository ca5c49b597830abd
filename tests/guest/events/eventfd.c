#include "case.h"
#include <sys/eventfd.h>

static int put(int fd, uint64_t v)
{
    return (int)write(fd, &v, 8);
}

static long take(int fd)
{
    uint64_t v = 0;
    return read(fd, &v, 8) == 8 ? (long)v : -1;
}

CASE(counter)
{
    int fd;
    TRY(fd = eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC));
    TRY(take(fd));
    TRY(take(fd));
    TRY(put(fd, 3));
    TRY(put(fd, 4));
    TRY(take(fd));
    TRY(put(fd, 0));
    TRY(take(fd));
}

CASE(semaphore)
{
    int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    TRY(take(fd));
    TRY(take(fd));
    TRY(take(fd));
}

CASE(limits)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    TRY(put(fd, ~0ull));
    TRY(put(fd, ~0ull - 1));
    TRY(put(fd, 1));
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    SHOW(take(fd) == (long)(~0ull - 1));
}

CASE(arguments)
{
    char buf[16];
    TRY(eventfd(0, 0x100));
    int fd = eventfd(1, EFD_NONBLOCK);
    TRY(read(fd, buf, 7));
    TRY(write(fd, buf, 7));
    TRY(read(fd, buf, 16));
    TRY(read(fd, (void *)8, 8));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(pread(fd, buf, 8, 0));
    TRY(syscall(SYS_eventfd, 3));
}

CASE(blocks)
{
    int fd = eventfd(0, 0);
    pid_t pid;
    CHILD(pid)
    {
        msleep(80);
        put(fd, 9);
    }
    long start = now_ms();
    TRY(take(fd));
    tell_took("waited", now_ms() - start, 50, 3000);
    reap(pid);
}

CASE(writer_blocks)
{
    int fd = eventfd(0, 0);
    put(fd, ~0ull - 1);
    pid_t pid;
    CHILD(pid)
    {
        msleep(80);
        take(fd);
    }
    long start = now_ms();
    TRY(put(fd, 5));
    tell_took("waited", now_ms() - start, 50, 3000);
    TRY(take(fd));
    reap(pid);
}

CASE(proc_link)
{
    char path[64], link[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", eventfd(0, 0));
    TRY(readlink(path, link, 63));
    say("%s", link);
}
