#include "case.h"
#include <sys/file.h>

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
    struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}

static void query(const char *text, int fd, int cmd, int type, off_t start, off_t len, pid_t owner)
{
    struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    if (fcntl(fd, cmd, &l) < 0)
        say("%s: %s", text, errname(errno));
    else if (l.l_type == F_UNLCK)
        say("%s: free", text);
    else
        say("%s: %s %ld+%ld owner %d", text, l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start, (long)l.l_len,
            l.l_pid == owner ? 1 : (int)l.l_pid);
}

static int open_f(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    NEED(fd >= 0);
    return fd;
}

CASE(flock_conflicts)
{
    int a = open_f(), b = open_f();
    TRY(flock(a, LOCK_SH));
    TRY(flock(b, LOCK_SH | LOCK_NB));
    TRY(flock(b, LOCK_EX | LOCK_NB));
    TRY(flock(a, LOCK_UN));
    /* A failed upgrade has lost the shared lock on b too. */
    TRY(flock(a, LOCK_EX | LOCK_NB));
    TRY(flock(b, LOCK_SH | LOCK_NB));
    TRY(flock(b, LOCK_UN));
    TRY(flock(a, LOCK_EX | LOCK_SH));
    TRY(flock(a, 0));
    TRY(flock(99, LOCK_SH));
    TRY(flock(open("f", O_PATH), LOCK_SH));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(flock(p[0], LOCK_SH));
}

CASE(flock_is_of_the_description)
{
    int a = open_f(), dup_a = dup(a), b = open_f();
    flock(a, LOCK_EX);
    TRY(flock(dup_a, LOCK_EX | LOCK_NB));
    pid_t pid;
    CHILD(pid)
    {
        TRY(flock(a, LOCK_EX | LOCK_NB));
        TRY(flock(open_f(), LOCK_EX | LOCK_NB));
    }
    reap(pid);
    close(a);
    TRY(flock(b, LOCK_EX | LOCK_NB));
    close(dup_a);
    TRY(flock(b, LOCK_EX | LOCK_NB));
}

CASE(flock_blocks)
{
    int a = open_f();
    flock(a, LOCK_EX);
    pid_t pid;
    CHILD(pid)
    {
        close(a);
        long start = now_ms();
        TRY(flock(open_f(), LOCK_EX));
        tell_took("waited", now_ms() - start, 80, 3000);
    }
    msleep(200);
    flock(a, LOCK_UN);
    reap(pid);
}

CASE(posix_conflicts)
{
    int fd = open_f();
    pid_t me = getpid(), pid;
    TRY(lock(fd, F_SETLK, F_WRLCK, 10, 10));
    TRY(lock(fd, F_SETLK, F_RDLCK, 30, 10));
    query("own", fd, F_GETLK, F_WRLCK, 0, 0, me);
    CHILD(pid)
    {
        TRY(lock(fd, F_SETLK, F_RDLCK, 15, 1));
        TRY(lock(fd, F_SETLK, F_WRLCK, 0, 10));
        TRY(lock(fd, F_SETLK, F_RDLCK, 30, 5));
        TRY(lock(fd, F_SETLK, F_WRLCK, 30, 5));
        query("write", fd, F_GETLK, F_WRLCK, 0, 0, me);
        query("read", fd, F_GETLK, F_RDLCK, 0, 0, me);
        query("behind", fd, F_GETLK, F_WRLCK, 25, 0, me);
        query("gap", fd, F_GETLK, F_WRLCK, 20, 10, me);
    }
    reap(pid);
}

CASE(posix_split_and_merge)
{
    int fd = open_f();
    pid_t me = getpid(), pid;
    lock(fd, F_SETLK, F_WRLCK, 0, 30);
    lock(fd, F_SETLK, F_UNLCK, 10, 10);
    CHILD(pid)
    {
        query("first", fd, F_GETLK, F_WRLCK, 0, 0, me);
        query("middle", fd, F_GETLK, F_WRLCK, 10, 10, me);
        query("last", fd, F_GETLK, F_WRLCK, 15, 0, me);
    }
    reap(pid);
    lock(fd, F_SETLK, F_WRLCK, 10, 10);
    CHILD(pid) query("merged", fd, F_GETLK, F_WRLCK, 0, 0, me);
    reap(pid);
    lock(fd, F_SETLK, F_RDLCK, 5, 5);
    CHILD(pid)
    {
        query("for reading", fd, F_GETLK, F_RDLCK, 5, 5, me);
        query("for writing", fd, F_GETLK, F_WRLCK, 5, 5, me);
        query("to the end", fd, F_GETLK, F_RDLCK, 10, 0, me);
    }
    reap(pid);
}

