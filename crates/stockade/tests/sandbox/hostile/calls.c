/* Every system call with hostile arguments, in processes that may die of it: calls SEED MILLISECONDS.
 *
 * The first process stays out of it. It starts one batch after the other, each the first process of its own namespaces, so
 * that nothing in it reaches the others; a batch makes calls until it dies or its time is up, while a second thread
 * overwrites the memory that the arguments point to. Says how many calls were made, or which one could not be ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS 471
#define PAGE 4096
#define POOL (16 * PAGE)
/* A batch is given so many milliseconds, and its end so many. */
#define BATCH 150
#define PATIENCE 20000

/* What the first process and the batches know of each other. */
static struct {
    _Atomic uint64_t made;
    _Atomic uint64_t by_number[CALLS];
    _Atomic uint64_t number, arguments[6];
} *shared;

/* Each thread its own, so that a seed gives the same arguments again. */
static _Thread_local uint64_t state;
static int null;

static uint64_t word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t n)
{
    return word() % n;
}

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* rw: readable and writable, then nothing. ro: read-only. torn: a hole in the middle. none: no access. */
static char *rw, *ro, *torn, *none;

static const char *const paths[] = {
    "a", "b", "d", "d/c", ".", "..", "", "link", "loop", "fifo", "sock", "missing/x", "/tmp/hostile", "/dev/null",
    "/dev/zero", "/dev/ptmx", "/dev/shm/x", "/proc/self", "/proc/self/mem", "/proc/self/maps", "/proc/self/fd/3",
    "/proc/self/exe", "/proc/self/ns/mnt", "/proc/self/oom_score_adj", "/proc/self/comm", "/proc/sys/kernel/hostname",
    "/sys/devices", "user.x", "security.capability", "trusted.overlay.opaque", "system.posix_acl_access", "tmpfs", "proc",
    "size=4096,mode=777", "lowerdir=a,upperdir=b", "#!/bin/sh", "../../../../../../../..",
};
#define PATHS (sizeof paths / sizeof *paths)

static const uint64_t numbers[] = {
    0, 1, 2, 3, 4, 7, 8, 9, 16, 63, 64, 65, 100, 255, 256, 1023, 1024, 1025, 4095, 4096, 4097, 65535, 65536, 1 << 20,
    0x7ffff000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, -1, -2, -8,
    -4095, -4096, -100, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff81000000,
    0xfffffffffffff000, 0x7ff000000000, 0x7ff010000000, 0xffffffffff600000, 0xdead000000000000,
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

static uint64_t pointer(void)
{
    switch (below(12)) {
    case 0:
        return (uint64_t)rw + POOL - below(64);
    case 1:
        return (uint64_t)ro + below(PAGE);
    case 2:
        return (uint64_t)torn + PAGE - below(256);
    case 3:
        return (uint64_t)none + below(PAGE);
    case 4:
        return (uint64_t)rw + below(POOL);
    case 5:
    case 6:
    case 7:
        return (uint64_t)rw + POOL / 2 + below(PATHS) * 64; /* a path, where the other thread does not write */
    default:
        return (uint64_t)rw + below(POOL / 2 / 64) * 64;
    }
}

static uint64_t argument(void)
{
    switch (below(16)) {
    case 0:
        return word();
    case 1:
    case 2:
        return numbers[below(NUMBERS)];
    case 3:
    case 4:
        return below(32); /* descriptors, among others */
    case 5:
        return below(5000);
    case 6:
        return (uint64_t)1 << below(64);
    case 7:
        return (uint64_t)1 << below(32) | (uint64_t)1 << below(32);
    case 8:
        return AT_FDCWD;
    case 9:
        return getpid();
    default:
        return pointer();
    }
}

static void fill(char *at, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8)
        *(volatile uint64_t *)(at + i) = argument();
}

static void *overwrite(void *unused)
{
    state = 1;
    for (;;) {
        fill(rw + below(POOL / 2 / 64) * 64, 64);
        if (below(64) == 0)
            sched_yield();
    }
    return unused;
}

static void interrupt(int signal)
{
    (void)signal;
}

