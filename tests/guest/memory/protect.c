#include "case.h"
#include <sys/mman.h>

#define RW (PROT_READ | PROT_WRITE)

static char *pages(int n)
{
    char *p = mmap(NULL, (size_t)n * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    memset(p, 3, (size_t)n * 4096);
    return p;
}

static void touch(const char *text, char *p, bool write_it)
{
    pid_t pid;
    CHILD(pid)
    {
        if (write_it)
            *(volatile char *)p = 1;
        else
            (void)*(volatile char *)p;
    }
    say("%s %s: %d", text, write_it ? "write" : "read", reap(pid));
}

CASE(effects)
{
    char *p = pages(1);
    int prots[] = {PROT_NONE, PROT_READ, PROT_WRITE, RW, PROT_READ | PROT_EXEC};
    const char *names[] = {"none", "read", "write", "both", "exec"};
    for (int i = 0; i < 5; i++) {
        TRY(mprotect(p, 4096, prots[i]));
        touch(names[i], p, false);
        touch(names[i], p, true);
    }
}

CASE(arguments)
{
    char *p = pages(3);
    TRY(mprotect(p + 1, 4096, RW));
    TRY(mprotect(p, 0, RW));
    TRY(mprotect(p, 1, PROT_READ));
    TRY(mprotect(p, 4096, 0x100));
    TRY(mprotect(p, -1ul, RW));
    munmap(p + 4096, 4096);
    TRY(mprotect(p, 3 * 4096, PROT_READ));
    touch("before the hole", p, true);
    touch("behind the hole", p + 8192, true);
    TRY(mprotect(p, 4096, PROT_READ | PROT_GROWSDOWN));
    TRY(mprotect(p, 4096, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
}

CASE(shared_read_only_file)
{
    write_file("f", "abc", 0644);
    int fd = open("f", O_RDONLY);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    TRY(mprotect(p, 4096, RW));
    TRY(mprotect(p, 4096, PROT_READ | PROT_EXEC));
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    TRY(mprotect(p, 4096, RW));
}

CASE(system_calls_respect_it)
{
    char *p = pages(2);
    int fd = open("/dev/zero", O_RDWR), q[2];
    NEED(pipe(q) == 0);
    mprotect(p, 4096, PROT_READ);
    TRY(read(fd, p, 10));
    TRY(write(q[1], p, 10));
    mprotect(p, 4096, PROT_NONE);
    TRY(write(q[1], p, 10));
    TRY(read(fd, p + 4096 - 5, 10));
    mprotect(p, 4096, RW);
    mprotect(p + 4096, 4096, PROT_NONE);
    TRY(read(q[0], p + 4096 - 5, 10));
    TRY(write(q[1], p + 4096 - 5, 10));
    TRY(open(p + 4095, O_RDONLY));
    memset(p + 4090, 'a', 5);
    p[4095] = 0;
    TRY(open(p + 4090, O_RDONLY));
}

CASE(write_only_memory_can_be_read_by_calls)
{
    char *p = pages(1);
    int q[2];
    NEED(pipe(q) == 0);
    mprotect(p, 4096, PROT_WRITE);
    TRY(write(q[1], p, 10));
}

static void *flips(void *arg)
{
    for (int i = 0; i < 2000; i++)
        mprotect(arg, 4096, i & 1 ? RW : PROT_READ);
    return NULL;
}

CASE(by_threads)
{
    char *p = pages(2);
    pthread_t t = thread(flips, p), u = thread(flips, p + 4096);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    touch("first", p, true);
    touch("second", p + 4096, true);
}

CASE(many_small_regions)
{
    char *p = pages(400);
    int failed = 0;
    for (int i = 0; i < 400; i += 2)
        failed += mprotect(p + i * 4096, 4096, PROT_READ) != 0;
    SHOW(failed);
    for (int i = 1; i < 400; i += 2)
        p[i * 4096] = 1;
    TRY(mprotect(p, 400 * 4096, RW));
    for (int i = 0; i < 400; i++)
        p[i * 4096] = 2;
    TRY(munmap(p, 400 * 4096));
}

CASE(pkeys)
{
    /* A kernel or CPU may have none. */
    int key = (int)syscall(SYS_pkey_alloc, 0, 0);
    SHOW(key > 0 || errno == ENOSPC || errno == ENOSYS || errno == EINVAL);
    TRY(syscall(SYS_pkey_mprotect, pages(1), 4096, PROT_READ, -1));
}

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

#define RWX (RW | PROT_EXEC)
#define RX (PROT_READ | PROT_EXEC)

HELPER(refuses_what)
{
    SHOW(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    SHOW(mmap(NULL, 4096, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    return 0;
}

CASE(gaining_execution)
{
    char *p = pages(2), *x = mmap(NULL, 8192, RX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(x != MAP_FAILED);
    TRY(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    TRY(prctl(PR_GET_MDWE, 1, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 2, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 4, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 1, 1, 0, 0));
    TRY(prctl(PR_SET_MDWE, 0, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 1, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 1, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 0, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 3, 0, 0, 0));
    TRY(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    TRY(mprotect(p, 4096, RX));
    TRY(mprotect(p, 4096, RWX));
    TRY(mprotect(p, 4096, PROT_READ));
    TRY(mprotect(x, 4096, RWX));
    TRY(mprotect(x, 4096, RX));
    TRY(mprotect(x + 4096, 4096, RW));
    TRY(mprotect(x, 8192, RX));
    TRY(mprotect(x + 4096, 4096, RX));
    OKAY(mmap(NULL, 4096, RX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 4096, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 4096, RWX, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    int fd = open(self, O_RDONLY);
    OKAY(mmap(NULL, 4096, RX, MAP_PRIVATE, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0));
    pid_t pid;
    CHILD(pid) SHOW(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    reap(pid);
    reap(spawn_helper("refuses_what", ""));
}

CASE(gaining_execution_is_not_always_inherited)
{
    char *p = pages(1);
    TRY(prctl(PR_SET_MDWE, 3, 0, 0, 0));
    TRY(prctl(PR_GET_MDWE, 0, 0, 0, 0));
    TRY(prctl(PR_SET_MDWE, 1, 0, 0, 0));
    TRY(mprotect(p, 4096, RX));
    pid_t pid;
    CHILD(pid)
    {
        TRY(prctl(PR_GET_MDWE, 0, 0, 0, 0));
        TRY(mprotect(p, 4096, RX));
        TRY(prctl(PR_SET_MDWE, 1, 0, 0, 0));
    }
    reap(pid);
    reap(spawn_helper("refuses_what", ""));
}
