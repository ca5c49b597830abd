#include "case.h"

static int set(int what, rlim_t soft, rlim_t hard)
{
    return setrlimit(what, &(struct rlimit){soft, hard});
}

CASE(rules)
{
    struct rlimit r;
    TRY(set(RLIMIT_NOFILE, 50, 60));
    TRY(getrlimit(RLIMIT_NOFILE, &r));
    say("%ld %ld", (long)r.rlim_cur, (long)r.rlim_max);
    TRY(set(RLIMIT_NOFILE, 61, 60));
    TRY(set(RLIMIT_NOFILE, 60, 60));
    TRY(getrlimit(16, &r));
    TRY(getrlimit(-1, &r));
    TRY(set(16, 1, 1));
    TRY(syscall(SYS_getrlimit, RLIMIT_NOFILE, 8));
    TRY(set(RLIMIT_NOFILE, RLIM_INFINITY, RLIM_INFINITY));
    become(1000, 1000);
    TRY(set(RLIMIT_NOFILE, 60, 61));
    TRY(set(RLIMIT_NOFILE, 10, 59));
    TRY(set(RLIMIT_NOFILE, 10, 60));
}

CASE(prlimit)
{
    struct rlimit r;
    TRY(prlimit(0, RLIMIT_FSIZE, &(struct rlimit){1000, 2000}, &r));
    SHOW(r.rlim_cur == RLIM_INFINITY);
    TRY(prlimit(0, RLIMIT_FSIZE, NULL, &r));
    SHOW(r.rlim_cur);
    pid_t pid;
    CHILD(pid) pause();
    TRY(prlimit(pid, RLIMIT_FSIZE, &(struct rlimit){5, 6}, &r));
    SHOW(r.rlim_cur);
    TRY(prlimit(pid, RLIMIT_FSIZE, NULL, &r));
    SHOW(r.rlim_cur);
    TRY(prlimit(0x3fffffff, RLIMIT_FSIZE, NULL, &r));
    TRY(prlimit(getpid(), 99, NULL, &r));
    pid_t by;
    CHILD(by)
    {
        become(1000, 1000);
        TRY(prlimit(pid, RLIMIT_FSIZE, NULL, &r));
    }
    reap(by);
    kill(pid, SIGKILL);
    reap(pid);
}

CASE(inherited)
{
    set(RLIMIT_STACK, 1 << 20, RLIM_INFINITY);
    set(RLIMIT_NOFILE, 77, 99);
    pid_t pid;
    CHILD(pid) execl("/bin/sh", "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -s", NULL);
    reap(pid);
}

CASE(nofile)
{
    set(RLIMIT_NOFILE, 6, 100);
    TRY(dup(0));
    TRY(dup(0));
    TRY(dup(0));
    TRY(dup(0));
    TRY(open(".", O_RDONLY));
    int p[2];
    TRY(pipe(p));
    TRY(dup2(0, 6));
    TRY(dup2(0, 5));
    TRY(fcntl(0, F_DUPFD, 6));
    TRY(fcntl(0, F_DUPFD, 5));
    close(5);
    TRY(pipe(p));
    TRY(dup(0));
    set(RLIMIT_NOFILE, 3, 100);
    TRY(write(5, "", 0));
}

CASE(fsize_signal)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    set(RLIMIT_FSIZE, 10, 10);
    handle(SIGXFSZ, 0);
    TRY(write(fd, "12345678", 8));
    TRY(write(fd, "12345678", 8));
    SHOW(got[SIGXFSZ]);
    TRY(write(fd, "1", 1));
    SHOW(got[SIGXFSZ]);
    TRY(ftruncate(fd, 11));
    SHOW(got[SIGXFSZ]);
    TRY(pwrite(fd, "x", 1, 20));
    SHOW(got[SIGXFSZ]);
    TRY(fallocate(fd, 0, 0, 11));
    SHOW(lseek(fd, 0, SEEK_END));
    pid_t pid;
    CHILD(pid)
    {
        signal(SIGXFSZ, SIG_DFL);
        write(fd, "1", 1);
    }
    tell_wait("default", pid);
}

