#include "case.h"
#include <linux/sched.h>

/* PID namespaces of the guest's own. Needs root. */

static pid_t clone_ns(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

#define IN_NEW_PID_NS(pid) for ((pid) = clone_ns(); (pid) == 0; _exit(0))

CASE(first_is_one)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        SHOW(getpid());
        SHOW(gettid_raw());
        SHOW(getppid());
        SHOW(getsid(0));
        SHOW(getpgrp());
    }
    tell_wait("init", pid);
    SHOW(pid > 1);
}

CASE(children_count_up)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        for (int i = 0; i < 3; i++) {
            pid_t c;
            CHILD(c) say("pid %d parent %d", getpid(), getppid());
            SHOW(waitpid(c, NULL, 0));
        }
    }
    tell_wait("init", pid);
}

CASE(orphans_go_to_init)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        pid_t c;
        CHILD(c)
        {
            if (fork() == 0) {
                while (getppid() != 1)
                    msleep(1);
                _exit(33);
            }
        }
        reap(c);
        tell_wait("orphan", -1);
        int status;
        SHOW(wait(&status));
    }
    tell_wait("init", pid);
}

CASE(all_die_with_init)
{
    _Atomic int *v = SHARED_INTS(2);
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        if (fork() == 0) {
            v[0] = 1;
            msleep(300);
            v[1] = 1;
            _exit(0);
        }
        wait_for(v, 1);
        _exit(5);
    }
    tell_wait("init", pid);
    msleep(400);
    SHOW(v[1]);
}

CASE(init_ignores_signals_without_handler)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        kill(1, SIGTERM);
        kill(1, SIGKILL);
        raise(SIGUSR1);
        pid_t c;
        CHILD(c)
        {
            TRY(kill(1, SIGKILL));
            TRY(kill(1, SIGINT));
        }
        reap(c);
        handle(SIGUSR2, 0);
        kill(1, SIGUSR2);
        SHOW(got[SIGUSR2]);
        _exit(6);
    }
    tell_wait("init", pid);
}

CASE(parent_can_kill_init)
{
    pid_t pid;
    IN_NEW_PID_NS(pid) for (;;) pause();
    settle();
    TRY(kill(pid, SIGTERM));
    settle();
    TRY(waitpid(pid, NULL, WNOHANG));
    TRY(kill(pid, SIGKILL));
    tell_wait("init", pid);
}

CASE(parent_sees_stop_of_init)
{
    pid_t pid;
    IN_NEW_PID_NS(pid) for (;;) pause();
    settle();
    kill(pid, SIGSTOP);
    int status;
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    tell_status("init", status);
    kill(pid, SIGKILL);
    reap(pid);
}

CASE(kill_all)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        pid_t c[3];
        for (int i = 0; i < 3; i++)
            CHILD(c[i]) for (;;) pause();
        TRY(kill(-1, SIGTERM));
        for (int i = 0; i < 3; i++)
            tell_wait("child", c[i]);
        TRY(kill(-1, SIGTERM));
    }
    tell_wait("init", pid);
}

CASE(outside_is_invisible)
{
    pid_t outer = getpid(), pid;
    IN_NEW_PID_NS(pid)
    {
        TRY(kill(outer == 1 ? 9999999 : outer + 100000, 0));
        TRY(getpgid(getppid()));
        TRY(kill(-getppid(), 0));
    }
    tell_wait("init", pid);
}

CASE(unshare_then_fork)
{
    TRY(unshare(CLONE_NEWPID));
    pid_t outer = getpid(), pid;
    CHILD(pid) SHOW(getpid());
    tell_wait("first", pid);
    SHOW(getpid() == outer);
    /* Its init is gone: nothing can start in it any more. */
    TRY(fork());
    pthread_t t;
    RET(pthread_create(&t, NULL, NULL, NULL));
}

CASE(nested)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        pid_t inner;
        IN_NEW_PID_NS(inner)
        {
            SHOW(getpid());
            pause();
        }
        settle();
        SHOW(inner);
        TRY(kill(inner, SIGKILL));
        tell_wait("inner", inner);
    }
    tell_wait("outer", pid);
}

CASE(siginfo_pid_is_translated)
{
    handle(SIGUSR1, 0);
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        handle(SIGUSR1, 0);
        for (int i = 0; i < 2000 && !got[SIGUSR1]; i++)
            msleep(1);
        say("sender outside: pid %d", (int)last_info.si_pid);
        pid_t c;
        CHILD(c) kill(1, SIGUSR1);
        reap(c);
        say("sender inside: pid %d", (int)last_info.si_pid);
    }
    settle();
    kill(pid, SIGUSR1);
    tell_wait("init", pid);
}

CASE(clone3_set_tid)
{
    pid_t tids[] = {1};
    struct clone_args a = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD, .set_tid = (uint64_t)tids, .set_tid_size = 1};
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0) {
        SHOW(getpid());
        pid_t want[] = {42};
        struct clone_args b = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)want, .set_tid_size = 1};
        pid_t c = (pid_t)syscall(SYS_clone3, &b, sizeof b);
        if (c == 0)
            _exit(0);
        SHOW(c);
        TRY(syscall(SYS_clone3, &b, sizeof b));
        reap(c);
        _exit(0);
    }
    tell_wait("init", pid);
    tids[0] = 2;
    TRY(syscall(SYS_clone3, &a, sizeof a));
}

