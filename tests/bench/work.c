/* Work to be timed, the same program everywhere. Prints nanoseconds per operation of each work named. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Newer than some headers. */
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#define NOTIF_SYNC_WAKE_UP 1ul

static uint64_t clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static void check(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void fine(pthread_t *t, void *(*f)(void *), void *arg)
{
    check(pthread_create(t, NULL, f, arg) == 0, "pthread_create");
}

/* Repeats an operation for about so long. */
static double repeat(uint64_t budget, void (*op)(void))
{
    op();
    uint64_t n = 0, batch = 1, start = now(), spent;
    do {
        for (uint64_t i = 0; i < batch; i++)
            op();
        n += batch;
        spent = now() - start;
        if (spent < budget / 20)
            batch *= 2;
    } while (spent < budget);
    return (double)spent / (double)n;
}

enum { SHORT = 15000000, LONG = 60000000 };

static int fd = -1, pipes[2][2];
static char small[64], big[65536];
static char path[] = "/tmp/stockade-work-XXXXXX";

static void op_getppid(void)
{
    syscall(SYS_getppid);
}

static void op_fstat(void)
{
    struct stat s;
    fstat(fd, &s);
}

static void op_stat(void)
{
    struct stat s;
    stat(path, &s);
}

static void op_open_close(void)
{
    close(open(path, O_RDONLY));
}

static void op_pipe(void)
{
    check(write(pipes[0][1], small, 1) == 1 && read(pipes[0][0], small, 1) == 1, "pipe");
}

static void op_pread(void)
{
    check(pread(fd, small, sizeof small, 0) == sizeof small, "pread");
}

static void op_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
}

static void op_pwrite_big(void)
{
    check(pwrite(fd, big, sizeof big, 0) == sizeof big, "pwrite");
}

static void op_pread_big(void)
{
    check(pread(fd, big, sizeof big, 0) == sizeof big, "pread");
}

static void op_mmap(void)
{
    char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    for (int i = 0; i < 65536; i += 4096)
        p[i] = 1;
    munmap(p, 65536);
}

static void *nothing(void *arg)
{
    return arg;
}

static void op_pthread(void)
{
    pthread_t t;
    fine(&t, nothing, NULL);
    pthread_join(t, NULL);
}

static void op_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
}

static void op_exec(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    int status;
    check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "vfork and exec");
}

/* 60,000 bytes from one process to another, and a byte back. */
static double bytes_through_a_pipe(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            size_t got = 0;
            while (got < 60000) {
                ssize_t n = read(pipes[0][0], big, 60000 - got);
                if (n <= 0)
                    _exit(0);
                got += (size_t)n;
            }
            if (write(pipes[1][1], small, 1) != 1)
                _exit(1);
        }
    }
    uint64_t start = now(), n = 0;
    while (now() - start < LONG) {
        check(write(pipes[0][1], big, 60000) == 60000 && read(pipes[1][0], small, 1) == 1, "pipe");
        n++;
    }
    double result = (double)(now() - start) / (double)n;
    close(pipes[0][1]);
    close(pipes[0][0]);
    kill(pid, 9);
    waitpid(pid, NULL, 0);
    return result;
}

static void *answers(void *arg)
{
    char c;
    while (read(pipes[0][0], &c, 1) == 1 && write(pipes[1][1], &c, 1) == 1)
        ;
    return arg;
}

static double ping_pong(void)
{
    pthread_t t;
    fine(&t, answers, NULL);
    uint64_t start = now(), n = 0;
    while (now() - start < LONG) {
        check(write(pipes[0][1], small, 1) == 1 && read(pipes[1][0], small, 1) == 1, "ping pong");
        n++;
    }
    double result = (double)(now() - start) / (double)n;
    close(pipes[0][1]);
    pthread_join(t, NULL);
    return result;
}

/* System calls of two processes at once: nanoseconds of wall time for one of each. */
static double two_at_once(void)
{
    _Atomic uint64_t *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(n != MAP_FAILED, "mmap");
    uint64_t start = now();
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            while (now() - start < LONG) {
                for (int j = 0; j < 50; j++)
                    op_getppid();
                n[i * 16] += 50;
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 2; i++)
        waitpid(pids[i], NULL, 0);
    return (double)LONG / ((double)(n[0] + n[16]));
}

static double first_touch(void)
{
    enum { BYTES = 32 << 20 };
    char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    madvise(p, BYTES, MADV_NOHUGEPAGE);
    uint64_t start = now();
    for (size_t i = 0; i < BYTES; i += 4096)
        p[i] = 1;
    double result = (double)(now() - start) / (BYTES / 4096.0);
    munmap(p, BYTES);
    return result;
}

