#include "case.h"

/* An address below the frame that the compiler knows nothing about. */
#define BELOW(bytes)                                                                                                   \
    ({                                                                                                                 \
        char *at;                                                                                                      \
        __asm__ volatile("movq %%rsp, %0" : "=r"(at));                                                                 \
        at - (bytes);                                                                                                  \
    })

__attribute__((noinline)) static int deep(int pages)
{
    volatile char block[4096];
    block[0] = (char)pages;
    return pages ? deep(pages - 1) + block[0] : block[0];
}

CASE(grows)
{
    SHOW(deep(1000) != 0);
}

CASE(grows_by_a_far_touch)
{
    setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, RLIM_INFINITY});
    char *p = BELOW(4 << 20);
    *(volatile char *)p = 1;
    SHOW(*(volatile char *)p);
    SHOW(*(volatile char *)(p + (2 << 20)));
}

CASE(limit)
{
    pid_t pid;
    for (int mb = 1; mb <= 4; mb *= 2) {
        CHILD(pid)
        {
            setrlimit(RLIMIT_STACK, &(struct rlimit){2 << 20, RLIM_INFINITY});
            *(volatile char *)BELOW((mb << 20) - 300000) = 1;
        }
        say("%d MiB: %d", mb, reap(pid));
    }
}

CASE(system_calls_grow_it_too)
{
    char *p = BELOW(1 << 20);
    int fd = open("/dev/zero", O_RDONLY);
    TRY(read(fd, p, 100));
    SHOW(p[99]);
}

CASE(limit_at_exec)
{
    setrlimit(RLIMIT_STACK, &(struct rlimit){512 << 10, RLIM_INFINITY});
    pid_t pid = spawn_helper("use", "400");
    tell_wait("400 KiB", pid);
    pid = spawn_helper("use", "600");
    tell_wait("600 KiB", pid);
}

HELPER(use)
{
    *(volatile char *)BELOW(atol(argv[1]) * 1024) = 1;
    return 0;
}

CASE(growsdown_mapping)
{
    char *area = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area, 1 << 20);
    char *p = mmap(area + (1 << 20) - 4096, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    NEED(p != MAP_FAILED);
    for (int i = 0; i < 20; i++)
        *(volatile char *)(p - i * 4096) = 1;
    say("grown");
}

CASE(guard_gap)
{
    /* Nothing grows into its neighbour: a gap of a megabyte stays. */
    pid_t pid;
    CHILD(pid)
    {
        char *area = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(area + 4096, (4 << 20) - 8192);
        char *p = mmap(area + (2 << 20), 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
        for (;;)
            *(volatile char *)(p -= 4096) = 1;
    }
    tell_wait("child", pid);
}

static void *thread_stack(void *arg)
{
    return (void *)(long)(deep(200) != 0 && arg == NULL);
}

CASE(of_a_thread)
{
    void *r;
    pthread_join(thread(thread_stack, NULL), &r);
    SHOW(r);
}

CASE(not_executable)
{
    pid_t pid;
    CHILD(pid)
    {
        volatile unsigned char code[] = {0xc3};
        ((void (*)(void))(unsigned long)code)();
    }
    tell_wait("child", pid);
}
