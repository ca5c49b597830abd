#include "case.h"

static long raw_brk(unsigned long to)
{
    return syscall(SYS_brk, to);
}

CASE(grow_and_shrink)
{
    unsigned long start = (unsigned long)raw_brk(0);
    SHOW((unsigned long)raw_brk(start + 3 * 4096) - start);
    char *p = (char *)start;
    p[3 * 4096 - 1] = 5;
    SHOW(p[0]);
    SHOW((unsigned long)raw_brk(start + 4096 + 5) - start);
    SHOW((unsigned long)raw_brk(start + 3 * 4096) - start);
    SHOW(p[3 * 4096 - 1]);
    SHOW((unsigned long)raw_brk(start) - start);
    TRY(mincore((void *)((start + 4095) & ~4095ul), 4096, (unsigned char[1]){0}));
}

CASE(below_the_start_is_refused)
{
    unsigned long now = (unsigned long)raw_brk(0);
    SHOW((unsigned long)raw_brk(4096) - now);
    SHOW((unsigned long)raw_brk(-1ul) - now);
    SHOW((unsigned long)raw_brk(1) - now);
}

CASE(sbrk)
{
    char *a = sbrk(10000), *b = sbrk(0);
    SHOW(b - a);
    a[9999] = 1;
    SHOW((char *)sbrk(-10000) - b);
    SHOW((char *)sbrk(0) - a);
}

CASE(collision)
{
    unsigned long start = (unsigned long)raw_brk(0), page = (start + 4095) & ~4095ul;
    char *p = mmap((void *)(page + 16 * 4096), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    NEED(p != MAP_FAILED);
    SHOW((unsigned long)raw_brk(page + 16 * 4096) == page + 16 * 4096);
    SHOW((unsigned long)raw_brk(page + 17 * 4096) == page + 16 * 4096);
}

CASE(fork_copies)
{
    char *p = sbrk(4096);
    p[0] = 1;
    pid_t pid;
    CHILD(pid)
    {
        p[0] = 2;
        sbrk(4096);
    }
    reap(pid);
    SHOW(p[0]);
    SHOW((char *)sbrk(0) - p);
}

CASE(pages_come_back_as_zeros)
{
    unsigned long start = ((unsigned long)raw_brk(0) + 4095) & ~4095ul;
    raw_brk(start + 8192);
    memset((char *)start, 7, 8192);
    raw_brk(start + 4096);
    raw_brk(start + 8192);
    SHOW(((char *)start)[4095]);
    SHOW(((char *)start)[4096]);
}