/* CPU time, not time. */
static double cpu(void)
{
    uint64_t start = clock_of(CLOCK_THREAD_CPUTIME_ID), x = 88172645463325252u;
    for (int i = 0; i < 30000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    __asm__ volatile("" : : "r"(x));
    return (double)(clock_of(CLOCK_THREAD_CPUTIME_ID) - start);
}

/* A round trip by user notification with nothing around it: what a call costs at least where another process answers. */
static void *serves(void *arg)
{
    int listener = *(int *)arg;
    ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
    for (;;) {
        struct seccomp_notif n = {0};
        struct seccomp_notif_resp r = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n)) {
            if (errno == EINTR)
                continue;
            return NULL;
        }
        r.id = n.id;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r) && errno != ENOENT)
            return NULL;
    }
}


static double bare_notify(void)
{
    enum { NONE_HERE = -2 };
    struct result {
        _Atomic int listener, go;
        double nanoseconds;
    } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED, "mmap");
    shared->listener = -1;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof code / sizeof *code, code};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        shared->listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                        SECCOMP_FILTER_FLAG_NEW_LISTENER | (1ul << 5), &program);
        if (shared->listener < 0) {
            shared->listener = NONE_HERE;
            _exit(1);
        }
        while (!shared->go)
            sched_yield();
        shared->nanoseconds = repeat(LONG, op_getppid);
        _exit(0);
    }
    while (shared->listener == -1)
        sched_yield();
    check(shared->listener != NONE_HERE, "seccomp");
    int listener = shared->listener;
    pthread_t t;
    fine(&t, serves, &listener);
    shared->go = 1;
    waitpid(pid, NULL, 0);
    close(listener);
    return shared->nanoseconds;
}

/* A command, as often as asked for. */
static double command(char **argv, int times)
{
    uint64_t start = now();
    for (int i = 0; i < times; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            int null = open("/dev/null", O_RDWR);
            dup2(null, 1);
            dup2(null, 2);
            execvp(*argv, argv);
            _exit(127);
        }
        int status;
        check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
        if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 1)) {
            fprintf(stderr, "%s: status %#x\n", *argv, status);
            exit(1);
        }
    }
    return (double)(now() - start) / times;
}

/* For each line of input the CPU time of a pass over memory: read in order, changed here and there, changed in order. */
static void passes(void)
{
    size_t count = (256ul << 20) / sizeof(uint64_t);
    uint64_t *memory = malloc(count * sizeof *memory), random = 88172645463325252u, sum = 0;
    check(memory != NULL, "malloc");
    for (size_t i = 0; i < count; i++)
        memory[i] = i * 0x9e3779b97f4a7c15u;
    char line;
    while (read(0, &line, 1) == 1) {
        uint64_t start = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < count; i++)
            sum += memory[i];
        for (int i = 0; i < 1000000; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            memory[random % count] += sum;
        }
        for (size_t i = 0; i < count; i += 8)
            memory[i] ^= sum;
        printf("%llu\n", (unsigned long long)(clock_of(CLOCK_PROCESS_CPUTIME_ID) - start));
        fflush(stdout);
    }
}

static const struct {
    const char *name;
    void (*op)(void);
    double (*whole)(void);
    uint64_t budget;
} works[] = {
    {"getppid", op_getppid, NULL, SHORT},
    {"fstat", op_fstat, NULL, SHORT},
    {"stat", op_stat, NULL, SHORT},
    {"open-close", op_open_close, NULL, SHORT},
    {"pipe", op_pipe, NULL, SHORT},
    {"pread-64", op_pread, NULL, SHORT},
    {"pipe-60000", NULL, bytes_through_a_pipe, 0},
    {"ping-pong", NULL, ping_pong, 0},
    {"getppid-two", NULL, two_at_once, 0},
    {"clock_gettime", op_clock, NULL, SHORT},
    {"first-touch", NULL, first_touch, 0},
    {"cpu", NULL, cpu, 0},
    {"mmap-64k", op_mmap, NULL, SHORT},
    {"pthread", op_pthread, NULL, LONG},
    {"fork", op_fork, NULL, LONG},
    {"exec", op_exec, NULL, LONG},
    {"pwrite-64k", op_pwrite_big, NULL, SHORT},
    {"pread-64k", op_pread_big, NULL, SHORT},
    {"bare-notify", NULL, bare_notify, 0},
};

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "command") == 0) {
        printf("command %.1f\n", command(argv + 3, atoi(argv[2])));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "passes") == 0) {
        passes();
        return 0;
    }
    int on_disk = mkstemp(path);
    check(on_disk >= 0 && write(on_disk, big, sizeof big) == sizeof big, path);
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof works / sizeof *works && strcmp(works[k].name, argv[i]))
            k++;
        if (k == sizeof works / sizeof *works) {
            fprintf(stderr, "%s: no such work\n", argv[i]);
            return 2;
        }
        check((fd = memfd_create("work", 0)) >= 0 && write(fd, big, sizeof big) == sizeof big, "memfd");
        check(pipe(pipes[0]) == 0 && pipe(pipes[1]) == 0, "pipe");
        printf("%s %.1f\n", argv[i], works[k].op ? repeat(works[k].budget, works[k].op) : works[k].whole());
        fflush(stdout);
        close(fd);
        for (int j = 0; j < 4; j++)
            close(pipes[j / 2][j % 2]);
    }
    unlink(path);
    return 0;
}
