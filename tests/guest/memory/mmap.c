#include "case.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

CASE(arguments)
{
    int ro = open(self, O_RDONLY), path = open(self, O_PATH), dir = open(".", O_RDONLY);
    write_file("f", "abc", 0644);
    int wo = open("f", O_WRONLY), app = open("f", O_RDWR | O_APPEND);
    OKAY(mmap(NULL, 0, RW, ANON, -1, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_PRIVATE, -1, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_PRIVATE, 99, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 1));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 0x7ffffffffffff000));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_PRIVATE, ro, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED, ro, 0));
    OKAY(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0));
    OKAY(mmap(NULL, 4096, PROT_NONE, MAP_SHARED, wo, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, wo, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED, wo, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED, app, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, path, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, dir, 0));
    OKAY(mmap(NULL, 1ul << 47, RW, ANON, -1, 0));
    OKAY(mmap(NULL, -1ul, RW, ANON, -1, 0));
    OKAY(mmap(NULL, 4096, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x8000000, ro, 0));
    OKAY(mmap(NULL, 4096, 0x100, ANON, -1, 0));
    OKAY(mmap(NULL, 4096, RW, ANON, -1, 1));
    OKAY(syscall(SYS_mmap, 0, 4096, RW, ANON, -1, 1));
}

CASE(pipes_cannot_be_mapped)
{
    int p[2];
    NEED(pipe(p) == 0);
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED, p[0], 0));
}

CASE(fixed)
{
    char *p = mmap(NULL, 5 * 4096, RW, ANON, -1, 0);
    memset(p, 1, 5 * 4096);
    SHOW((char *)mmap(p + 4096, 4096, RW, ANON | MAP_FIXED, -1, 0) - p);
    say("%d %d %d", p[4095], p[4096], p[8192]);
    OKAY(mmap(p + 1, 4096, RW, ANON | MAP_FIXED, -1, 0));
    OKAY(mmap((void *)0xfffffffffffff000, 4096, RW, ANON | MAP_FIXED, -1, 0));
    OKAY(mmap((void *)0x7ffffffff000, 4096, RW, ANON | MAP_FIXED, -1, 0));
    OKAY(mmap((void *)0x800000000000, 4096, RW, ANON | MAP_FIXED, -1, 0));
}