CASE(posix_ranges)
{
    int fd = open_f();
    pid_t me = getpid(), pid;
    write(fd, "0123456789", 10);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2};
    TRY(fcntl(fd, F_SETLK, &l));
    lseek(fd, 3, SEEK_SET);
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -2};
    TRY(fcntl(fd, F_SETLK, &l));
    CHILD(pid)
    {
        query("first", fd, F_GETLK, F_WRLCK, 0, 0, me);
        query("second", fd, F_GETLK, F_WRLCK, 5, 0, me);
    }
    reap(pid);
    TRY(lock(fd, F_SETLK, F_WRLCK, -1, 1));
    TRY(lock(fd, F_SETLK, F_WRLCK, 5, -6));
    TRY(lock(fd, F_SETLK, 99, 0, 1));
    TRY(lock(fd, F_SETLK, F_WRLCK, LONG_MAX, 2));
    TRY(lock(open("f", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
    TRY(lock(open("f", O_WRONLY), F_SETLK, F_RDLCK, 0, 1));
    TRY(lock(99, F_SETLK, F_RDLCK, 0, 1));
    TRY(fcntl(fd, F_SETLK, 8));
    l = (struct flock){.l_type = F_UNLCK};
    TRY(fcntl(fd, F_GETLK, &l));
}

CASE(posix_locks_end_with_any_close)
{
    int a = open_f(), b = open_f();
    pid_t me = getpid(), pid;
    lock(a, F_SETLK, F_WRLCK, 0, 0);
    CHILD(pid) query("before", a, F_GETLK, F_WRLCK, 0, 0, me);
    reap(pid);
    close(b);
    CHILD(pid) query("after", a, F_GETLK, F_WRLCK, 0, 0, me);
    reap(pid);
}

CASE(posix_locks_and_fork_and_exec)
{
    int fd = open_f();
    pid_t me = getpid(), pid;
    lock(fd, F_SETLK, F_WRLCK, 0, 0);
    CHILD(pid) TRY(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    reap(pid);
    pid_t holder;
    CHILD(holder)
    {
        lock(fd, F_SETLKW, F_WRLCK, 0, 0);
        execl("/bin/sleep", "sleep", "0.4", NULL);
    }
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    msleep(200);
    query("held over exec", fd, F_GETLK, F_WRLCK, 0, 0, holder);
    reap(holder);
    query("gone with the process", fd, F_GETLK, F_WRLCK, 0, 0, me);
}

CASE(posix_deadlock)
{
    int fd = open_f();
    _Atomic int *v = SHARED_INTS(1);
    lock(fd, F_SETLK, F_WRLCK, 0, 1);
    pid_t pid;
    CHILD(pid)
    {
        lock(fd, F_SETLK, F_WRLCK, 1, 1);
        v[0] = 1;
        errno = 0;
        int r = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(r == 0 ? 3 : 4);
    }
    wait_for(v, 1);
    settle();
    TRY(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
    lock(fd, F_SETLK, F_UNLCK, 0, 1);
    tell_wait("child", pid);
}

CASE(posix_waiter_is_woken)
{
    int fd = open_f();
    lock(fd, F_SETLK, F_WRLCK, 0, 10);
    pid_t pid;
    CHILD(pid)
    {
        long start = now_ms();
        TRY(lock(fd, F_SETLKW, F_RDLCK, 5, 1));
        tell_took("waited", now_ms() - start, 80, 3000);
    }
    msleep(200);
    lock(fd, F_SETLK, F_UNLCK, 5, 5);
    reap(pid);
}

CASE(open_file_description_locks)
{
    int a = open_f(), b = open_f(), c = dup(a);
    TRY(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
    TRY(lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
    TRY(lock(b, F_OFD_SETLK, F_WRLCK, 10, 10));
    TRY(lock(c, F_OFD_SETLK, F_WRLCK, 0, 5));
    query("other", b, F_OFD_GETLK, F_WRLCK, 0, 10, -1);
    query("classic", b, F_GETLK, F_WRLCK, 0, 10, -1);
    TRY(lock(b, F_SETLK, F_WRLCK, 0, 1));
    close(c);
    query("still", b, F_OFD_GETLK, F_WRLCK, 0, 10, -1);
    close(a);
    query("gone", b, F_OFD_GETLK, F_WRLCK, 0, 10, -1);
    struct flock l = {.l_type = F_WRLCK, .l_pid = 5};
    TRY(fcntl(b, F_OFD_SETLK, &l));
}

CASE(kinds_are_apart)
{
    int a = open_f(), b = open_f();
    TRY(flock(a, LOCK_EX));
    TRY(lock(b, F_SETLK, F_WRLCK, 0, 0));
    pid_t pid;
    CHILD(pid)
    {
        int c = open_f();
        TRY(flock(c, LOCK_EX | LOCK_NB));
        TRY(lock(c, F_SETLK, F_WRLCK, 0, 0));
    }
    reap(pid);
}

CASE(leases)
{
    int fd = open_f();
    long r = fcntl(fd, F_GETLEASE);
    SHOW(r == F_UNLCK || errno == EINVAL);
    TRY(fcntl(99, F_GETLEASE));
}
