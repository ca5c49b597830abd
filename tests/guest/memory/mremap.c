#include "case.h"

#define RW (PROT_READ | PROT_WRITE)

static char *pages(int n)
{
    char *p = mmap(NULL, (size_t)n * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    for (int i = 0; i < n; i++)
        p[i * 4096] = (char)(i + 1);
    return p;
}

CASE(shrink)
{
    char *p = pages(4);
    SHOW((char *)mremap(p, 4 * 4096, 2 * 4096, 0) == p);
    TRY(mincore(p + 2 * 4096, 4096, (unsigned char[1]){0}));
    SHOW(p[4096]);
}

CASE(grow_in_place)
{
    char *p = pages(4);
    munmap(p + 2 * 4096, 2 * 4096);
    SHOW((char *)mremap(p, 2 * 4096, 4 * 4096, 0) == p);
    say("%d %d %d", p[0], p[4096], p[2 * 4096]);
}

CASE(grow_blocked)
{
    char *p = pages(4);
    OKAY(mremap(p, 4096, 2 * 4096, 0));
    mprotect(p + 4096, 4096, PROT_READ);
    OKAY(mremap(p, 4096, 2 * 4096, 0));
}

CASE(move)
{
    char *p = pages(3), *q = mremap(p, 2 * 4096, 10 * 4096, MREMAP_MAYMOVE);
    SHOW(q != p);
    say("%d %d %d", q[0], q[4096], q[2 * 4096]);
    TRY(mincore(p, 4096, (unsigned char[1]){0}));
    SHOW(p[2 * 4096]);
}

CASE(fixed)
{
    char *p = pages(2), *area = pages(4);
    SHOW((char *)mremap(p, 2 * 4096, 2 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, area + 4096) - area);
    say("%d %d %d %d", area[0], area[4096], area[2 * 4096], area[3 * 4096]);
    TRY(mincore(p, 4096, (unsigned char[1]){0}));
    OKAY(mremap(area, 2 * 4096, 2 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, area + 4096));
    OKAY(mremap(area, 4096, 4096, MREMAP_FIXED, area + 4096));
    OKAY(mremap(area, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, area + 4097));
}

CASE(arguments)
{
    char *p = pages(4);
    OKAY(mremap(p + 1, 4096, 4096, MREMAP_MAYMOVE));
    OKAY(mremap(p, 4096, 0, MREMAP_MAYMOVE));
    OKAY(mremap(p, 4096, 4096, 64));
    OKAY(mremap(p, 0, 4096, MREMAP_MAYMOVE));
    munmap(p + 4096, 4096);
    OKAY(mremap(p, 3 * 4096, 4 * 4096, MREMAP_MAYMOVE));
    OKAY(mremap(p + 4096, 4096, 8192, MREMAP_MAYMOVE));
    OKAY(mremap((void *)0x10000, 4096, 8192, MREMAP_MAYMOVE));
    OKAY(mremap(p, 4096, 1ul << 47, MREMAP_MAYMOVE));
}

CASE(across_protections)
{
    char *p = pages(4);
    mprotect(p + 2 * 4096, 4096, PROT_READ);
    OKAY(mremap(p, 4 * 4096, 5 * 4096, MREMAP_MAYMOVE));
}

CASE(shared_duplicate)
{
    char *p = mmap(NULL, 8192, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p[0] = 4;
    char *q = MAP_OK(mremap(p, 0, 8192, MREMAP_MAYMOVE));
    q[1] = 5;
    say("%d %d", q[0], p[1]);
}

CASE(file)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 3 * 4096);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0), *q;
    q = MAP_OK(mremap(p, 4096, 3 * 4096, MREMAP_MAYMOVE));
    q[2 * 4096] = 'x';
    char c;
    pread(fd, &c, 1, 2 * 4096);
    say("%c", c);
}

CASE(dontunmap)
{
    char *p = pages(2);
    /* glibc leaves the new address to chance. */
    char *q = MAP_OK(syscall(SYS_mremap, p, 8192, 8192, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0));
    say("%d %d, left behind %d %d", q[0], q[4096], p[0], p[4096]);
    OKAY(syscall(SYS_mremap, p, 8192, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0));
    OKAY(syscall(SYS_mremap, p, 8192, 8192, MREMAP_DONTUNMAP, 0));
}
