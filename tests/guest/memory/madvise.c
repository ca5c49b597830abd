#include "case.h"

#define RW (PROT_READ | PROT_WRITE)

static char *pages(int n, int flags)
{
    char *p = mmap(NULL, (size_t)n * 4096, RW, flags | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    memset(p, 3, (size_t)n * 4096);
    return p;
}

CASE(dontneed)
{
    char *p = pages(3, MAP_PRIVATE);
    TRY(madvise(p + 4096, 4096, MADV_DONTNEED));
    say("%d %d %d", p[0], p[4096], p[8192]);
    p = pages(2, MAP_SHARED);
    TRY(madvise(p, 4096, MADV_DONTNEED));
    say("shared: %d", p[0]);
}

CASE(dontneed_of_a_private_file)
{
    write_file("f", "abc", 0644);
    char *p = mmap(NULL, 4096, RW, MAP_PRIVATE, open("f", O_RDONLY), 0);
    p[0] = 'X';
    TRY(madvise(p, 4096, MADV_DONTNEED));
    say("%c", p[0]);
}

CASE(free)
{
    char *p = pages(2, MAP_PRIVATE);
    TRY(madvise(p, 4096, MADV_FREE));
    p[0] = 9;
    say("%d %d", p[0], p[4096]);
    p = pages(1, MAP_SHARED);
    TRY(madvise(p, 4096, MADV_FREE));
}

CASE(dontfork)
{
    char *p = pages(3, MAP_PRIVATE);
    TRY(madvise(p + 4096, 4096, MADV_DONTFORK));
    pid_t pid;
    CHILD(pid)
    {
        unsigned char v;
        TRY(mincore(p + 4096, 4096, &v));
        say("%d", p[0] + p[8192]);
        *(volatile char *)(p + 4096) = 1;
    }
    tell_wait("child", pid);
    TRY(madvise(p + 4096, 4096, MADV_DOFORK));
    CHILD(pid) say("%d", p[4096]);
    tell_wait("child", pid);
}

CASE(wipeonfork)
{
    char *p = pages(2, MAP_PRIVATE);
    TRY(madvise(p, 4096, MADV_WIPEONFORK));
    pid_t pid;
    CHILD(pid)
    {
        say("%d %d", p[0], p[4096]);
        p[0] = 6;
        pid_t inner;
        CHILD(inner) say("again %d", p[0]);
        reap(inner);
    }
    reap(pid);
    TRY(madvise(p, 4096, MADV_KEEPONFORK));
    CHILD(pid) say("%d", p[0]);
    reap(pid);
    p = pages(1, MAP_SHARED);
    TRY(madvise(p, 4096, MADV_WIPEONFORK));
}

CASE(remove)
{
    char *p = pages(2, MAP_SHARED);
    TRY(madvise(p, 4096, MADV_REMOVE));
    say("%d %d", p[0], p[4096]);
    p = pages(1, MAP_PRIVATE);
    TRY(madvise(p, 4096, MADV_REMOVE));
}

CASE(hints)
{
    char *p = pages(4, MAP_PRIVATE);
    int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
                   MADV_DONTDUMP, MADV_DODUMP, MADV_COLD, MADV_PAGEOUT};
    for (int i = 0; i < 10; i++)
        say("%d: %s", hints[i], madvise(p, 4 * 4096, hints[i]) ? errname(errno) : "ok");
    SHOW(p[0] + p[3 * 4096]);
}

