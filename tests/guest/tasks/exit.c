#include "case.h"

static void *loops(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void *spins(void *arg)
{
    for (volatile long i = 0;; i++)
        ;
    return arg;
}

CASE(exit_group_ends_threads)
{
    pid_t pid;
    CHILD(pid)
    {
        for (int i = 0; i < 4; i++)
            thread(i & 1 ? loops : spins, NULL);
        settle();
        syscall(SYS_exit_group, 13);
    }
    tell_wait("child", pid);
}

CASE(exit_of_last_thread)
{
    pid_t pid;
    CHILD(pid) syscall(SYS_exit, 14);
    tell_wait("child", pid);
}

static void *exits_later(void *arg)
{
    msleep(100);
    syscall(SYS_exit, 15);
    return arg;
}

CASE(leader_leaves_code)
{
    pid_t pid;
    CHILD(pid)
    {
        thread(exits_later, NULL);
        syscall(SYS_exit, 16);
    }
    tell_wait("child", pid);
}

CASE(signal_kills_all_threads)
{
    pid_t pid;
    CHILD(pid)
    {
        thread(loops, NULL);
        thread(spins, NULL);
        settle();
        raise(SIGTERM);
    }
    tell_wait("child", pid);
}

CASE(kill_reaches_process_whose_leader_is_gone)
{
    pid_t pid;
    CHILD(pid)
    {
        thread(loops, NULL);
        syscall(SYS_exit, 0);
    }
    settle();
    TRY(kill(pid, 0));
    TRY(kill(pid, SIGTERM));
    tell_wait("child", pid);
}

static void *execs(void *arg)
{
    execl(self, self, "--as", "tells_ids", NULL);
    return arg;
}

HELPER(tells_ids)
{
    SHOW(gettid_raw() == getpid());
    return 17;
}

CASE(exec_in_thread_takes_over_the_pid)
{
    pid_t pid;
    CHILD(pid)
    {
        thread(spins, NULL);
        thread(execs, NULL);
        for (;;)
            pause();
    }
    tell_wait("child", pid);
}

CASE(exec_in_thread_after_leader_exit)
{
    pid_t pid;
    CHILD(pid)
    {
        thread(execs, NULL);
        syscall(SYS_exit, 0);
    }
    tell_wait("child", pid);
}

CASE(default_actions)
{
    int sigs[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM,
                  SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO,
                  SIGPWR, SIGSYS, SIGTRAP, SIGBUS, 34, 64};
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        pid_t pid;
        CHILD(pid)
        {
            kill(getpid(), sigs[i]);
            _exit(0);
        }
        say("%s: %d", signame(sigs[i]), reap(pid));
    }
}

CASE(robust_exit_while_child_runs)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid;
    CHILD(pid)
    {
        for (int i = 0; i < 3; i++)
            if (fork() == 0) {
                msleep(50);
                _exit(i);
            }
    }
    tell_wait("parent", pid);
    int sum = 0;
    for (int i = 0; i < 3; i++)
        sum += reap(-1);
    SHOW(sum);
}

CASE(clear_child_tid_at_exit)
{
    pid_t *word = shared_memory(64);
    *word = 5;
    pid_t pid;
    CHILD(pid)
    {
        SHOW(syscall(SYS_set_tid_address, word) == gettid_raw());
        thread(loops, NULL);
    }
    reap(pid);
    SHOW(*word);
}
