#include "case.h"

static void tell_info(const char *text, const siginfo_t *i, pid_t pid)
{
    const char *code = i->si_code == CLD_EXITED      ? "EXITED"
                       : i->si_code == CLD_KILLED    ? "KILLED"
                       : i->si_code == CLD_DUMPED    ? "DUMPED"
                       : i->si_code == CLD_STOPPED   ? "STOPPED"
                       : i->si_code == CLD_CONTINUED ? "CONTINUED"
                       : i->si_code == 0             ? "0"
                                                     : "?";
    say("%s: signo %s code %s status %d its pid %d uid %d", text, signame(i->si_signo), code, i->si_status,
        i->si_pid == pid, (int)i->si_uid);
}

CASE(exit_codes)
{
    int codes[] = {0, 1, 255, 256, -1};
    for (int i = 0; i < 5; i++) {
        pid_t pid;
        CHILD(pid) _exit(codes[i]);
        tell_wait("child", pid);
    }
}

CASE(waitid_kinds)
{
    siginfo_t info;
    pid_t pid;
    CHILD(pid) for (;;) pause();
    TRY(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG));
    SHOW(info.si_pid);
    SHOW(info.si_signo);
    kill(pid, SIGSTOP);
    TRY(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
    tell_info("stopped", &info, pid);
    TRY(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG));
    SHOW(info.si_pid);
    kill(pid, SIGCONT);
    TRY(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
    tell_info("continued", &info, pid);
    kill(pid, SIGTERM);
    TRY(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    tell_info("left waitable", &info, pid);
    TRY(waitid(P_ALL, 0, &info, WEXITED));
    tell_info("killed", &info, pid);
    TRY(waitid(P_ALL, 0, &info, WEXITED));
}

CASE(waitid_arguments)
{
    siginfo_t info;
    TRY(waitid(P_ALL, 0, &info, 0));
    TRY(waitid(P_ALL, 0, &info, WNOHANG));
    TRY(waitid(P_ALL, 0, &info, WEXITED | 0x100));
    TRY(waitid(P_PID, 0, &info, WEXITED));
    TRY(waitid(P_PID, (id_t)-1, &info, WEXITED));
    TRY(waitid(P_PGID, (id_t)-1, &info, WEXITED));
    TRY(waitid(P_PGID, 0, &info, WEXITED));
    TRY(waitid(99, 0, &info, WEXITED));
    TRY(waitid(P_PIDFD, 0, &info, WEXITED));
    TRY(waitid(P_PIDFD, 99, &info, WEXITED));
    pid_t pid;
    CHILD(pid) _exit(4);
    TRY(waitid(P_PID, (id_t)pid, NULL, WEXITED));
    CHILD(pid) _exit(4);
    settle();
    TRY(syscall(SYS_waitid, P_PID, pid, (void *)8, WEXITED, NULL));
    TRY(waitpid(pid, NULL, 0));
}

CASE(wait4_arguments)
{
    TRY(wait4(-1, NULL, 0x40, NULL));
    TRY(wait4(-1, NULL, WEXITED, NULL));
    TRY(wait4(INT_MIN, NULL, 0, NULL));
    TRY(wait4(getpid(), NULL, 0, NULL));
    TRY(wait4(-1, NULL, WNOHANG, NULL));
    pid_t pid;
    CHILD(pid) _exit(0);
    settle();
    TRY(syscall(SYS_wait4, pid, (void *)8, 0, NULL));
    TRY(wait4(pid, NULL, 0, NULL));
}

CASE(nohang)
{
    pid_t pid;
    CHILD(pid) pause();
    TRY(waitpid(pid, NULL, WNOHANG));
    TRY(waitpid(-1, NULL, WNOHANG));
    kill(pid, SIGKILL);
    tell_wait("child", pid);
    TRY(waitpid(-1, NULL, WNOHANG));
}

CASE(untraced_and_continued)
{
    int status;
    pid_t pid;
    CHILD(pid) for (;;) pause();
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    SHOWX(status);
    TRY(waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, WCONTINUED) == pid);
    SHOWX(status);
    TRY(waitpid(pid, &status, WCONTINUED | WNOHANG));
    kill(pid, SIGKILL);
    SHOW(waitpid(pid, &status, 0) == pid);
    SHOWX(status);
}

CASE(by_process_group)
{
    pid_t a, b;
    CHILD(a)
    {
        setpgid(0, 0);
        pause();
    }
    setpgid(a, a);
    CHILD(b) pause();
    TRY(waitpid(-a, NULL, WNOHANG));
    TRY(waitpid(0, NULL, WNOHANG));
    kill(b, SIGKILL);
    SHOW(waitpid(0, NULL, 0) == b);
    TRY(waitpid(0, NULL, 0));
    kill(a, SIGKILL);
    SHOW(waitpid(-a, NULL, 0) == a);
    TRY(waitpid(-a, NULL, 0));
}

CASE(rusage_of_child)
{
    struct rusage ru;
    pid_t pid;
    CHILD(pid)
    {
        for (struct timespec t = {0, 0}; t.tv_nsec < 60000000 && !t.tv_sec;)
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    }
    SHOW(wait4(pid, NULL, 0, &ru) == pid);
    long us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
    tell_took("CPU time of the child", us / 1000, 50, 250);
    TRY(getrusage(RUSAGE_CHILDREN, &ru));
    us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
    tell_took("CPU time of all children", us / 1000, 50, 250);
}

CASE(ignored_sigchld_leaves_no_zombies)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid;
    CHILD(pid) msleep(50);
    long start = now_ms();
    TRY(wait(NULL));
    tell_took("wait ends with the last child", now_ms() - start, 30, 5000);
    TRY(kill(pid, 0));
}

CASE(nocldwait)
{
    handle(SIGCHLD, SA_NOCLDWAIT | SA_RESTART);
    pid_t pid;
    CHILD(pid) _exit(0);
    TRY(wait(NULL));
    SHOW(got[SIGCHLD]);
}

CASE(zombie_can_be_signalled)
{
    siginfo_t info;
    pid_t pid;
    CHILD(pid) _exit(3);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    TRY(kill(pid, 0));
    TRY(kill(pid, SIGKILL));
    SHOW(getpgid(pid) == getpgrp());
    tell_wait("zombie", pid);
    TRY(kill(pid, 0));
}

static void *waits(void *arg)
{
    *(int *)arg = waitpid(-1, NULL, 0) > 0;
    return NULL;
}

CASE(two_waiters_one_child)
{
    pid_t pid;
    int a = 0, b = 0;
    CHILD(pid) msleep(100);
    pthread_t t = thread(waits, &a), u = thread(waits, &b);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    SHOW(a + b);
}

CASE(wnothread)
{
    pid_t pid;
    CHILD(pid) _exit(0);
    settle();
    SHOW(waitpid(pid, NULL, __WNOTHREAD) == pid);
}

CASE(leader_exits_before_threads)
{
    pid_t pid;
    CHILD(pid)
    {
        int dummy = 0;
        pid_t grandchild;
        CHILD(grandchild)
        {
            msleep(150);
            _exit(1);
        }
        thread(waits, &dummy);
        syscall(SYS_exit, 9);
    }
    settle();
    /* Not waitable while a thread lives. */
    TRY(waitpid(pid, NULL, WNOHANG));
    tell_wait("child", pid);
}

CASE(exit_group_code_of_a_thread)
{
    pid_t pid;
    CHILD(pid)
    {
        thread((void *(*)(void *))(void *)_exit, (void *)21);
        for (;;)
            pause();
    }
    tell_wait("child", pid);
}
