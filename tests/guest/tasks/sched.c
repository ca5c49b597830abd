#include "case.h"
#include <linux/membarrier.h>

CASE(policies)
{
    struct sched_param p = {7};
    SHOW(sched_getscheduler(0));
    TRY(sched_getparam(0, &p));
    SHOW(p.sched_priority);
    p.sched_priority = 1;
    TRY(sched_setscheduler(0, SCHED_OTHER, &p));
    p.sched_priority = 0;
    TRY(sched_setscheduler(0, SCHED_FIFO, &p));
    TRY(sched_setscheduler(0, SCHED_BATCH, &p));
    SHOW(sched_getscheduler(0));
    TRY(sched_setscheduler(0, SCHED_IDLE, &p));
    SHOW(sched_getscheduler(0));
    TRY(sched_setscheduler(0, SCHED_OTHER, &p));
    TRY(sched_setscheduler(0, 77, &p));
    TRY(sched_setscheduler(0, -1, &p));
    TRY(sched_setscheduler(-1, SCHED_OTHER, &p));
    TRY(sched_setscheduler(0x3fffffff, SCHED_OTHER, &p));
    TRY(sched_setparam(0, &p));
    TRY(sched_setparam(0, NULL));
    TRY(sched_getparam(0, NULL));
    TRY(sched_getscheduler(-1));
    TRY(sched_getscheduler(0x3fffffff));
}

CASE(priority_ranges)
{
    for (int policy = 0; policy <= 6; policy++)
        say("%d: %d %d", policy, sched_get_priority_min(policy), sched_get_priority_max(policy));
    TRY(sched_get_priority_max(99));
    TRY(sched_get_priority_min(-1));
}

CASE(round_robin_interval)
{
    struct timespec t;
    TRY(sched_rr_get_interval(0, &t));
    SHOW(t.tv_sec);
    TRY(sched_rr_get_interval(-1, &t));
    TRY(sched_rr_get_interval(0x3fffffff, &t));
}

CASE(yield)
{
    TRY(sched_yield());
}

