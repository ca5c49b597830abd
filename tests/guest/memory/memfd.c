#include "case.h"

#define RW (PROT_READ | PROT_WRITE)

static int sealable(void)
{
    int fd = memfd_create("m", MFD_ALLOW_SEALING);
    NEED(fd >= 0 && ftruncate(fd, 8192) == 0);
    return fd;
}

CASE(basics)
{
    int fd;
    TRY(fd = memfd_create("name", MFD_CLOEXEC));
    SHOW(fcntl(fd, F_GETFD));
    TRY(write(fd, "hello", 5));
    char buf[8] = "";
    TRY(pread(fd, buf, 8, 0));
    say("%s", buf);
    struct stat st;
    fstat(fd, &st);
    say("%o links %d size %d", st.st_mode, (int)st.st_nlink, (int)st.st_size);
    char link[64] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(readlink(path, link, sizeof link - 1));
    say("%s", link);
}

CASE(arguments)
{
    char name[260];
    memset(name, 'a', 259);
    name[250] = 0;
    TRY(memfd_create(name, 0));
    name[250] = 'a', name[249] = 0;
    TRY(memfd_create(name, 0));
    TRY(memfd_create("x", 0x100));
    TRY(memfd_create(NULL, 0));
    TRY(memfd_create("", 0));
}

CASE(seals_need_permission)
{
    int fd = memfd_create("m", 0);
    TRY(fcntl(fd, F_GET_SEALS));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    fd = sealable();
    TRY(fcntl(fd, F_GET_SEALS));
    TRY(fcntl(fd, F_ADD_SEALS, 0x1000));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    TRY(fcntl(0, F_GET_SEALS));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", sealable());
    TRY(fcntl(open(path, O_RDONLY), F_ADD_SEALS, F_SEAL_WRITE));
}

CASE(shrink_and_grow)
{
    int fd = sealable();
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    TRY(ftruncate(fd, 4096));
    TRY(ftruncate(fd, 12288));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    TRY(ftruncate(fd, 16384));
    TRY(pwrite(fd, "x", 1, 12288));
    TRY(pwrite(fd, "xy", 2, 12287));
    TRY(fallocate(fd, 0, 0, 16384));
    TRY(pwrite(fd, "x", 1, 0));
    TRY(fcntl(fd, F_GET_SEALS));
}

CASE(write_seal)
{
    int fd = sealable();
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(p, 4096);
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    TRY(write(fd, "x", 1));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_PRIVATE, fd, 0));
    p = MAP_OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
    TRY(mprotect(p, 4096, RW));
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    TRY(ftruncate(fd, 0));
}

CASE(future_write_seal)
{
    int fd = sealable();
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    p[0] = 'q';
    TRY(write(fd, "x", 1));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0));
    char c = 0;
    pread(fd, &c, 1, 0);
    say("%c", c);
}

CASE(exec_seal)
{
    int fd = memfd_create("m", 0x8 /* MFD_NOEXEC_SEAL */);
    struct stat st;
    if (fd < 0) {
        show_errno("MFD_NOEXEC_SEAL");
        return;
    }
    fstat(fd, &st);
    say("%o", st.st_mode & 07777);
    TRY(fchmod(fd, 0777));
    TRY(fcntl(fd, F_GET_SEALS));
}

CASE(executed)
{
    int in = open("/bin/true", O_RDONLY), fd = memfd_create("prog", MFD_CLOEXEC);
    char buf[65536];
    ssize_t n;
    while ((n = read(in, buf, sizeof buf)) > 0)
        NEED(write(fd, buf, (size_t)n) == n);
    TRY(fexecve(fd, (char *[]){"x", NULL}, (char *[]){NULL}));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int ro = open(path, O_RDONLY | O_CLOEXEC);
    close(fd);
    pid_t pid;
    CHILD(pid) TRY(fexecve(ro, (char *[]){"x", NULL}, (char *[]){NULL}));
    tell_wait("child", pid);
}

CASE(shared_with_a_child)
{
    int fd = sealable();
    pid_t pid;
    CHILD(pid)
    {
        char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 4096);
        p[1] = 'z';
    }
    reap(pid);
    char c;
    pread(fd, &c, 1, 4097);
    say("%c", c);
}