CASE(populate)
{
    unsigned char v[2] = {0};
    char *p = mmap(NULL, 8192, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(madvise(p, 8192, 23 /* MADV_POPULATE_WRITE */));
    mincore(p, 8192, v);
    SHOW((v[0] & 1) + (v[1] & 1));
    mprotect(p, 4096, PROT_READ);
    TRY(madvise(p, 4096, 22 /* MADV_POPULATE_READ */));
    TRY(madvise(p, 4096, 23));
}

CASE(arguments)
{
    char *p = pages(3, MAP_PRIVATE);
    TRY(madvise(p + 1, 4096, MADV_DONTNEED));
    TRY(madvise(p, 0, MADV_DONTNEED));
    TRY(madvise(p, 4096, 999));
    TRY(madvise(p, -1ul, MADV_DONTNEED));
    munmap(p + 4096, 4096);
    TRY(madvise(p, 3 * 4096, MADV_DONTNEED));
    say("%d %d", p[0], p[8192]);
    TRY(madvise(p, 3 * 4096, MADV_NORMAL));
    TRY(posix_madvise(p, 4096, POSIX_MADV_WILLNEED));
}

CASE(mincore)
{
    unsigned char v[3] = {9, 9, 9};
    char *p = mmap(NULL, 3 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[4096] = 1;
    TRY(mincore(p, 3 * 4096, v));
    say("%d %d %d", v[0] & 1, v[1] & 1, v[2] & 1);
    TRY(mincore(p + 1, 4096, v));
    TRY(mincore(p, 4096, NULL));
    TRY(mincore(p, 0, v));
    munmap(p + 4096, 4096);
    TRY(mincore(p, 3 * 4096, v));
    TRY(mincore(p, -1ul, v));
}

CASE(msync)
{
    write_file("f", "abc", 0644);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, open("f", O_RDWR), 0);
    p[0] = 'X';
    TRY(msync(p, 4096, MS_SYNC));
    TRY(msync(p, 4096, MS_ASYNC));
    TRY(msync(p, 4096, MS_SYNC | MS_INVALIDATE));
    TRY(msync(p, 4096, MS_SYNC | MS_ASYNC));
    TRY(msync(p, 4096, 77));
    TRY(msync(p + 1, 4096, MS_SYNC));
    TRY(msync(p, 8192 + 4096 * 1000, MS_SYNC));
    TRY(msync(p, 0, MS_SYNC));
    tell_file("f");
}

CASE(mlock)
{
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){8 * 4096, 8 * 4096});
    char *p = pages(20, MAP_PRIVATE);
    become(1000, 1000);
    TRY(mlock(p, 4 * 4096));
    TRY(mlock(p, 4 * 4096));
    TRY(mlock(p + 4 * 4096, 4 * 4096));
    TRY(mlock(p + 8 * 4096, 4096));
    TRY(munlock(p, 4096));
    TRY(mlock(p + 8 * 4096, 4096));
    TRY(mlockall(MCL_CURRENT));
    TRY(munlockall());
    TRY(mlock(p, 20 * 4096));
    OKAY(mmap(NULL, 20 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
    TRY(mlock2(p, 4096, MLOCK_ONFAULT));
    TRY(mlock2(p, 4096, 8));
    munmap(p, 4096);
    TRY(mlock(p, 4096));
    TRY(munlock(p, 4096));
    TRY(mlockall(0));
    TRY(mlockall(99));
}

CASE(mlock_without_limit)
{
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0});
    char *p = pages(1, MAP_PRIVATE);
    TRY(mlock(p, 4096));
    become(1000, 1000);
    TRY(mlock(p, 4096));
}

CASE(remove_of_files)
{
    write_file("f", "", 0644);
    int fd = open("f", O_RDWR), ro = open("f", O_RDONLY);
    NEED(ftruncate(fd, 4 * 4096) == 0);
    char *p = MAP_OK(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    memset(p, 'x', 4 * 4096);
    TRY(madvise(p + 4096, 2 * 4096, MADV_REMOVE));
    say("%d %d %d %d", p[0], p[4096], p[2 * 4096], p[3 * 4096]);
    struct stat st;
    fstat(fd, &st);
    say("%d", (int)st.st_size);
    mprotect(p, 4096, PROT_READ);
    TRY(madvise(p, 4096, MADV_REMOVE));
    char *r = MAP_OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0));
    TRY(madvise(r, 4096, MADV_REMOVE));
    r = MAP_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    TRY(madvise(r, 4096, MADV_REMOVE));
    TRY(mlock(p + 3 * 4096, 4096));
    TRY(madvise(p + 3 * 4096, 4096, MADV_REMOVE));
    munmap(p + 4096, 4096);
    TRY(madvise(p, 3 * 4096, MADV_REMOVE));
    TRY(madvise(p + 1, 4096, MADV_REMOVE));
    TRY(madvise(p, 0, MADV_REMOVE));
    TRY(msync(p, -1ul, MS_SYNC));
    TRY(msync(p, 4 * 4096, MS_SYNC));
}

CASE(mlock_of_all_there_could_be)
{
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(mlock(p, -1L));
    TRY(munlock(p, -1L));
    TRY(mlock(p + 1, -1L));
    TRY(mlock(p, -4096L));
    TRY(mlock(p, 0));
}
