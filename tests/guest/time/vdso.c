/* build: -fPIE -pie */
#include "case.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/auxv.h>

static const char *const names[] = {"clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres"};

static void *vdso(const char *name)
{
    void *library = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    NEED(library != NULL);
    return dlvsym(library, name, "LINUX_2.6");
}

CASE(symbols)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char private[64];
        snprintf(private, sizeof private, "__vdso_%s", names[i]);
        void *weak = vdso(names[i]), *strong = vdso(private);
        say("%s %d %d", names[i], weak != NULL, weak == strong);
    }
    SHOW(vdso("nonsense") == NULL);
}

/* The functions agree with the calls. */
CASE(clocks)
{
    int (*gettime)(clockid_t, struct timespec *) = vdso("clock_gettime");
    int (*getres)(clockid_t, struct timespec *) = vdso("clock_getres");
    for (clockid_t id = 0; id < 12; id++) {
        if (id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM)
            continue;
        struct timespec a, b, c;
        int before = syscall(SYS_clock_gettime, id, &a) ? -errno : 0;
        int own = gettime(id, &b);
        syscall(SYS_clock_gettime, id, &c);
        bool ordered = a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec);
        ordered = ordered && (b.tv_sec < c.tv_sec || (b.tv_sec == c.tv_sec && b.tv_nsec <= c.tv_nsec));
        say("%d: same %d ordered %d", id, own == before, before || ordered);
        memset(&a, 0, sizeof a), memset(&b, 0, sizeof b);
        before = syscall(SYS_clock_getres, id, &a) ? -errno : 0;
        say("%d: same resolution %d", id, getres(id, &b) == before && a.tv_nsec == b.tv_nsec);
    }
}

CASE(others)
{
    long (*seconds)(long *) = vdso("time");
    int (*day)(struct timeval *, struct timezone *) = vdso("gettimeofday");
    long (*cpu)(unsigned *, unsigned *, void *) = vdso("getcpu");
    long now = syscall(SYS_time, NULL), stored = 0;
    SHOW(seconds(&stored) == stored);
    SHOW(stored - now < 2);
    struct timeval t;
    SHOW(day(&t, NULL));
    SHOW(t.tv_sec - now < 2 && t.tv_usec < 1000000);
    unsigned at = ~0u, node = ~0u;
    SHOW(cpu(&at, &node, NULL));
    SHOW(at < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

CASE(protection)
{
    char *image = (char *)getauxval(AT_SYSINFO_EHDR), *data = image - 4096;
    SHOW(memcmp(image, ELFMAG, SELFMAG));
    TRY(mprotect(data, 4096, PROT_READ | PROT_WRITE));
    TRY(mprotect(data, 4096, PROT_READ));
}

CASE(after_exec)
{
    reap(spawn_helper("clock", NULL));
}

HELPER(clock)
{
    struct timespec a, b;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
    int (*gettime)(clockid_t, struct timespec *) = vdso("clock_gettime");
    return gettime(CLOCK_MONOTONIC, &b) || b.tv_sec - a.tv_sec > 1;
}
