#include "case.h"
#include <sys/ioctl.h>
#include <linux/close_range.h>

CASE(dup_family)
{
    TRY(dup(0));
    TRY(dup(99));
    TRY(dup2(0, 10));
    TRY(dup2(0, 0));
    TRY(dup2(99, 99));
    TRY(dup2(99, 5));
    TRY(dup2(0, -1));
    TRY(dup3(0, 11, O_CLOEXEC));
    SHOW(fcntl(11, F_GETFD));
    TRY(dup3(0, 0, 0));
    TRY(dup3(0, 12, 0x800));
    TRY(fcntl(0, F_DUPFD, 20));
    TRY(fcntl(0, F_DUPFD, 20));
    TRY(fcntl(0, F_DUPFD_CLOEXEC, 30));
    SHOW(fcntl(30, F_GETFD));
    TRY(fcntl(0, F_DUPFD, -1));
    TRY(fcntl(0, F_DUPFD, 1 << 30));
}

CASE(lowest_free)
{
    int a = dup(0), b = dup(0), c = dup(0);
    close(a);
    close(b);
    SHOW(dup(0) == a);
    SHOW(dup(0) == b);
    SHOW(dup(0) == c + 1);
}

CASE(close)
{
    int fd = dup(0);
    TRY(close(fd));
    TRY(close(fd));
    TRY(close(-1));
    TRY(close(1 << 30));
}

CASE(cloexec)
{
    int fd = dup(0);
    SHOW(fcntl(fd, F_GETFD));
    TRY(fcntl(fd, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(dup(fd), F_GETFD));
    TRY(fcntl(fd, F_SETFD, 0));
    TRY(ioctl(fd, FIOCLEX));
    SHOW(fcntl(fd, F_GETFD));
    TRY(ioctl(fd, FIONCLEX));
    SHOW(fcntl(fd, F_GETFD));
}

CASE(close_range)
{
    for (int i = 5; i < 12; i++)
        dup2(0, i);
    TRY(syscall(SYS_close_range, 6, 8, 0));
    for (int i = 5; i < 12; i++)
        say("%d: %d", i, fcntl(i, F_GETFD));
    TRY(syscall(SYS_close_range, 9, ~0u, CLOSE_RANGE_CLOEXEC));
    say("%d %d", fcntl(9, F_GETFD), fcntl(11, F_GETFD));
    TRY(syscall(SYS_close_range, 8, 7, 0));
    TRY(syscall(SYS_close_range, 5, 5, 77));
    TRY(syscall(SYS_close_range, 1000, ~0u, 0));
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        TRY(syscall(SYS_close_range, 9, 11, CLOSE_RANGE_UNSHARE));
        say("child %d", fcntl(9, F_GETFD));
        _exit(0);
    }
    reap(pid);
    say("parent %d", fcntl(9, F_GETFD));
}

CASE(shared_offset_and_flags)
{
    write_file("f", "abcdef", 0644);
    int a = open("f", O_RDWR), b = dup(a), c = open("f", O_RDWR);
    char buf[3] = "";
    read(a, buf, 2);
    SHOW(lseek(b, 0, SEEK_CUR));
    SHOW(lseek(c, 0, SEEK_CUR));
    fcntl(a, F_SETFL, O_APPEND);
    SHOW(fcntl(b, F_GETFL) & O_APPEND);
    SHOW(fcntl(c, F_GETFL) & O_APPEND);
}

CASE(many)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = 3000 < r.rlim_max ? 3000 : r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    int n = 0, last = -1, fd;
    while ((fd = dup(0)) >= 0)
        n++, last = fd;
    show_errno("limit");
    SHOW(n);
    SHOW(last);
    for (int i = 3; i <= last; i++)
        n -= close(i) == 0;
    SHOW(n);
}

