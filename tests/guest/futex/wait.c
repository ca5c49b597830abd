#include "case.h"
#include <linux/futex.h>

static uint32_t word, other;

static long futex(void *addr, int op, uint32_t val, const void *timeout, void *addr2, uint32_t val3)
{
    return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static void *waits(void *arg)
{
    long r = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    if (arg)
        atomic_fetch_add((_Atomic int *)arg, 1);
    return (void *)r;
}

static void *waits_bits(void *arg)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 5;
    return (void *)futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, (uint32_t)(unsigned long)arg);
}

CASE(value_differs)
{
    TRY(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
}

CASE(nobody_to_wake)
{
    TRY(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE, 0, NULL, NULL, 0));
}

CASE(wake_one_by_one)
{
    _Atomic int woken = 0;
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = thread(waits, (void *)&woken);
    settle();
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    settle();
    SHOW(woken);
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    SHOW(woken);
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
}

CASE(private_and_shared_are_apart)
{
    pthread_t t = thread(waits, NULL);
    settle();
    TRY(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    pthread_join(t, NULL);
}

CASE(bitset)
{
    pthread_t a = thread(waits_bits, (void *)1), b = thread(waits_bits, (void *)6);
    settle();
    TRY(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 8));
    TRY(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
    TRY(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    void *r;
    pthread_join(a, &r);
    SHOW(r);
    pthread_join(b, &r);
    SHOW(r);
}

CASE(relative_timeout)
{
    struct timespec t = {0, 60000000};
    long start = now_ms();
    TRY(futex(&word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
    tell_took("waited", now_ms() - start, 59, 2000);
    t = (struct timespec){0, 0};
    TRY(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0));
    t = (struct timespec){0, 1000000000};
    TRY(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0));
    t = (struct timespec){-1, 0};
    TRY(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0));
}

static struct timespec in_60_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += 60000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

CASE(absolute_timeout)
{
    struct timespec t = in_60_ms(CLOCK_MONOTONIC);
    long start = now_ms();
    TRY(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, ~0u));
    tell_took("monotonic", now_ms() - start, 55, 2000);
    t = in_60_ms(CLOCK_REALTIME);
    start = clock_ms(CLOCK_REALTIME);
    TRY(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &t, NULL, ~0u));
    tell_took("realtime", clock_ms(CLOCK_REALTIME) - start, 55, 2000);
    t = (struct timespec){1, 0};
    TRY(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, ~0u));
    TRY(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    t = (struct timespec){0, 1000};
    TRY(futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 0));
}

CASE(addresses)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timespec t = {0, 1000000};
    TRY(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0));
    TRY(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(NULL, FUTEX_WAIT, 0, &t, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    TRY(futex((void *)0x10000, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
    TRY(futex((void *)0x800000000000, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    TRY(futex(p, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
    TRY(futex(p, FUTEX_WAIT, 1, &t, NULL, 0));
    TRY(futex(&word, 99, 0, NULL, NULL, 0));
}

CASE(requeue)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        t[i] = thread(waits, NULL);
    settle();
    TRY(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &other, 0));
    TRY(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    TRY(futex(&word, FUTEX_REQUEUE_PRIVATE, -1, (void *)1, &other, 0));
    TRY(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)-1, &other, 0));
}

CASE(cmp_requeue)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = thread(waits, NULL);
    settle();
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &other, 7));
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &other, 0));
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    TRY(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
}

static void wake_op(const char *text, int op, int arg, int cmp, int cmparg)
{
    long r = futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, (uint32_t)FUTEX_OP(op, arg, cmp, cmparg));
    say("%s: %ld %s, word2 %u", text, r, r < 0 ? errname(errno) : "", other);
}

CASE(wake_op_arithmetic)
{
    other = 5;
    wake_op("set", FUTEX_OP_SET, 12, FUTEX_OP_CMP_EQ, 5);
    wake_op("add", FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5);
    wake_op("or", FUTEX_OP_OR, 0x30, FUTEX_OP_CMP_EQ, 5);
    wake_op("andn", FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_NE, 5);
    wake_op("xor", FUTEX_OP_XOR, 0xff, FUTEX_OP_CMP_LT, 5);
    wake_op("negative", FUTEX_OP_ADD, -1 & 0xfff, FUTEX_OP_CMP_LE, 5);
    wake_op("shift", FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 9, FUTEX_OP_CMP_GT, 5);
    wake_op("bad compare", FUTEX_OP_SET, 1, 9, 5);
    wake_op("bad operation", 7, 1, FUTEX_OP_CMP_EQ, 5);
}

static void *waits_other(void *arg)
{
    (void)arg;
    return (void *)futex(&other, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0);
}

CASE(wake_op_wakes_both)
{
    for (int i = 0; i < 2; i++) {
        other = 5;
        pthread_t a = thread(waits, NULL), b = thread(waits_other, NULL);
        settle();
        wake_op(i ? "holds" : "does not hold", FUTEX_OP_SET, 6, FUTEX_OP_CMP_EQ, i ? 5 : 4);
        futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        TRY(futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
        pthread_join(a, NULL);
        pthread_join(b, NULL);
    }
}

CASE(waitv)
{
    struct futex_waitv v[2] = {{.val = 0, .uaddr = (uint64_t)&word, .flags = FUTEX_32},
                               {.val = 0, .uaddr = (uint64_t)&other, .flags = FUTEX_32}};
    struct timespec t = in_60_ms(CLOCK_MONOTONIC);
    TRY(syscall(449, v, 2, 0, &t, CLOCK_MONOTONIC));
    v[1].val = 9;
    TRY(syscall(449, v, 2, 0, &t, CLOCK_MONOTONIC));
    TRY(syscall(449, v, 0, 0, NULL, 0));
    TRY(syscall(449, v, 200, 0, NULL, 0));
    TRY(syscall(449, v, 2, 1, NULL, 0));
}
