#include "case.h"

static void tell_mask(const char *text)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    char line[200] = "";
    for (int s = 1; s <= 64; s++)
        if (sigismember(&set, s) == 1)
            snprintf(line + strlen(line), sizeof line - strlen(line), " %s", signame(s));
    say("%s:%s", text, line);
}

static void mask_in_handler(int sig)
{
    tell_mask(signame(sig));
}

static void action(int sig, void (*fn)(int), int flags, int extra)
{
    struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};
    sigemptyset(&sa.sa_mask);
    if (extra)
        sigaddset(&sa.sa_mask, extra);
    NEED(sigaction(sig, &sa, NULL) == 0);
}

CASE(set_block_unblock)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGKILL);
    sigaddset(&set, SIGSTOP);
    TRY(sigprocmask(SIG_SETMASK, &set, NULL));
    tell_mask("set");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    TRY(sigprocmask(SIG_BLOCK, &set, &old));
    SHOW(sigismember(&old, SIGUSR2));
    tell_mask("added");
    sigaddset(&set, SIGUSR1);
    TRY(sigprocmask(SIG_UNBLOCK, &set, &old));
    tell_mask("taken");
}

CASE(raw_arguments)
{
    uint64_t set = 1ull << (SIGUSR1 - 1), old = 0;
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 8));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 4));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 16));
    TRY(syscall(SYS_rt_sigprocmask, 7, &set, &old, 8));
    TRY(syscall(SYS_rt_sigprocmask, 7, NULL, &old, 8));
    SHOWX(old);
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, &old, 8));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, 8, 8));
    TRY(syscall(SYS_rt_sigpending, &old, 8));
    TRY(syscall(SYS_rt_sigpending, &old, 9));
    TRY(syscall(SYS_rt_sigpending, 8, 8));
    /* With the old set unwritable the new mask is set all the same. */
    set = 1ull << (SIGUSR2 - 1);
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, 8, 8));
    tell_mask("mask");
}

CASE(in_handler)
{
    action(SIGUSR1, mask_in_handler, 0, SIGUSR2);
    raise(SIGUSR1);
    tell_mask("after");
}

CASE(nodefer)
{
    action(SIGUSR1, mask_in_handler, SA_NODEFER, SIGUSR2);
    raise(SIGUSR1);
    tell_mask("after");
}

static volatile int depth, deepest;

static void nests(int sig)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (depth < 4)
        raise(sig);
    depth--;
}

CASE(nesting_with_nodefer)
{
    action(SIGUSR1, nests, SA_NODEFER, 0);
    raise(SIGUSR1);
    SHOW(deepest);
}

static volatile int runs;

static void nests_deferred(int sig)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (++runs < 4)
        raise(sig);
    depth--;
}

CASE(deferred_without)
{
    action(SIGUSR1, nests_deferred, 0, 0);
    raise(SIGUSR1);
    SHOW(deepest);
    SHOW(runs);
}

static void inner(int sig)
{
    say("inner %s", signame(sig));
}

static void outer(int sig)
{
    say("outer %s begins", signame(sig));
    raise(SIGUSR2);
    say("outer %s ends", signame(sig));
}

CASE(nested_handlers)
{
    action(SIGUSR1, outer, 0, 0);
    action(SIGUSR2, inner, 0, 0);
    raise(SIGUSR1);
}

CASE(nested_handlers_masked)
{
    action(SIGUSR1, outer, 0, SIGUSR2);
    action(SIGUSR2, inner, 0, 0);
    raise(SIGUSR1);
}

CASE(several_pending_at_unblock)
{
    /* The frames are built at once: the lower number runs last. */
    sigset_t both, old;
    action(SIGUSR1, inner, 0, 0);
    action(SIGUSR2, inner, 0, 0);
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    sigprocmask(SIG_BLOCK, &both, &old);
    raise(SIGUSR1);
    raise(SIGUSR2);
    sigprocmask(SIG_SETMASK, &old, NULL);
    say("unblocked");
}

static void changes_mask(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)sig, (void)info;
    sigaddset(&uc->uc_sigmask, SIGHUP);
    sigaddset(&uc->uc_sigmask, SIGKILL);
}

CASE(mask_in_the_frame_is_restored)
{
    struct sigaction sa = {.sa_sigaction = changes_mask, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    tell_mask("after");
}

static void *thread_mask(void *arg)
{
    tell_mask("inherited");
    unblock(SIGUSR1);
    block(SIGHUP);
    return arg;
}

CASE(masks_are_of_the_thread)
{
    block(SIGUSR1);
    pthread_join(thread(thread_mask, NULL), NULL);
    tell_mask("first thread");
}

static void *takes(void *arg)
{
    unblock(SIGUSR1);
    for (int i = 0; i < 3000 && !got[SIGUSR1]; i++)
        msleep(1);
    return arg;
}

CASE(process_signal_goes_to_a_thread_that_has_it_open)
{
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    pthread_t t = thread(takes, NULL);
    kill(getpid(), SIGUSR1);
    pthread_join(t, NULL);
    SHOW(got[SIGUSR1]);
}

CASE(tgkill_to_blocked_thread_waits)
{
    handle(SIGUSR1, 0);
    block(SIGUSR1);
    TRY(syscall(SYS_tgkill, getpid(), gettid_raw(), SIGUSR1));
    SHOW(got[SIGUSR1]);
    unblock(SIGUSR1);
    SHOW(got[SIGUSR1]);
}
