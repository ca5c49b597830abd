#include "case.h"
#include <setjmp.h>

static char alt[65536] __attribute__((aligned(16)));
static sigjmp_buf back;

static bool on_alt(void)
{
    volatile char here;
    return (char *)&here >= alt && (char *)&here < alt + sizeof alt;
}

static void where(int sig)
{
    stack_t ss;
    sigaltstack(NULL, &ss);
    say("%s on alternate stack %d flags %d", signame(sig), on_alt(), ss.ss_flags);
}

static void act(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};
    NEED(sigaction(sig, &sa, NULL) == 0);
}

static int use(int flags)
{
    return sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof alt, .ss_flags = flags}, NULL);
}

CASE(used_with_onstack)
{
    TRY(use(0));
    act(SIGUSR1, where, SA_ONSTACK);
    act(SIGUSR2, where, 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
}

CASE(not_used_when_disabled)
{
    TRY(use(SS_DISABLE));
    act(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
}

CASE(query)
{
    stack_t ss;
    TRY(sigaltstack(NULL, &ss));
    SHOW(ss.ss_flags);
    SHOWX(ss.ss_sp);
    use(0);
    TRY(sigaltstack(NULL, &ss));
    SHOW(ss.ss_flags);
    SHOW(ss.ss_sp == alt);
    SHOW(ss.ss_size);
    stack_t off = {.ss_flags = SS_DISABLE};
    TRY(sigaltstack(&off, &ss));
    SHOW(ss.ss_sp == alt);
    TRY(sigaltstack(NULL, &ss));
    SHOW(ss.ss_flags);
}

CASE(errors)
{
    stack_t ss = {.ss_sp = alt, .ss_size = 1000};
    TRY(sigaltstack(&ss, NULL));
    ss.ss_size = sizeof alt;
    ss.ss_flags = 77;
    TRY(sigaltstack(&ss, NULL));
    ss.ss_flags = SS_ONSTACK;
    TRY(sigaltstack(&ss, NULL));
    TRY(syscall(SYS_sigaltstack, 8, NULL));
    TRY(syscall(SYS_sigaltstack, NULL, 8));
}

static void changes(int sig)
{
    (void)sig;
    TRY(use(0));
    TRY(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
}

CASE(cannot_change_while_on_it)
{
    use(0);
    act(SIGUSR1, changes, SA_ONSTACK);
    raise(SIGUSR1);
}

CASE(autodisarm)
{
    TRY(use((int)(1U << 31)));
    act(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    stack_t ss;
    sigaltstack(NULL, &ss);
    SHOWX((unsigned)ss.ss_flags);
}

static void nested(int sig)
{
    where(sig);
    raise(SIGUSR2);
}

CASE(nested_handlers_share_it)
{
    use(0);
    act(SIGUSR1, nested, SA_ONSTACK);
    act(SIGUSR2, where, SA_ONSTACK);
    raise(SIGUSR1);
}

static void jumps(int sig)
{
    say("%s on alternate stack %d", signame(sig), on_alt());
    siglongjmp(back, 1);
}

static volatile int sink;

__attribute__((noinline)) static int recurse(int n)
{
    volatile char big[4096];
    big[0] = (char)n;
    if (n < 0)
        return 0;
    sink = recurse(n + 1) + big[0];
    return sink;
}

CASE(stack_overflow)
{
    setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 1 << 20});
    use(0);
    act(SIGSEGV, jumps, SA_ONSTACK);
    for (int i = 0; i < 2; i++)
        if (sigsetjmp(back, 1) == 0)
            recurse(0);
    say("survived");
}

CASE(stack_overflow_without)
{
    pid_t pid;
    CHILD(pid)
    {
        setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 1 << 20});
        act(SIGSEGV, where, 0);
        recurse(0);
    }
    tell_wait("child", pid);
}

static void *in_thread(void *arg)
{
    stack_t ss;
    sigaltstack(NULL, &ss);
    SHOW(ss.ss_flags);
    return arg;
}

CASE(not_inherited_by_threads_but_by_fork)
{
    use(0);
    pthread_join(thread(in_thread, NULL), NULL);
    pid_t pid;
    CHILD(pid) in_thread(NULL);
    reap(pid);
}

CASE(unmapped_alternate_stack_kills)
{
    pid_t pid;
    CHILD(pid)
    {
        sigaltstack(&(stack_t){.ss_sp = (void *)0x10000, .ss_size = 65536}, NULL);
        act(SIGUSR1, where, SA_ONSTACK);
        raise(SIGUSR1);
    }
    tell_wait("child", pid);
}