CASE(needs_privilege)
{
    become(1000, 1000);
    TRY(clone_ns());
    TRY(unshare(CLONE_NEWPID));
}

CASE(init_dies_of_its_own_faults)
{
    pid_t pid;
    IN_NEW_PID_NS(pid) *(volatile int *)8 = 1;
    tell_wait("init", pid);
    IN_NEW_PID_NS(pid) abort();
    tell_wait("aborting init", pid);
}

CASE(init_is_reaped_after_its_members)
{
    int fds[2];
    NEED(pipe(fds) == 0);
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        for (int i = 0; i < 8; i++) {
            if (fork() == 0) {
                fork();
                for (;;)
                    pause();
            }
        }
        close(fds[1]);
        settle();
        _exit(0);
    }
    close(fds[1]);
    tell_wait("init", pid);
    /* All that could hold the other end are gone by now. */
    char c;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    TRY(read(fds[0], &c, 1));
}

CASE(zombies_of_the_namespace_go_too)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        for (int i = 0; i < 3; i++)
            if (fork() == 0)
                _exit(i);
        settle();
        _exit(7);
    }
    tell_wait("init", pid);
    TRY(waitpid(-1, NULL, WNOHANG));
}

CASE(init_dies_of_a_kill_from_outside_with_its_members)
{
    _Atomic int *v = SHARED_INTS(2);
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        pid_t inner;
        IN_NEW_PID_NS(inner)
        {
            v[0] = 1;
            for (;;)
                pause();
        }
        for (;;)
            pause();
    }
    wait_for(v, 1);
    TRY(kill(pid, SIGKILL));
    tell_wait("init", pid);
}

CASE(only_one_level_at_a_time)
{
    pid_t pid;
    CHILD(pid)
    {
        TRY(unshare(CLONE_NEWPID));
        TRY(unshare(CLONE_NEWPID));
        TRY(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
        TRY(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0));
    }
    tell_wait("child", pid);
    IN_NEW_PID_NS(pid)
    {
        /* An init's siblings would be nobody's. */
        TRY(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
    }
    tell_wait("init", pid);
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

CASE(setns_by_pidfd)
{
    pid_t pid;
    IN_NEW_PID_NS(pid) for (;;) pause();
    int fd = pidfd_of(pid);
    TRY(setns(fd, 0));
    TRY(setns(fd, 1));
    TRY(setns(0, 0));
    TRY(setns(99, CLONE_NEWPID));
    TRY(setns(fd, CLONE_NEWUSER));
    pid_t c;
    CHILD(c)
    {
        TRY(setns(fd, CLONE_NEWPID | CLONE_NEWUTS));
        pid_t own = getpid(), d;
        SHOW(own == getpid());
        CHILD(d)
        {
            SHOW(getpid());
            SHOW(getppid());
            TRY(kill(1, 0));
        }
        tell_wait("joined", d);
        SHOW(d > 2);
        /* Back up again, for it is not in the namespace itself. */
        int me = pidfd_of(getpid());
        TRY(setns(me, CLONE_NEWPID));
        CHILD(d) SHOW(getppid() == own);
        tell_wait("back", d);
    }
    tell_wait("child", c);
    CHILD(c)
    {
        become(1000, 1000);
        TRY(setns(fd, CLONE_NEWPID));
    }
    reap(c);
    kill(pid, SIGKILL);
    reap(pid);
    TRY(setns(fd, CLONE_NEWPID));
}

CASE(setns_is_refused_upwards)
{
    int outer = pidfd_of(getpid());
    pid_t pid;
    IN_NEW_PID_NS(pid) TRY(setns(outer, CLONE_NEWPID));
    tell_wait("init", pid);
}

CASE(waitid_gives_numbers_of_here)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        pid_t c;
        CHILD(c) _exit(4);
        siginfo_t i = {0};
        TRY(waitid(P_ALL, 0, &i, WEXITED));
        say("pid %d status %d", i.si_pid, i.si_status);
        block(SIGCHLD);
        CHILD(c) _exit(5);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        TRY(sigwaitinfo(&set, &i));
        say("pid %d is %d", i.si_pid == c, i.si_pid);
        tell_wait("child", c);
    }
    tell_wait("init", pid);
}

CASE(groups_and_sessions_of_outside_are_zero)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        SHOW(getpgid(0));
        SHOW(getsid(0));
        TRY(setpgid(0, 0));
        SHOW(getpgid(0));
        TRY(setsid());
        pid_t c;
        CHILD(c)
        {
            SHOW(getpgid(0));
            SHOW(setsid());
            SHOW(getsid(0));
        }
        tell_wait("child", c);
    }
    tell_wait("init", pid);
}

CASE(a_thread_of_init_may_end_first)
{
    pid_t pid;
    IN_NEW_PID_NS(pid)
    {
        if (fork() == 0)
            for (;;)
                pause();
        syscall(SYS_exit, 9);
    }
    tell_wait("init", pid);
}
