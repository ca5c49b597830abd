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

/* Who has been let in waits for nobody, even before it has run again. */
CASE(posix_let_in_is_no_deadlock)
{
    enum { ROUNDS = 40 };
    int fd = open_f(), deadlocks = 0;
    _Atomic int *v = SHARED_INTS(3);
    pid_t pid;
    CHILD(pid)
    {
        for (int i = 1; i <= ROUNDS; i++) {
            lock(fd, F_SETLK, F_WRLCK, 1, 1);
            v[0] = i;
            NEED(wait_for(&v[1], i));
            NEED(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
            lock(fd, F_SETLK, F_UNLCK, 0, 2);
            NEED(wait_for(&v[2], i));
        }
    }
    for (int i = 1; i <= ROUNDS; i++) {
        NEED(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
        NEED(wait_for(&v[0], i));
        v[1] = i;
        msleep(5);
        lock(fd, F_SETLK, F_UNLCK, 0, 1);
        if (lock(fd, F_SETLKW, F_WRLCK, 1, 1) < 0)
            deadlocks += errno == EDEADLK;
        lock(fd, F_SETLK, F_UNLCK, 0, 2);
        v[2] = i;
    }
    SHOW(deadlocks);
    tell_wait("child", pid);
}

CASE(closing_a_path_keeps_locks)
{
    int fd = open_f(), path = open("f", O_PATH);
    pid_t me = getpid(), pid;
    lock(fd, F_SETLK, F_WRLCK, 0, 0);
    close(path);
    CHILD(pid) query("after", fd, F_GETLK, F_WRLCK, 0, 0, me);
    reap(pid);
}

CASE(without_reading_and_writing)
{
    close(open_f());
    int fd = open("f", O_ACCMODE);
    TRY(flock(fd, LOCK_SH));
    TRY(flock(fd, LOCK_UN));
    TRY(lock(fd, F_SETLK, F_RDLCK, 0, 0));
    TRY(lock(fd, F_SETLK, F_WRLCK, 0, 0));
}

CASE(mandatory_locks_are_ignored)
{
    int a = open_f(), b = open_f();
    flock(a, LOCK_EX);
    TRY(flock(b, 32 | LOCK_EX | LOCK_NB));
    TRY(flock(b, 32));
    TRY(flock(99, 32));
}

CASE(order_of_errors)
{
    int rd = (close(open_f()), open("f", O_RDONLY));
    struct flock l = {.l_type = F_WRLCK, .l_pid = 5};
    TRY(fcntl(rd, F_OFD_SETLK, &l));
    l.l_whence = 7;
    TRY(fcntl(rd, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = F_RDLCK, .l_pid = 5};
    TRY(fcntl(rd, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = 9, .l_start = -1};
    TRY(fcntl(rd, F_SETLK, &l));
    l = (struct flock){.l_type = 9};
    TRY(fcntl(rd, F_OFD_GETLK, &l));
}

CASE(own_locks_of_a_description)
{
    int a = open_f(), b = open_f();
    lock(a, F_OFD_SETLK, F_WRLCK, 5, 5);
    lock(a, F_OFD_SETLK, F_RDLCK, 20, 5);
    query("first", a, F_OFD_GETLK, F_UNLCK, 0, 0, 0);
    query("second", a, F_OFD_GETLK, F_UNLCK, 10, 0, 0);
    query("none", a, F_OFD_GETLK, F_UNLCK, 10, 10, 0);
    query("another's", b, F_OFD_GETLK, F_UNLCK, 0, 0, 0);
    query("of a process", a, F_GETLK, F_UNLCK, 0, 0, 0);
}

/* The lines about locks that /proc shows of a descriptor, without process and file. */
static void tell_fdinfo(const char *text, int fd)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "r");
    NEED(file);
    while (fgets(line, sizeof line, file)) {
        int n, pid;
        char kind[20], how[20], access[20], where[60], first[30], last[30];
        if (sscanf(line, "lock:\t%d: %19s %19s %19s %d %59s %29s %29s", &n, kind, how, access, &pid, where, first,
                   last) == 8)
            say("%s: %d %s %s %s %d %s %s", text, n, kind, how, access, pid == getpid() ? 1 : pid, first, last);
    }
    fclose(file);
}

CASE(are_shown_with_the_descriptor)
{
    int a = open_f(), b = open_f(), c = open_f();
    flock(a, LOCK_EX);
    lock(b, F_SETLK, F_RDLCK, 10, 10);
    lock(c, F_OFD_SETLK, F_RDLCK, 30, 0);
    tell_fdinfo("flock", a);
    tell_fdinfo("process", b);
    tell_fdinfo("description", c);
    pid_t pid;
    CHILD(pid)
    {
        tell_fdinfo("process, in a child", b);
        tell_fdinfo("description, in a child", c);
    }
    reap(pid);
}

/* Reading the list stands in nobody's way. */
CASE(the_list_is_read_while_locks_change)
{
    int fd = open_f();
    pid_t pid;
    CHILD(pid)
    {
        for (int i = 0; i < 5000; i++) {
            flock(fd, LOCK_EX);
            flock(fd, LOCK_UN);
        }
    }
    char text[4096];
    int good = 0;
    while (waitpid(pid, NULL, WNOHANG) == 0)
        good += slurp("/proc/locks", text, sizeof text) >= 0;
    SHOW(good > 0);
}

CASE(leases)
{
    int fd = open_f();
    long r = fcntl(fd, F_GETLEASE);
    SHOW(r == F_UNLCK || errno == EINVAL);
    TRY(fcntl(99, F_GETLEASE));
}
