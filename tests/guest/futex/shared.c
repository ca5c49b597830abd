#include "case.h"
#include <linux/futex.h>
#include <semaphore.h>

static long futex(void *addr, int op, uint32_t val, const void *timeout)
{
    return syscall(SYS_futex, addr, op, val, timeout, NULL, ~0u);
}

static struct timespec seconds(long s)
{
    return (struct timespec){s, 0};
}

CASE(between_processes)
{
    uint32_t *w = shared_memory(4096);
    pid_t pid;
    CHILD(pid)
    {
        struct timespec t = seconds(5);
        _exit(futex(w, FUTEX_WAIT, 0, &t) == 0 ? 7 : 8);
    }
    settle();
    TRY(futex(w, FUTEX_WAKE_PRIVATE, 1, NULL));
    TRY(futex(w, FUTEX_WAKE, 1, NULL));
    tell_wait("waiter", pid);
}

CASE(through_a_file_at_other_addresses)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 8192);
    uint32_t *w = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t pid;
    CHILD(pid)
    {
        struct timespec t = seconds(5);
        uint32_t *v = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("f", O_RDWR), 4096);
        _exit(futex(v + 3, FUTEX_WAIT, 0, &t) == 0 ? 7 : 8);
    }
    settle();
    TRY(futex(w + 3, FUTEX_WAKE, 1, NULL));
    TRY(futex(w + 1024 + 3, FUTEX_WAKE, 1, NULL));
    tell_wait("waiter", pid);
}

CASE(private_memory_is_not_shared)
{
    static uint32_t w;
    pid_t pid;
    CHILD(pid)
    {
        struct timespec t = {0, 200000000};
        _exit(futex(&w, FUTEX_WAIT, 0, &t) == 0 ? 7 : 8);
    }
    settle();
    TRY(futex(&w, FUTEX_WAKE, 1, NULL));
    tell_wait("waiter", pid);
}

CASE(semaphore)
{
    sem_t *s = shared_memory(sizeof *s), *back = shared_memory(sizeof *back);
    sem_init(s, 1, 0);
    sem_init(back, 1, 0);
    pid_t pid;
    CHILD(pid) for (int i = 0; i < 500; i++)
    {
        sem_wait(s);
        sem_post(back);
    }
    for (int i = 0; i < 500; i++) {
        sem_post(s);
        sem_wait(back);
    }
    tell_wait("child", pid);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    TRY(sem_timedwait(s, &t));
}

CASE(mutex_and_condition)
{
    struct both {
        pthread_mutex_t m;
        pthread_cond_t c;
        int turn;
    } *b = shared_memory(sizeof *b);
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&b->m, &ma);
    pthread_cond_init(&b->c, &ca);
    pid_t pid = fork();
    int me = pid == 0;
    pthread_mutex_lock(&b->m);
    for (int i = 0; i < 300; i++) {
        while (b->turn != me)
            pthread_cond_wait(&b->c, &b->m);
        b->turn = !me;
        pthread_cond_signal(&b->c);
    }
    pthread_mutex_unlock(&b->m);
    if (pid == 0)
        _exit(4);
    tell_wait("child", pid);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;

static void *adds(void *arg)
{
    for (int i = 0; i < 30000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    pthread_barrier_wait(&barrier);
    return arg;
}

CASE(contended_mutex)
{
    pthread_t t[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        t[i] = thread(adds, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    SHOW(counter);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int open_gate;

static void *passes(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!open_gate)
        pthread_cond_wait(&condition, &mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
    return arg;
}

CASE(broadcast)
{
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        t[i] = thread(passes, NULL);
    settle();
    pthread_mutex_lock(&mutex);
    open_gate = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    SHOW(counter);
}

CASE(waiter_killed)
{
    uint32_t *w = shared_memory(4096);
    pid_t pid;
    CHILD(pid) futex(w, FUTEX_WAIT, 0, NULL);
    settle();
    kill(pid, SIGKILL);
    tell_wait("waiter", pid);
    TRY(futex(w, FUTEX_WAKE, 1, NULL));
}
