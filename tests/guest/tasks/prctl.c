#include "case.h"
#include <sys/auxv.h>

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

CASE(name)
{
    char name[32] = "";
    TRY(prctl(PR_SET_NAME, "0123456789abcdefgh"));
    TRY(prctl(PR_GET_NAME, name));
    say("%s", name);
    TRY(prctl(PR_SET_NAME, 8));
    TRY(prctl(PR_GET_NAME, 8));
}

static void *named(void *arg)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    say("inherited %s", name);
    prctl(PR_SET_NAME, "mine");
    return arg;
}

CASE(name_is_of_the_thread)
{
    char name[16];
    prctl(PR_SET_NAME, "first");
    pthread_join(thread(named, NULL), NULL);
    prctl(PR_GET_NAME, name);
    say("%s", name);
    tell_file("/proc/self/comm");
}

CASE(no_new_privs)
{
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
    pid_t pid;
    CHILD(pid) SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    reap(pid);
}

CASE(dumpable)
{
    TRY(prctl(PR_SET_DUMPABLE, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_SET_DUMPABLE, 1));
    TRY(prctl(PR_SET_DUMPABLE, 3));
    SHOW(prctl(PR_GET_DUMPABLE));
}

CASE(timer_slack)
{
    SHOW(prctl(PR_GET_TIMERSLACK));
    TRY(prctl(PR_SET_TIMERSLACK, 1234));
    SHOW(prctl(PR_GET_TIMERSLACK));
    pid_t pid;
    CHILD(pid) SHOW(prctl(PR_GET_TIMERSLACK));
    reap(pid);
    TRY(prctl(PR_SET_TIMERSLACK, 0));
    SHOW(prctl(PR_GET_TIMERSLACK));
}

CASE(others)
{
    TRY(prctl(PR_GET_TIMING));
    TRY(prctl(PR_SET_TIMING, 0));
    TRY(prctl(PR_SET_TIMING, 1));
    TRY(prctl(PR_GET_SECCOMP));
    TRY(prctl(PR_GET_TSC, &(int){0}));
    TRY(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    TRY(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    TRY(prctl(PR_GET_UNALIGN, &(int){0}));
    TRY(prctl(PR_GET_ENDIAN, &(int){0}));
    TRY(prctl(PR_GET_FPEMU, &(int){0}));
    TRY(prctl(12345));
    TRY(prctl(-1));
    become(1000, 1000);
    TRY(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0));
    TRY(prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
}

CASE(auxiliary_vector)
{
    unsigned long got[128] = {0}, few[4] = {7, 7, 7, 7};
    long size = prctl(PR_GET_AUXV, got, sizeof got, 0, 0);
    SHOW(size > 100 && size < (long)sizeof got);
    bool same = true;
    int entries = 0;
    for (int i = 0; got[i] != AT_NULL; i += 2, entries++)
        same &= getauxval(got[i]) == got[i + 1];
    SHOW(same && entries > 10);
    SHOW(prctl(PR_GET_AUXV, few, 24, 0, 0) == size);
    SHOW(few[0] == got[0] && few[1] == got[1] && few[2] == got[2] && few[3] == 7);
    SHOW(prctl(PR_GET_AUXV, NULL, 0, 0, 0) == size);
    TRY(prctl(PR_GET_AUXV, 8, 8, 0, 0));
    TRY(prctl(PR_GET_AUXV, got, 8, 1, 0));
}

CASE(thp_disable)
{
    TRY(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    TRY(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

CASE(anonymous_vma_name)
{
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long r = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "heap of mine");
    /* A kernel may be built without it. */
    say("%d", r == 0 || errno == EINVAL);
    TRY(prctl(PR_SET_VMA, 7, p, 4096, "x"));
}

CASE(arch_prctl)
{
    unsigned long fs = 0, gs = 1;
    TRY(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &fs));
    SHOW(fs == (unsigned long)pthread_self());
    TRY(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0x12345678));
    TRY(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs));
    SHOWX(gs);
    TRY(syscall(SYS_arch_prctl, 0x1001, 0x800000000000));
    TRY(syscall(SYS_arch_prctl, 0x1002, -1L));
    TRY(syscall(SYS_arch_prctl, 0x1003, 8));
    TRY(syscall(SYS_arch_prctl, 0x9999, 0));
    pid_t pid;
    CHILD(pid)
    {
        gs = 0;
        syscall(SYS_arch_prctl, 0x1004, &gs);
        say("child has gs %#lx", gs);
    }
    reap(pid);
}

static void *own_gs(void *arg)
{
    unsigned long gs = 0;
    syscall(SYS_arch_prctl, 0x1001, arg);
    settle();
    syscall(SYS_arch_prctl, 0x1004, &gs);
    return (void *)gs;
}

CASE(gs_is_of_the_thread)
{
    void *a, *b;
    pthread_t t = thread(own_gs, (void *)0x1000), u = thread(own_gs, (void *)0x2000);
    pthread_join(t, &a);
    pthread_join(u, &b);
    SHOWX(a);
    SHOWX(b);
}
