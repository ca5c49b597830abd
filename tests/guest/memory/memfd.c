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

CASE(write_seal_counts_pages)
{
    int fd = sealable();
    char *p = MAP_OK(mmap(NULL, 8192, RW, MAP_SHARED, fd, 0));
    munmap(p, 4096);
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    TRY(mprotect(p + 4096, 4096, PROT_READ));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    p = MAP_OK(mremap(p + 4096, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    int back[2];
    NEED(pipe(back) == 0);
    pid_t pid;
    CHILD(pid)
    {
        char c;
        close(back[1]);
        read(back[0], &c, 1);
    }
    munmap(p, 4096);
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    close(back[1]);
    tell_wait("child", pid);
    OKAY(mmap(NULL, 8192, RW, MAP_PRIVATE, fd, 0));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    TRY(fcntl(fd, F_GET_SEALS));
}

CASE(future_write_seal_and_children)
{
    int fd = sealable();
    char *p = MAP_OK(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0));
    TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    pid_t pid;
    CHILD(pid) p[7] = 'w';
    tell_wait("child", pid);
    say("%c", p[7]);
    char *r = MAP_OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
    TRY(mprotect(r, 4096, RW));
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    TRY(ftruncate(fd, 4096));
    TRY(ftruncate(fd, 16384));
}

CASE(exec_seal_of_an_executable)
{
    int fd = sealable();
    TRY(fcntl(fd, F_ADD_SEALS, 0x20 /* F_SEAL_EXEC */));
    TRY(fcntl(fd, F_GET_SEALS));
    TRY(fchmod(fd, 0666));
    TRY(fchmod(fd, 0711));
    TRY(write(fd, "x", 1));
    fd = sealable();
    TRY(fchmod(fd, 0600));
    TRY(fcntl(fd, F_ADD_SEALS, 0x20));
    TRY(fcntl(fd, F_GET_SEALS));
    TRY(memfd_create("m", 0x18));
    TRY(memfd_create("m", 0x10));
}

CASE(grow_seal_cuts_writes)
{
    int fd = memfd_create("m", MFD_ALLOW_SEALING);
    NEED(ftruncate(fd, 10000) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
    static char buf[20000];
    TRY(pwrite(fd, buf, sizeof buf, 100));
    TRY(pwrite(fd, buf, sizeof buf, 9000));
    TRY(pwrite(fd, buf, 1000, 9000));
    TRY(pwrite(fd, buf, 0, 20000));
    TRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
    TRY(fallocate(fd, 0, 0, 10000));
}

static void *write_from_nowhere(void *fd)
{
    for (int i = 0; i < 2000; i++)
        write(*(int *)fd, (void *)8192, 100);
    return NULL;
}

CASE(written_while_mapped)
{
    int fd = sealable();
    pthread_t t;
    NEED(pthread_create(&t, NULL, write_from_nowhere, &fd) == 0);
    for (int i = 0; i < 2000; i++)
        munmap(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0), 4096);
    NEED(pthread_join(t, NULL) == 0);
    say("done");
}