CASE(fsize_spares_pipes)
{
    int p[2];
    set(RLIMIT_FSIZE, 0, 0);
    pipe(p);
    TRY(write(p[1], "abc", 3));
}

CASE(cpu)
{
    pid_t pid;
    CHILD(pid)
    {
        set(RLIMIT_CPU, 1, RLIM_INFINITY);
        for (;;)
            ;
    }
    tell_wait("soft", pid);
    CHILD(pid)
    {
        handle(SIGXCPU, 0);
        set(RLIMIT_CPU, 1, 2);
        for (;;)
            ;
    }
    tell_wait("hard", pid);
}

static void *spins(void *arg)
{
    for (;;)
        ;
    return arg;
}

CASE(cpu_of_children_and_threads)
{
    pid_t pid;
    CHILD(pid)
    {
        handle(SIGXCPU, SA_RESTART);
        set(RLIMIT_CPU, 1, 3);
        pid_t inner;
        CHILD(inner)
        {
            thread(spins, NULL);
            while (got[SIGXCPU] < 2)
                ;
            struct rlimit r;
            getrlimit(RLIMIT_CPU, &r);
            say("then %d of %d", (int)r.rlim_cur, (int)r.rlim_max);
            for (;;)
                ;
        }
        tell_wait("inner", inner);
    }
    tell_wait("outer", pid);
}

CASE(nproc_binds_users)
{
    pid_t pid;
    CHILD(pid)
    {
        set(RLIMIT_NPROC, 1, 1);
        become(54321, 54321);
        TRY(fork());
        pthread_t t;
        RET(pthread_create(&t, NULL, (void *(*)(void *))(void *)getpid, NULL));
    }
    reap(pid);
    CHILD(pid)
    {
        set(RLIMIT_NPROC, 1, 1);
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        SHOW(child > 0);
        reap(child);
    }
    reap(pid);
}

CASE(data)
{
    set(RLIMIT_DATA, 8 << 20, RLIM_INFINITY);
    OKAY(mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(sbrk(64 << 20) == (void *)-1);
}

CASE(address_space)
{
    set(RLIMIT_AS, 128 << 20, RLIM_INFINITY);
    OKAY(mmap(NULL, 256 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    void *p = MAP_OK(mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mmap(NULL, 96 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    OKAY(mremap(p, 64 << 20, 160 << 20, MREMAP_MAYMOVE));
    munmap(p, 64 << 20);
    OKAY(mmap(NULL, 96 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(sbrk(256 << 20) == (void *)-1);
}

CASE(sigpending)
{
    set(RLIMIT_SIGPENDING, 0, 0);
    become(54322, 54322);
    block(SIGRTMIN);
    block(SIGUSR1);
    union sigval v = {.sival_int = 1};
    TRY(sigqueue(getpid(), SIGRTMIN, v));
    /* What kill sends is never lost. */
    TRY(kill(getpid(), SIGUSR1));
    sigset_t set;
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    SHOW(sigismember(&set, SIGRTMIN));
}

CASE(nice_and_rtprio_limits)
{
    set(RLIMIT_NICE, 0, 0);
    set(RLIMIT_RTPRIO, 0, 0);
    become(1000, 1000);
    TRY(setpriority(PRIO_PROCESS, 0, 5));
    TRY(setpriority(PRIO_PROCESS, 0, 0));
    struct sched_param p = {.sched_priority = 1};
    TRY(sched_setscheduler(0, SCHED_FIFO, &p));
}

CASE(core_and_memlock_values)
{
    struct rlimit r;
    TRY(getrlimit(RLIMIT_CORE, &r));
    SHOW(r.rlim_cur);
    TRY(set(RLIMIT_MEMLOCK, 4096, 8192));
    TRY(getrlimit(RLIMIT_MEMLOCK, &r));
    SHOW(r.rlim_cur);
    TRY(getrlimit(RLIMIT_RSS, &r));
    TRY(getrlimit(RLIMIT_LOCKS, &r));
    TRY(getrlimit(RLIMIT_MSGQUEUE, &r));
    TRY(getrlimit(RLIMIT_RTTIME, &r));
}
