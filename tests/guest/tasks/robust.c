#include "case.h"
#include <linux/futex.h>

static pthread_mutex_t *robust_mutex(bool shared)
{
    pthread_mutexattr_t a;
    pthread_mutex_t *m = shared_memory(sizeof *m);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    if (shared)
        pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    NEED(pthread_mutex_init(m, &a) == 0);
    return m;
}

static void *dies_holding(void *arg)
{
    pthread_mutex_lock(arg);
    syscall(SYS_exit, 0);
    return NULL;
}

CASE(thread_dies)
{
    pthread_mutex_t *m = robust_mutex(false);
    pthread_t t = thread(dies_holding, m);
    pthread_detach(t);
    settle();
    RET(pthread_mutex_lock(m));
    RET(pthread_mutex_consistent(m));
    RET(pthread_mutex_unlock(m));
    RET(pthread_mutex_lock(m));
}

CASE(process_dies)
{
    pthread_mutex_t *m = robust_mutex(true);
    pid_t pid;
    CHILD(pid)
    {
        pthread_mutex_lock(m);
        raise(SIGKILL);
    }
    reap(pid);
    RET(pthread_mutex_lock(m));
    RET(pthread_mutex_unlock(m));
    RET(pthread_mutex_lock(m));
}

CASE(waiter_is_woken)
{
    pthread_mutex_t *m = robust_mutex(true);
    _Atomic int *v = SHARED_INTS(1);
    pid_t pid;
    CHILD(pid)
    {
        pthread_mutex_lock(m);
        v[0] = 1;
        msleep(150);
        syscall(SYS_exit_group, 0);
    }
    wait_for(v, 1);
    RET(pthread_mutex_lock(m));
    RET(pthread_mutex_consistent(m));
    reap(pid);
}

CASE(exec_counts_as_death)
{
    pthread_mutex_t *m = robust_mutex(true);
    pid_t pid;
    CHILD(pid)
    {
        pthread_mutex_lock(m);
        execl("/bin/sleep", "sleep", "0.3", NULL);
    }
    settle();
    settle();
    RET(pthread_mutex_trylock(m));
    reap(pid);
    RET(pthread_mutex_trylock(m));
}

struct list {
    struct robust_list_head head;
    struct robust_list node;
    _Atomic uint32_t word;
};

CASE(raw_list)
{
    struct list *l = shared_memory(4096);
    pid_t pid;
    CHILD(pid)
    {
        l->head.list.next = &l->node;
        l->head.futex_offset = (long)offsetof(struct list, word) - (long)offsetof(struct list, node);
        l->node.next = &l->head.list;
        l->word = (uint32_t)getpid() | FUTEX_WAITERS;
        TRY(syscall(SYS_set_robust_list, &l->head, sizeof l->head));
    }
    reap(pid);
    SHOWX(l->word);
}

CASE(raw_list_of_another_owner)
{
    struct list *l = shared_memory(4096);
    pid_t pid;
    CHILD(pid)
    {
        l->head.list.next = &l->node;
        l->head.futex_offset = (long)offsetof(struct list, word) - (long)offsetof(struct list, node);
        l->node.next = &l->head.list;
        l->word = 1;
        syscall(SYS_set_robust_list, &l->head, sizeof l->head);
    }
    reap(pid);
    SHOWX(l->word);
}

CASE(raw_list_pending)
{
    struct list *l = shared_memory(4096);
    pid_t pid;
    CHILD(pid)
    {
        l->head.list.next = &l->head.list;
        l->head.futex_offset = (long)offsetof(struct list, word) - (long)offsetof(struct list, node);
        l->head.list_op_pending = &l->node;
        l->word = (uint32_t)getpid();
        syscall(SYS_set_robust_list, &l->head, sizeof l->head);
    }
    reap(pid);
    SHOWX(l->word);
}

CASE(bad_lists_end_quietly)
{
    pid_t pid;
    CHILD(pid) syscall(SYS_set_robust_list, 8, sizeof(struct robust_list_head));
    tell_wait("bad head", pid);
    struct list *l = shared_memory(4096);
    CHILD(pid)
    {
        l->head.list.next = &l->node;
        l->node.next = &l->node;
        syscall(SYS_set_robust_list, &l->head, sizeof l->head);
    }
    tell_wait("endless list", pid);
}

CASE(calls)
{
    struct robust_list_head *head = NULL;
    size_t len = 0;
    TRY(syscall(SYS_set_robust_list, 0, 23));
    TRY(syscall(SYS_set_robust_list, 64, sizeof(struct robust_list_head)));
    TRY(syscall(SYS_get_robust_list, 0, &head, &len));
    SHOWX(head);
    SHOW(len);
    TRY(syscall(SYS_get_robust_list, 0x3fffffff, &head, &len));
    TRY(syscall(SYS_get_robust_list, 0, 8, &len));
}
