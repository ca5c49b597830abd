#include "case.h"

CASE(leader)
{
    SHOW(getsid(0) == getpid());
    SHOW(getpgrp() == getpid());
    TRY(setsid());
    TRY(setpgid(0, 0));
    TRY(setpgid(0, getpid()));
}

CASE(setsid_in_child)
{
    pid_t pid;
    CHILD(pid)
    {
        SHOW(setsid() == getpid());
        SHOW(getpgrp() == getpid());
        TRY(setsid());
    }
    reap(pid);
}

CASE(setsid_of_group_leader)
{
    pid_t pid;
    CHILD(pid)
    {
        TRY(setpgid(0, 0));
        TRY(setsid());
    }
    reap(pid);
}

CASE(setpgid_rules)
{
    pid_t pid;
    CHILD(pid) pause();
    TRY(setpgid(pid, -1));
    TRY(setpgid(-1, 0));
    TRY(setpgid(0x3ffffff, 0));
    TRY(setpgid(pid, 0x3ffffff));
    TRY(setpgid(pid, pid));
    SHOW(getpgid(pid) == pid);
    TRY(setpgid(pid, getpgrp()));
    SHOW(getpgid(pid) == getpgrp());
    kill(pid, SIGKILL);
    reap(pid);
    TRY(getpgid(pid));
    TRY(getsid(pid));
    TRY(getpgid(-5));
    TRY(setpgid(getppid(), getppid()));
}

CASE(setpgid_after_exec)
{
    pid_t pid = spawn_helper("waits", NULL);
    msleep(200);
    TRY(setpgid(pid, pid));
    kill(pid, SIGKILL);
    reap(pid);
}

HELPER(waits)
{
    pause();
    return 0;
}

CASE(setpgid_across_sessions)
{
    _Atomic int *v = SHARED_INTS(1);
    pid_t pid;
    CHILD(pid)
    {
        setsid();
        v[0] = 1;
        pause();
    }
    wait_for(v, 1);
    TRY(setpgid(pid, 0));
    pid_t other;
    CHILD(other) pause();
    TRY(setpgid(other, pid));
    SHOW(getsid(pid) == pid);
    kill(other, SIGKILL);
    kill(pid, SIGKILL);
    reap(other);
    reap(pid);
}

CASE(kill_group)
{
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        CHILD(pids[i]) for (;;) pause();
        setpgid(pids[i], pids[0]);
    }
    TRY(kill(-pids[0], SIGTERM));
    for (int i = 0; i < 3; i++)
        tell_wait("member", pids[i]);
    TRY(kill(-pids[0], 0));
}

CASE(kill_own_group)
{
    signal(SIGUSR1, SIG_IGN);
    pid_t pid, outside;
    CHILD(outside)
    {
        setpgid(0, 0);
        msleep(200);
    }
    setpgid(outside, outside);
    CHILD(pid)
    {
        signal(SIGUSR1, SIG_DFL);
        for (;;)
            pause();
    }
    settle();
    TRY(kill(0, SIGUSR1));
    tell_wait("member", pid);
    tell_wait("not a member", outside);
}

CASE(killpg_arguments)
{
    TRY(killpg(-1, SIGTERM));
    TRY(kill(0, 65));
    TRY(kill(getpid(), -1));
    TRY(kill(0x3ffffff, 0));
    TRY(kill(INT_MIN, 0));
    TRY(syscall(SYS_tkill, 0, 0));
    TRY(syscall(SYS_tkill, -1, 0));
    TRY(syscall(SYS_tgkill, getpid(), 0, 0));
    TRY(syscall(SYS_tgkill, 1, getpid(), 0));
    TRY(syscall(SYS_tgkill, getpid(), getpid(), 0));
    TRY(syscall(SYS_tgkill, getpid(), getpid(), 99));
}

CASE(group_outlives_leader)
{
    pid_t leader, member;
    CHILD(leader)
    {
        setpgid(0, 0);
        pause();
    }
    setpgid(leader, leader);
    CHILD(member) pause();
    TRY(setpgid(member, leader));
    kill(leader, SIGKILL);
    reap(leader);
    SHOW(getpgid(member) == leader);
    TRY(kill(-leader, 0));
    TRY(kill(-leader, SIGTERM));
    tell_wait("member", member);
}

CASE(stop_of_orphaned_group_is_ignored)
{
    pid_t pid;
    CHILD(pid)
    {
        setsid();
        raise(SIGTSTP);
        raise(SIGTTIN);
        raise(SIGTTOU);
        _exit(7);
    }
    tell_wait("in a new session", pid);
    CHILD(pid)
    {
        setpgid(0, 0);
        raise(SIGTSTP);
        _exit(8);
    }
    int status;
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    tell_status("with a parent in the session", status);
    kill(pid, SIGCONT);
    tell_wait("continued", pid);
}

CASE(no_terminal)
{
    TRY(open("/dev/tty", O_RDWR));
    TRY(tcgetpgrp(0));
    TRY(tcsetpgrp(1, getpgrp()));
}