CASE(affinity)
{
    cpu_set_t set, saved;
    TRY(sched_getaffinity(0, sizeof saved, &saved));
    SHOW(CPU_COUNT(&saved) == sysconf(_SC_NPROCESSORS_ONLN));
    SHOW(syscall(SYS_sched_getaffinity, 0, sizeof set, &set) % 8);
    TRY(syscall(SYS_sched_getaffinity, 0, 0, &set));
    TRY(syscall(SYS_sched_getaffinity, 0, 7, &set));
    TRY(syscall(SYS_sched_getaffinity, 0, 8, 8));
    TRY(syscall(SYS_sched_getaffinity, 0x3fffffff, sizeof set, &set));
    int first = 0;
    while (!CPU_ISSET(first, &saved))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    SHOW(sched_getcpu() == first);
    TRY(sched_getaffinity(0, sizeof set, &set));
    SHOW(CPU_COUNT(&set));
    pid_t pid;
    CHILD(pid)
    {
        sched_getaffinity(0, sizeof set, &set);
        say("child: %d", CPU_COUNT(&set));
    }
    reap(pid);
    CPU_ZERO(&set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    CPU_SET(1000, &set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    TRY(sched_setaffinity(0x3fffffff, sizeof saved, &saved));
    TRY(sched_setaffinity(0, sizeof saved, NULL));
}

CASE(priority)
{
    errno = 0;
    int start = getpriority(PRIO_PROCESS, 0);
    TRY(setpriority(PRIO_PROCESS, 0, start + 3));
    SHOW(getpriority(PRIO_PROCESS, 0) - start);
    TRY(setpriority(PRIO_PROCESS, 0, 100));
    SHOW(getpriority(PRIO_PROCESS, 0));
    TRY(setpriority(9, 0, 0));
    TRY(setpriority(PRIO_PROCESS, 0x3fffffff, 0));
    TRY(getpriority(9, 0));
    TRY(getpriority(PRIO_PROCESS, 0x3fffffff));
    TRY(setpriority(PRIO_PGRP, 0, 5));
    SHOW(getpriority(PRIO_PGRP, 0));
    SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    pid_t pid;
    CHILD(pid) SHOW(getpriority(PRIO_PROCESS, 0));
    reap(pid);
}

struct sched_attr_ {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

CASE(attributes)
{
    struct sched_attr_ a = {0};
    TRY(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
    SHOW(a.size == 56 || a.size == 48);
    SHOW(a.policy);
    TRY(syscall(SYS_sched_getattr, 0, &a, 40, 0));
    TRY(syscall(SYS_sched_getattr, 0, &a, sizeof a, 1));
    TRY(syscall(SYS_sched_getattr, -1, &a, sizeof a, 0));
    struct sched_attr_ b = {.size = 48, .policy = SCHED_BATCH, .nice = 4};
    TRY(syscall(SYS_sched_setattr, 0, &b, 0));
    SHOW(sched_getscheduler(0));
    SHOW(getpriority(PRIO_PROCESS, 0));
    TRY(syscall(SYS_sched_setattr, 0, &b, 1));
    TRY(syscall(SYS_sched_setattr, 0, NULL, 0));
    b.size = 10;
    TRY(syscall(SYS_sched_setattr, 0, &b, 0));
    b.size = 48;
    b.policy = 55;
    TRY(syscall(SYS_sched_setattr, 0, &b, 0));
}

CASE(ionice)
{
    TRY(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));
    TRY(syscall(SYS_ioprio_get, 1, 0));
    TRY(syscall(SYS_ioprio_set, 1, 0, 9 << 13));
    TRY(syscall(SYS_ioprio_set, 9, 0, 2 << 13 | 4));
    TRY(syscall(SYS_ioprio_get, 9, 0));
}

CASE(getcpu)
{
    unsigned cpu = 9999, node = 9999;
    TRY(syscall(SYS_getcpu, &cpu, &node, NULL));
    SHOW(cpu < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    TRY(syscall(SYS_getcpu, NULL, NULL, NULL));
    TRY(syscall(SYS_getcpu, 8, NULL, NULL));
}

CASE(membarrier)
{
    TRY(syscall(SYS_membarrier, 99, 0, 0));
    long mask = syscall(SYS_membarrier, 0, 0, 0);
    SHOW(mask & 0x7f);
    TRY(syscall(SYS_membarrier, 0, 1, 0));
    TRY(syscall(SYS_membarrier, 3, 0, 0));
    for (int i = 0; i < 2; i++) {
        TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
        TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
        TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
        TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
    }
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
    SHOWX(syscall(SYS_membarrier, 512, 0, 0));
    pid_t pid;
    CHILD(pid) SHOWX(syscall(SYS_membarrier, 512, 0, 0));
    reap(pid);
}

static _Atomic int turn, mine, theirs, seen;

/* The fast side of a pair: a compiler barrier, and nothing for the processor. */
static void *stores_then_loads(void *arg)
{
    for (int i = 1; i <= *(int *)arg; i++) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != i)
            ;
        atomic_store_explicit(&mine, i, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&seen, atomic_load_explicit(&theirs, memory_order_relaxed), memory_order_relaxed);
        atomic_store_explicit(&turn, -i, memory_order_release);
    }
    return NULL;
}

CASE(membarrier_orders_what_others_do)
{
    int rounds = 2000, lost = 0;
    NEED(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
    pthread_t t = thread(stores_then_loads, &rounds);
    for (int i = 1; i <= rounds; i++) {
        atomic_store_explicit(&turn, i, memory_order_release);
        atomic_store_explicit(&theirs, i, memory_order_relaxed);
        NEED(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
        int other = atomic_load_explicit(&mine, memory_order_relaxed);
        while (atomic_load_explicit(&turn, memory_order_acquire) != -i)
            ;
        /* One of both has to see what the other stored. */
        lost += other != i && atomic_load_explicit(&seen, memory_order_relaxed) != i;
    }
    pthread_join(t, NULL);
    SHOW(lost);
}
