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
