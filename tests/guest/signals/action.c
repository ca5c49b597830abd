#include "case.h"

static void quiet(int sig)
{
    got[sig]++;
}

CASE(resethand)
{
    struct sigaction sa = {.sa_handler = quiet, .sa_flags = SA_RESETHAND};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    SHOW(got[SIGUSR1]);
    sigaction(SIGUSR1, NULL, &sa);
    SHOW(sa.sa_handler == SIG_DFL);
    SHOWX(sa.sa_flags & SA_RESETHAND);
}

CASE(resethand_before_the_handler_runs)
{
    struct sigaction sa = {.sa_handler = quiet, .sa_flags = SA_RESETHAND | SA_NODEFER};
    pid_t pid;
    CHILD(pid)
    {
        sigaction(SIGUSR1, &sa, NULL);
        raise(SIGUSR1);
        raise(SIGUSR1);
    }
    tell_wait("child", pid);
}

CASE(read_back)
{
    struct sigaction sa = {.sa_sigaction = count_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER}, old;
    sigemptyset(&sa.sa_mask);
    sigaddset(&sa.sa_mask, SIGHUP);
    TRY(sigaction(SIGUSR1, &sa, NULL));
    TRY(sigaction(SIGUSR1, NULL, &old));
    SHOW(old.sa_sigaction == count_signal);
    SHOWX(old.sa_flags & (SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK));
    SHOW(sigismember(&old.sa_mask, SIGHUP));
    SHOW(sigismember(&old.sa_mask, SIGUSR1));
}

struct raw_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

CASE(raw_arguments)
{
    struct raw_action sa = {SIG_IGN, 0, 0, ~0ull}, old;
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, &sa, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8));
    SHOWX(old.mask);
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, &sa, NULL, 4));
    TRY(syscall(SYS_rt_sigaction, SIGKILL, &sa, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGSTOP, &sa, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGKILL, NULL, &old, 8));
    TRY(syscall(SYS_rt_sigaction, 0, &sa, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, 65, NULL, &old, 8));
    TRY(syscall(SYS_rt_sigaction, 64, NULL, &old, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, 8, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8));
}

CASE(unknown_flags_are_cleared)
{
    struct raw_action sa = {SIG_IGN, 0x400 | 0x1000 | SA_RESTART, 0, 0}, old;
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, &sa, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8));
    SHOWX(old.flags);
}

CASE(without_restorer)
{
    struct raw_action sa = {quiet, 0, 0, 0};
    pid_t pid;
    CHILD(pid)
    {
        syscall(SYS_rt_sigaction, SIGUSR1, &sa, NULL, 8);
        raise(SIGUSR1);
    }
    tell_wait("child", pid);
}

CASE(handler_at_bad_address)
{
    struct sigaction sa = {.sa_handler = (void (*)(int))0x1234};
    pid_t pid;
    CHILD(pid)
    {
        sigaction(SIGUSR1, &sa, NULL);
        raise(SIGUSR1);
    }
    tell_wait("child", pid);
}

CASE(handler_of_segv_that_returns_to_default)
{
    struct sigaction sa = {.sa_handler = quiet, .sa_flags = SA_RESETHAND};
    pid_t pid;
    CHILD(pid)
    {
        sigaction(SIGSEGV, &sa, NULL);
        *(volatile int *)8 = 1;
    }
    tell_wait("child", pid);
}

CASE(actions_are_shared_by_threads)
{
    handle(SIGUSR1, 0);
    pthread_t t = thread((void *(*)(void *))(void *)pause, NULL);
    settle();
    pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    SHOW(got[SIGUSR1]);
}

static void spoils_errno(int sig)
{
    (void)sig;
    errno = 12345;
}

CASE(registers_survive)
{
    signal(SIGALRM, spoils_errno);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    unsigned long a = 1, b = 2, bad = 0;
    for (long i = 0; i < 50000000; i++) {
        a = a * 6364136223846793005ul + 1;
        b = b * 6364136223846793005ul + 1;
        if (i % 1000 == 0 && a - b == 0)
            bad++;
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    SHOWX(a);
    SHOWX(b);
    SHOW(bad);
}

static void flags_check(int sig, siginfo_t *info, void *context)
{
    unsigned long flags;
    (void)sig, (void)info;
    ucontext_t *uc = context;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    /* The direction and trap flags are clear in a handler. */
    say("df %lu tf %lu, interrupted df %lu", flags >> 10 & 1, flags >> 8 & 1,
        (unsigned long)uc->uc_mcontext.gregs[REG_EFL] >> 10 & 1);
}

CASE(direction_flag)
{
    struct sigaction sa = {.sa_sigaction = flags_check, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    long pid = getpid(), r, flags;
    __asm__ volatile("std; syscall; pushfq; popq %1; cld"
                     : "=a"(r), "=r"(flags)
                     : "0"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    say("after: result %ld df %ld", r, flags >> 10 & 1);
}

static void sets_result(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 4711;
}

CASE(frame_can_change_registers)
{
    struct sigaction sa = {.sa_sigaction = sets_result, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    long pid = getpid(), r;
    __asm__ volatile("syscall" : "=a"(r) : "0"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
    SHOW(r);
}

CASE(red_zone_is_spared)
{
    handle(SIGUSR1, 0);
    long pid = getpid(), r, kept;
    __asm__ volatile("movq $0x5a5a, -120(%%rsp); syscall; movq -120(%%rsp), %1"
                     : "=a"(r), "=r"(kept)
                     : "0"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    SHOWX(kept);
}

static volatile unsigned long handler_sp;

static void notes_sp(int sig)
{
    (void)sig;
    handler_sp = (unsigned long)__builtin_frame_address(0);
}

CASE(stack_alignment)
{
    signal(SIGUSR1, notes_sp);
    raise(SIGUSR1);
    /* The frame pointer lies 16 bytes below an aligned call site. */
    SHOW(handler_sp % 16);
}