CASE(fixed_noreplace)
{
    char *p = mmap(NULL, 3 * 4096, RW, ANON, -1, 0);
    munmap(p + 4096, 4096);
    SHOW((char *)mmap(p + 4096, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) - p);
    OKAY(mmap(p + 4096, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    OKAY(mmap(p, 8192, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    OKAY(mmap(p + 3, 4096, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
}

CASE(hints)
{
    char *p = mmap(NULL, 3 * 4096, RW, ANON, -1, 0);
    munmap(p + 4096, 4096);
    SHOW((char *)mmap(p + 4096, 4096, RW, ANON, -1, 0) - p);
    SHOW((char *)mmap(p + 4096, 4096, RW, ANON, -1, 0) == p + 4096);
    SHOW(mmap((void *)0x10000001234, 4096, RW, ANON, -1, 0) == (void *)0x10000001000);
    SHOW((unsigned long)mmap(NULL, 4096, RW, ANON | MAP_32BIT, -1, 0) < 1ul << 31);
}

CASE(low_addresses)
{
    SHOW(mmap((void *)0, 4096, RW, ANON | MAP_FIXED, -1, 0) == NULL);
    SHOW(mmap((void *)0x10000, 4096, RW, ANON | MAP_FIXED, -1, 0) == (void *)0x10000);
    become(1000, 1000);
    OKAY(mmap((void *)0x1000, 4096, RW, ANON | MAP_FIXED, -1, 0));
    SHOW((unsigned long)mmap((void *)0x1000, 4096, RW, ANON, -1, 0) >= 0x10000);
}

CASE(munmap)
{
    char *p = mmap(NULL, 4 * 4096, RW, ANON, -1, 0);
    TRY(munmap(p + 1, 4096));
    TRY(munmap(p, 0));
    TRY(munmap(p + 4096, 1));
    TRY(munmap(p + 4096, 4096));
    TRY(munmap(p, 4 * 4096));
    TRY(munmap((void *)0xfffffffffffff000, 4096));
    TRY(munmap(p, -4096ul));
}

static void hole(char *p)
{
    unsigned char v[5];
    for (int i = 0; i < 5; i++)
        v[i] = mincore(p + i * 4096, 4096, v) == 0;
    say("%d%d%d%d%d", v[0], v[1], v[2], v[3], v[4]);
}

CASE(split)
{
    char *p = mmap(NULL, 5 * 4096, RW, ANON, -1, 0);
    memset(p, 9, 5 * 4096);
    munmap(p + 2 * 4096, 4096);
    hole(p);
    mprotect(p + 3 * 4096, 4096, PROT_READ);
    munmap(p + 4096, 3 * 4096);
    hole(p);
    SHOW(p[0] + p[4 * 4096]);
}

CASE(private_file)
{
    write_file("f", "hello", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 4096, RW, MAP_PRIVATE, fd, 0);
    close(fd);
    p[0] = 'J';
    say("%s", p);
    tell_file("f");
    pid_t pid;
    CHILD(pid)
    {
        p[1] = 'a';
        say("%s", p);
    }
    reap(pid);
    say("%s", p);
}

CASE(file_offset)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 4 * 4096);
    for (int i = 0; i < 4; i++)
        pwrite(fd, &(char){(char)('a' + i)}, 1, i * 4096);
    char *p = mmap(NULL, 8192, RW, MAP_SHARED, fd, 4096);
    say("%c %c", p[0], p[4096]);
    p[4096] = 'X';
    char c;
    pread(fd, &c, 1, 2 * 4096);
    say("%c", c);
}

CASE(unlinked_file_stays)
{
    write_file("f", "kept", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
    unlink("f");
    close(fd);
    say("%s", p);
    p[0] = 'K';
    pid_t pid;
    CHILD(pid) say("%s", p);
    reap(pid);
}

CASE(zero_pages_and_sizes)
{
    char *p = mmap(NULL, 1, RW, ANON, -1, 0);
    SHOW(p[0] + p[4095]);
    size_t big = 1ul << 30;
    p = MAP_OK(mmap(NULL, big, RW, ANON | MAP_NORESERVE, -1, 0));
    p[big - 1] = 1;
    SHOW(p[big - 1] + p[big / 2]);
    TRY(munmap(p, big));
}

CASE(populate_and_locked)
{
    unsigned char v[2];
    char *p = MAP_OK(mmap(NULL, 8192, RW, ANON | MAP_POPULATE, -1, 0));
    mincore(p, 8192, v);
    SHOW((v[0] & 1) + (v[1] & 1));
    p = MAP_OK(mmap(NULL, 8192, RW, ANON | MAP_LOCKED, -1, 0));
    mincore(p, 8192, v);
    SHOW((v[0] & 1) + (v[1] & 1));
}

CASE(hugetlb_and_friends)
{
    OKAY(mmap(NULL, 4096, RW, ANON | MAP_STACK, -1, 0));
    OKAY(mmap(NULL, 4096, RW, ANON | MAP_NONBLOCK, -1, 0));
    OKAY(mmap(NULL, 4096, RW, ANON | MAP_DENYWRITE | MAP_EXECUTABLE, -1, 0));
}

CASE(executable_code)
{
    unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    unsigned char *p = mmap(NULL, 4096, RW | PROT_EXEC, ANON, -1, 0);
    memcpy(p, code, sizeof code);
    SHOW(((int (*)(void))p)());
    p[1] = 43;
    SHOW(((int (*)(void))p)());
}

CASE(addresses_are_random)
{
    int differ[3] = {0};
    unsigned long first[3] = {0};
    for (int i = 0; i < 6; i++) {
        int p[2];
        unsigned long at[3];
        NEED(pipe(p) == 0);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(p[1], 9);
            execl(self, self, "--as", "addresses", NULL);
        }
        NEED(read(p[0], at, sizeof at) == sizeof at);
        reap(pid);
        for (int k = 0; k < 3; k++) {
            differ[k] |= i && at[k] != first[k];
            first[k] = at[k];
        }
        close(p[0]);
        close(p[1]);
    }
    say("stack %d mmap %d brk %d", differ[0], differ[1], differ[2]);
}

HELPER(addresses)
{
    unsigned long at[3] = {(unsigned long)&argc, (unsigned long)mmap(NULL, 4096, RW, ANON, -1, 0),
                           (unsigned long)syscall(SYS_brk, 0)};
    return write(9, at, sizeof at) == sizeof at ? 0 : 1;
}

CASE(validated_flags)
{
    write_file("f", "x", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    OKAY(mmap(p + 4096, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, fd, 0));
    OKAY(mmap(p + 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0));
    OKAY(mmap(p + 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x4000000, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x80000 /* MAP_SYNC */, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x200000, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_NORESERVE | MAP_POPULATE | MAP_STACK, fd, 0));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
}

/* How many times an alternating change of pages succeeds before there are too many areas. */
#define UNTIL_REFUSED(what, act)                                                                                       \
    do {                                                                                                               \
        char *area = mmap(NULL, 1L << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);                                     \
        NEED(area != MAP_FAILED);                                                                                      \
        int done = 0, failed = 0;                                                                                      \
        for (long at = 4096; at < 1L << 30 && !failed; at += 8192)                                                     \
            if ((act) == 0)                                                                                            \
                done++;                                                                                                \
            else                                                                                                       \
                failed = errno;                                                                                        \
        say("%s: enough %d error %s", what, done > 32000 && done < 32768, failed ? strerrorname_np(failed) : "none");  \
        munmap(area, 1L << 30);                                                                                        \
    } while (0)

CASE(too_many_areas)
{
    UNTIL_REFUSED("mprotect", mprotect(area + at, 4096, PROT_READ));
    UNTIL_REFUSED("madvise", madvise(area + at, 4096, MADV_DONTDUMP));
    UNTIL_REFUSED("madvise", madvise(area + at, 4096, MADV_DONTFORK));
    UNTIL_REFUSED("mmap", mmap(area + at, 4096, PROT_READ, ANON | MAP_FIXED, -1, 0) == area + at ? 0 : -1);
}