CASE(fionread_and_fionbio)
{
    int p[2], n = -1, on = 1;
    NEED(pipe(p) == 0);
    write(p[1], "12345", 5);
    TRY(ioctl(p[0], FIONREAD, &n));
    SHOW(n);
    TRY(ioctl(p[0], FIONBIO, &on));
    SHOW(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    write_file("f", "abc", 0644);
    int fd = open("f", O_RDONLY);
    TRY(ioctl(fd, FIONREAD, &n));
    SHOW(n);
    TRY(ioctl(fd, 0x12345678, &n));
    TRY(ioctl(99, FIONREAD, &n));
    TRY(ioctl(p[0], FIONREAD, 8));
}

CASE(owner_and_signal)
{
    int p[2];
    NEED(pipe(p) == 0);
    SHOW(fcntl(p[0], F_GETOWN));
    TRY(fcntl(p[0], F_SETOWN, getpid()));
    SHOW(fcntl(p[0], F_GETOWN) == getpid());
    TRY(fcntl(p[0], F_SETSIG, SIGRTMIN));
    SHOW(fcntl(p[0], F_GETSIG) == SIGRTMIN);
    TRY(fcntl(p[0], F_SETSIG, 99));
    handle(SIGRTMIN, 0);
    fcntl(p[0], F_SETFL, O_ASYNC);
    write(p[1], "x", 1);
    for (int i = 0; i < 500 && !got[SIGRTMIN]; i++)
        msleep(1);
    SHOW(got[SIGRTMIN]);
    SHOW(last_info.si_fd == p[0]);
    SHOW(last_info.si_code);
}

CASE(kcmp)
{
    int a = dup(0), b = open("/dev/null", O_RDONLY);
    long r = syscall(SYS_kcmp, getpid(), getpid(), 0, 0, a);
    /* A kernel may be built without it. */
    SHOW(r == 0 || errno == ENOSYS);
    r = syscall(SYS_kcmp, getpid(), getpid(), 0, 0, b);
    SHOW(r == 1 || r == 2 || errno == ENOSYS);
}

CASE(pidfd_getfd)
{
    int p[2];
    NEED(pipe(p) == 0);
    pid_t pid;
    CHILD(pid) pause();
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd;
    TRY(fd = (int)syscall(SYS_pidfd_getfd, pidfd, p[1], 0));
    SHOW(fcntl(fd, F_GETFD));
    TRY(write(fd, "x", 1));
    char c;
    TRY(read(p[0], &c, 1));
    TRY(syscall(SYS_pidfd_getfd, pidfd, 99, 0));
    TRY(syscall(SYS_pidfd_getfd, pidfd, 0, 1));
    TRY(syscall(SYS_pidfd_getfd, 0, 0, 0));
    kill(pid, SIGKILL);
    reap(pid);
    TRY(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

CASE(same_description)
{
    int a = open("/dev/null", O_RDONLY), b = dup(a), c = open("/dev/null", O_RDONLY), p = open("/", O_PATH);
    TRY(fcntl(a, 1027 /* F_DUPFD_QUERY */, a));
    TRY(fcntl(a, 1027, b));
    TRY(fcntl(a, 1027, c));
    TRY(fcntl(p, 1027, p));
    TRY(fcntl(a, 1027, 900));
    TRY(fcntl(900, 1027, a));
}

CASE(sizes_by_ioctl)
{
    int f = open("f", O_RDWR | O_CREAT, 0644), p[2], block = 0;
    off_t size = -1;
    NEED(ftruncate(f, 12345) == 0 && pipe(p) == 0);
    TRY(ioctl(f, 2 /* FIGETBSZ */, &block));
    SHOW(block > 0);
    TRY(ioctl(f, 2, 8));
    TRY(ioctl(f, 0x5460 /* FIOQSIZE */, &size));
    struct stat st;
    NEED(fstat(f, &st) == 0);
    SHOW(size == st.st_blocks * 512);
    TRY(ioctl(p[0], 0x5460, &size));
    TRY(ioctl(f, 0x40049409 /* FICLONE */, 900));
}