/* Something to refer to: descriptors 3 and up, of all kinds. */
static void open_all(void)
{
    int pair[2];
    struct sockaddr_un name = {AF_UNIX, "sock"};
    sigset_t all;
    sigfillset(&all);
    mkdir("d", 0700);
    symlink("a", "link");
    symlink("loop", "loop");
    mkfifo("fifo", 0600);
    open("a", O_RDWR | O_CREAT, 0600);
    open("b", O_WRONLY | O_CREAT | O_APPEND, 0600);
    open("d", O_RDONLY | O_DIRECTORY);
    open(".", O_PATH);
    pipe(pair);
    pipe2(pair, O_NONBLOCK | O_DIRECT);
    eventfd(0, EFD_NONBLOCK);
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 1}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    signalfd(-1, &all, SFD_NONBLOCK);
    inotify_add_watch(inotify_init1(IN_NONBLOCK), ".", IN_ALL_EVENTS);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    unlink("sock");
    bind(listener, (void *)&name, sizeof name);
    listen(listener, 4);
    ftruncate(memfd_create("memory", MFD_ALLOW_SEALING), 1 << 16);
    syscall(SYS_pidfd_open, getpid(), 0);
    open("/proc/self/mem", O_RDWR);
    open("/proc/self/status", O_RDONLY);
    open("/dev/zero", O_RDWR);
    open("/dev/ptmx", O_RDWR | O_NOCTTY);
    open("/proc/self/fd", O_RDONLY);
}

static void prepare(void)
{
    rw = mmap(NULL, POOL + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(rw + POOL, PAGE);
    ro = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    none = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    torn = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(rw, POOL);
    fill(torn, PAGE);
    munmap(torn + PAGE, PAGE);
    for (size_t i = 0; i < PATHS; i++)
        strncpy(rw + POOL / 2 + i * 64, paths[i], 63);
}

/* Calls that only end or hold up the batch are made rarely. */
static int is_dull(uint64_t number)
{
    switch (number) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_pause:
    case SYS_munmap:
    case SYS_rt_sigreturn:
    case SYS_rt_sigsuspend:
    case SYS_close_range:
    case SYS_vfork:
        return 1;
    default:
        return 0;
    }
}

static int batch(void *from)
{
    uint64_t seed = *(uint64_t *)from;
    /* Signals to its process group reach out of a PID namespace. */
    setsid();
    state = seed * 0x9e3779b97f4a7c15 + 1;
    if (seed % 3 == 0 && setresuid(1000, 1000, 1000))
        return 1;
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    close(null);
    open_all();
    prepare();
    pthread_t other;
    pthread_create(&other, NULL, overwrite, NULL);
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &often, NULL);
    /* Batches go through all the numbers, a few at a time, and then call at random. */
    uint64_t next = seed * 8 % CALLS;
    for (uint64_t i = 0;; i++) {
        uint64_t number = i < 24 ? (next + i / 3) % CALLS : below(256) == 0 ? word() : below(CALLS);
        if (i >= 24 && is_dull(number) && below(32) != 0)
            continue;
        uint64_t a[6];
        for (int k = 0; k < 6; k++)
            atomic_store_explicit(&shared->arguments[k], a[k] = argument(), memory_order_relaxed);
        shared->number = number;
        shared->made++;
        if (number < CALLS)
            shared->by_number[number]++;
        syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    return 0;
}

/* Runs a batch to its end; whether it had one. */
static int run(uint64_t seed)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    int spaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS;
    pid_t pid = clone(batch, stack + sizeof stack, spaces | SIGCHLD, &seed);
    if (pid < 0) {
        printf("clone: %s\n", strerror(errno));
        return errno == EAGAIN;
    }
    long begin = now();
    int killed = 0, status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        long took = now() - begin;
        if (took > BATCH && !killed)
            killed = kill(pid, SIGKILL) == 0;
        if (took > BATCH + PATIENCE) {
            printf("seed %lu cannot be ended, in call %lu", seed, shared->number);
            for (int k = 0; k < 6; k++)
                printf(" %#lx", shared->arguments[k]);
            printf("\n");
            return 0;
        }
        usleep(2000);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    uint64_t seed = strtoul(argv[1], NULL, 0);
    long end = now() + strtol(argv[2], NULL, 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mkdir("/tmp/hostile", 0777);
    if (shared == MAP_FAILED || chmod("/tmp/hostile", 0777) || chdir("/tmp/hostile"))
        return 2;
    null = open("/dev/null", O_RDWR);
    setvbuf(stdout, NULL, _IONBF, 0);
    for (; now() < end; seed++)
        if (!run(seed))
            return 1;
    int never = 0;
    for (int i = 0; i < CALLS; i++)
        never += shared->by_number[i] == 0;
    printf("%lu calls, %d numbers never\n", shared->made, never);
    return 0;
}
