#include "case.h"
#include <linux/futex.h>

static uint32_t word;

static long futex(int op, const void *timeout)
{
    return syscall(SYS_futex, &word, op, 0, timeout, NULL, 0);
}

static void tell_word(const char *text)
{
    uint32_t w = word;
    say("%s: mine %d waiters %d died %d empty %d", text, (w & FUTEX_TID_MASK) == (uint32_t)gettid_raw(),
        (w & FUTEX_WAITERS) != 0, (w & FUTEX_OWNER_DIED) != 0, w == 0);
}

CASE(lock_and_unlock)
{
    TRY(futex(FUTEX_LOCK_PI_PRIVATE, NULL));
    tell_word("locked");
    TRY(futex(FUTEX_LOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    tell_word("unlocked");
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL));
    tell_word("tried");
}

static void *locks(void *arg)
{
    long r = futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    atomic_store((_Atomic int *)arg, r == 0 && (word & FUTEX_TID_MASK) == (uint32_t)gettid_raw() ? 1 : 2);
    msleep(50);
    futex(FUTEX_UNLOCK_PI_PRIVATE, NULL);
    return NULL;
}

CASE(handed_over)
{
    _Atomic int state = 0;
    futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    pthread_t t = thread(locks, (void *)&state);
    settle();
    tell_word("contended");
    SHOW(state);
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    pthread_join(t, NULL);
    SHOW(state);
    tell_word("afterwards");
}

static void *tries(void *arg)
{
    struct timespec t;
    TRY(futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 50000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    TRY(futex(FUTEX_LOCK_PI_PRIVATE, &t));
    return arg;
}

CASE(others_fail)
{
    futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    pthread_join(thread(tries, NULL), NULL);
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    tell_word("afterwards");
}

CASE(owner_that_does_not_exist)
{
    word = 0x3ffffff0;
    TRY(futex(FUTEX_LOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL));
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    word = 0;
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
}

CASE(mutexes)
{
    pthread_mutex_t m;
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    RET(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    RET(pthread_mutex_init(&m, &a));
    RET(pthread_mutex_lock(&m));
    RET(pthread_mutex_lock(&m));
    RET(pthread_mutex_unlock(&m));
    RET(pthread_mutex_unlock(&m));
}

static pthread_mutex_t pi;
static long counter;

static void *adds(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&pi);
        counter++;
        pthread_mutex_unlock(&pi);
    }
    return arg;
}

CASE(contended)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&pi, &a);
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = thread(adds, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    SHOW(counter);
}

static void *dies(void *arg)
{
    pthread_mutex_lock(arg);
    return NULL;
}

CASE(robust_owner_dies)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&pi, &a);
    pthread_join(thread(dies, &pi), NULL);
    RET(pthread_mutex_lock(&pi));
    RET(pthread_mutex_consistent(&pi));
    RET(pthread_mutex_unlock(&pi));
}

static void *dies_soon(void *arg)
{
    (void)arg;
    futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    msleep(60);
    return NULL;
}

static void *waits_for_it(void *arg)
{
    (void)arg;
    long r = futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    return (void *)(r == 0 && (word & FUTEX_TID_MASK) == (uint32_t)gettid_raw() ? 1l : -(long)errno);
}

CASE(owner_without_a_list_dies_while_others_wait)
{
    void *r;
    pthread_t t = thread(dies_soon, NULL);
    msleep(20);
    pthread_t w = thread(waits_for_it, NULL);
    pthread_join(t, NULL);
    pthread_join(w, &r);
    SHOW((long)r);
    say("died %d", (word & FUTEX_OWNER_DIED) != 0);
}

static void *locks_robustly(void *arg)
{
    int r = pthread_mutex_lock(&pi);
    if (r == EOWNERDEAD)
        pthread_mutex_consistent(&pi);
    pthread_mutex_unlock(&pi);
    (void)arg;
    return (void *)(long)r;
}

static void *dies_locked(void *arg)
{
    pthread_mutex_lock(&pi);
    msleep(60);
    return arg;
}

CASE(robust_owner_dies_while_others_wait)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&pi, &a);
    pthread_t t = thread(dies_locked, NULL), w[3];
    msleep(20);
    for (int i = 0; i < 3; i++)
        w[i] = thread(locks_robustly, NULL);
    pthread_join(t, NULL);
    int dead = 0, fine = 0;
    for (int i = 0; i < 3; i++) {
        void *r;
        pthread_join(w[i], &r);
        dead += r == (void *)EOWNERDEAD;
        fine += r == NULL;
    }
    say("dead %d fine %d", dead, fine);
}

CASE(process_killed_while_another_waits)
{
    uint32_t *w = (uint32_t *)SHARED_INTS(1);
    pid_t a, b;
    CHILD(a)
    {
        syscall(SYS_futex, w, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
        pause();
    }
    settle();
    CHILD(b)
    {
        TRY(syscall(SYS_futex, w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
        say("mine %d", (*w & FUTEX_TID_MASK) == (uint32_t)gettid_raw());
    }
    settle();
    kill(a, SIGKILL);
    reap(a);
    reap(b);
}

static uint32_t condition;

static void *waits_for_condition(void *arg)
{
    (void)arg;
    long r = syscall(SYS_futex, &condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &word, 0);
    int mine = (word & FUTEX_TID_MASK) == (uint32_t)gettid_raw();
    futex(FUTEX_UNLOCK_PI_PRIVATE, NULL);
    return (void *)(r == 0 && mine ? 1l : -(long)errno);
}

CASE(moved_to_a_mutex)
{
    pthread_t t[3];
    futex(FUTEX_LOCK_PI_PRIVATE, NULL);
    for (int i = 0; i < 3; i++)
        t[i] = thread(waits_for_condition, NULL);
    settle();
    TRY(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 10l, &word, 5));
    TRY(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, 10l, &word, 0));
    TRY(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 10l, &condition, 0));
    TRY(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 10l, &word, 0));
    TRY(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL));
    for (int i = 0; i < 3; i++) {
        void *r;
        pthread_join(t[i], &r);
        SHOW((long)r);
    }
    tell_word("afterwards");
}

static uint32_t chain[3];

static long lock_at(int i)
{
    return syscall(SYS_futex, &chain[i], FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}

static long unlock_at(int i)
{
    return syscall(SYS_futex, &chain[i], FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}

/* Locks its own, then waits for the one before. */
static void *link_in_chain(void *arg)
{
    int i = (int)(long)arg;
    lock_at(i);
    settle();
    long r = lock_at(i - 1);
    unlock_at(i - 1);
    unlock_at(i);
    return (void *)r;
}

CASE(circles_are_refused)
{
    for (int last = 1; last <= 2; last++) {
        pthread_t threads[2];
        TRY(lock_at(0));
        for (long i = 1; i <= last; i++)
            threads[i - 1] = thread(link_in_chain, (void *)i);
        settle();
        settle();
        TRY(lock_at(last));
        TRY(unlock_at(0));
        for (int i = 0; i < last; i++) {
            void *r;
            pthread_join(threads[i], &r);
            SHOW((long)r);
        }
        TRY(lock_at(last));
        TRY(unlock_at(last));
    }
}
