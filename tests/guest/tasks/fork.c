#include "case.h"

CASE(child_sees_copies)
{
    int value = 1;
    pid_t pid;
    CHILD(pid)
    {
        value = 2;
        SHOW(value);
    }
    tell_wait("child", pid);
    SHOW(value);
}

CASE(ids)
{
    pid_t parent = getpid(), pid;
    CHILD(pid)
    {
        SHOW(getppid() == parent);
        SHOW(getpid() != parent);
        SHOW(gettid_raw() == getpid());
        SHOW(getpgrp() == getpgid(parent));
        SHOW(getsid(0) == getsid(parent));
    }
    tell_wait("child", pid);
    SHOW(pid > 0);
}

CASE(shared_offset)
{
    write_file("f", "abcdefgh", 0644);
    int fd = open("f", O_RDONLY);
    pid_t pid;
    char c[3] = "";
    CHILD(pid) NEED(read(fd, c, 2) == 2);
    reap(pid);
    TRY(read(fd, c, 2));
    say("parent reads %s", c);
}

CASE(close_does_not_reach_parent)
{
    int fd = open(".", O_RDONLY);
    pid_t pid;
    CHILD(pid) close(fd);
    reap(pid);
    TRY(fcntl(fd, F_GETFD));
}

CASE(cwd_and_umask_are_copies)
{
    mkdir("d", 0755);
    pid_t pid;
    CHILD(pid)
    {
        TRY(chdir("d"));
        umask(0);
    }
    reap(pid);
    TRY(access("d", F_OK));
    say("umask %03o", umask(0));
}

CASE(pending_signals_are_not_inherited)
{
    block(SIGUSR1);
    raise(SIGUSR1);
    pid_t pid;
    CHILD(pid)
    {
        sigset_t set;
        TRY(sigpending(&set));
        SHOW(sigismember(&set, SIGUSR1));
        TRY(sigprocmask(SIG_BLOCK, NULL, &set));
        SHOW(sigismember(&set, SIGUSR1));
    }
    reap(pid);
}

CASE(handlers_are_inherited)
{
    handle(SIGUSR1, 0);
    signal(SIGUSR2, SIG_IGN);
    pid_t pid;
    CHILD(pid)
    {
        raise(SIGUSR1);
        raise(SIGUSR2);
        SHOW(got[SIGUSR1]);
    }
    tell_wait("child", pid);
    SHOW(got[SIGUSR1]);
}

CASE(alarm_and_timers_are_not_inherited)
{
    alarm(100);
    setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {100, 0}}, NULL);
    pid_t pid;
    CHILD(pid)
    {
        SHOW(alarm(0));
        struct itimerval it;
        TRY(getitimer(ITIMER_PROF, &it));
        SHOW(it.it_value.tv_sec);
    }
    reap(pid);
    SHOW(alarm(0) > 95);
}

CASE(times_start_at_zero)
{
    for (volatile long i = 0; i < 100000000; i++)
        ;
    pid_t pid;
    CHILD(pid)
    {
        struct rusage ru;
        TRY(getrusage(RUSAGE_SELF, &ru));
        SHOW(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec < 30000);
    }
    reap(pid);
}

CASE(vfork_shares_memory_and_suspends)
{
    volatile int value = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        value = 7;
        _exit(3);
    }
    SHOW(value);
    tell_wait("child", pid);
}

CASE(vfork_exec)
{
    long start = now_ms();
    pid_t pid = vfork();
    if (pid == 0) {
        execl(self, self, "--as", "slow", NULL);
        _exit(97);
    }
    tell_took("parent is released by exec", now_ms() - start, 0, 290);
    tell_wait("child", pid);
}

HELPER(slow)
{
    msleep(300);
    return 4;
}

CASE(vfork_child_killed)
{
    pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        _exit(0);
    }
    tell_wait("child", pid);
}

CASE(vfork_has_own_fd_table)
{
    pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_close, 0);
        _exit(0);
    }
    reap(pid);
    TRY(fcntl(0, F_GETFD));
}

CASE(many_children)
{
    int ends = 0;
    pid_t pids[40];
    for (int i = 0; i < 40; i++)
        CHILD(pids[i]) _exit(i);
    for (int i = 0; i < 40; i++)
        ends += reap(pids[i]) == i;
    SHOW(ends);
    TRY(wait(NULL));
}

CASE(deep_chain)
{
    int depth = 0;
    while (depth < 25) {
        pid_t pid = fork();
        NEED(pid >= 0);
        if (pid) {
            int code = reap(pid);
            if (depth == 0)
                SHOW(code);
            _exit(code);
        }
        depth++;
    }
    _exit(depth);
}

static void *exits_thread(void *arg)
{
    pid_t *pid = arg;
    *pid = fork();
    if (*pid == 0) {
        say("child of a thread: tid is pid %d", gettid_raw() == getpid());
        _exit(5);
    }
    return NULL;
}

CASE(fork_from_thread)
{
    pid_t pid = -1;
    pthread_join(thread(exits_thread, &pid), NULL);
    /* A child belongs to the process, whichever thread made it. */
    tell_wait("child", pid);
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

CASE(only_the_calling_thread_is_copied)
{
    thread(sleeper, NULL);
    pid_t pid;
    CHILD(pid) syscall(SYS_exit, 6);
    tell_wait("child", pid);
}
