#include "case.h"

static void tell_next(pid_t pid, int options)
{
    int status = 0;
    NEED(waitpid(pid, &status, options) == pid);
    tell_status("child", status);
}

static void counting_child(_Atomic int *v)
{
    for (;;) {
        atomic_fetch_add(&v[0], 1);
        usleep(1000);
    }
}

CASE(stop_and_continue)
{
    _Atomic int *v = SHARED_INTS(1);
    pid_t pid;
    CHILD(pid) counting_child(v);
    settle();
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    int a = v[0];
    settle();
    SHOW(v[0] - a);
    kill(pid, SIGCONT);
    tell_next(pid, WCONTINUED);
    settle();
    SHOW(v[0] > a);
    kill(pid, SIGKILL);
    tell_next(pid, 0);
}

CASE(stop_of_busy_threads)
{
    _Atomic int *v = SHARED_INTS(4);
    pid_t pid;
    CHILD(pid)
    {
        thread((void *(*)(void *))(void *)counting_child, (void *)(v + 1));
        for (;;)
            atomic_fetch_add(&v[0], 1);
    }
    settle();
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    int a = v[0], b = v[1];
    settle();
    SHOW(v[0] - a);
    SHOW(v[1] - b);
    kill(pid, SIGKILL);
    tell_next(pid, 0);
}

CASE(kill_works_on_stopped)
{
    pid_t pid;
    CHILD(pid) raise(SIGSTOP);
    tell_next(pid, WUNTRACED);
    kill(pid, SIGKILL);
    tell_next(pid, 0);
}

CASE(others_wait_for_continue)
{
    pid_t pid;
    CHILD(pid)
    {
        handle(SIGUSR1, 0);
        raise(SIGSTOP);
        _exit(got[SIGUSR1] ? 11 : 12);
    }
    tell_next(pid, WUNTRACED);
    kill(pid, SIGUSR1);
    settle();
    TRY(waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGCONT);
    tell_next(pid, 0);
}

CASE(each_stop_signal)
{
    int sigs[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (int i = 0; i < 4; i++) {
        pid_t pid;
        CHILD(pid)
        {
            setpgid(0, 0);
            raise(sigs[i]);
        }
        tell_next(pid, WUNTRACED);
        kill(pid, SIGCONT);
        tell_next(pid, 0);
    }
}

CASE(cont_drops_pending_stops)
{
    pid_t pid;
    CHILD(pid)
    {
        setpgid(0, 0);
        sigset_t set;
        block(SIGTSTP);
        raise(SIGTSTP);
        raise(SIGCONT);
        sigpending(&set);
        say("stop pending %d", sigismember(&set, SIGTSTP));
        unblock(SIGTSTP);
        block(SIGCONT);
        handle(SIGCONT, 0);
        raise(SIGCONT);
        block(SIGTSTP);
        raise(SIGTSTP);
        sigpending(&set);
        say("continue pending %d stop pending %d", sigismember(&set, SIGCONT), sigismember(&set, SIGTSTP));
    }
    tell_wait("child", pid);
}

CASE(cont_continues_even_when_blocked_or_ignored)
{
    for (int i = 0; i < 2; i++) {
        pid_t pid;
        CHILD(pid)
        {
            if (i)
                block(SIGCONT);
            else
                signal(SIGCONT, SIG_IGN);
            raise(SIGSTOP);
            _exit(3);
        }
        tell_next(pid, WUNTRACED);
        kill(pid, SIGCONT);
        tell_next(pid, 0);
    }
}

CASE(handled_tstp_does_not_stop)
{
    handle(SIGTSTP, 0);
    raise(SIGTSTP);
    SHOW(got[SIGTSTP]);
}

CASE(sigchld_for_stop_and_continue)
{
    handle(SIGCHLD, SA_RESTART);
    pid_t pid;
    CHILD(pid) for (;;) pause();
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    msleep(20);
    say("%d stopped %d status %s", (int)got[SIGCHLD], last_info.si_code == CLD_STOPPED, signame(last_info.si_status));
    kill(pid, SIGCONT);
    tell_next(pid, WCONTINUED);
    msleep(20);
    say("%d continued %d", (int)got[SIGCHLD], last_info.si_code == CLD_CONTINUED);
    kill(pid, SIGKILL);
    tell_next(pid, 0);
    msleep(20);
    say("%d killed %d", (int)got[SIGCHLD], last_info.si_code == CLD_KILLED);
}

CASE(nocldstop)
{
    handle(SIGCHLD, SA_RESTART | SA_NOCLDSTOP);
    pid_t pid;
    CHILD(pid) for (;;) pause();
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    kill(pid, SIGCONT);
    tell_next(pid, WCONTINUED);
    msleep(20);
    SHOW(got[SIGCHLD]);
    kill(pid, SIGKILL);
    tell_next(pid, 0);
    msleep(20);
    SHOW(got[SIGCHLD]);
}

CASE(blocked_call_goes_on_after_continue)
{
    int p[2];
    NEED(pipe(p) == 0);
    pid_t pid;
    CHILD(pid)
    {
        char c;
        close(p[1]);
        SHOW(read(p[0], &c, 1));
        _exit(c);
    }
    settle();
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    kill(pid, SIGCONT);
    tell_next(pid, WCONTINUED);
    write(p[1], "\7", 1);
    tell_next(pid, 0);
}

CASE(sleep_goes_on_after_continue)
{
    pid_t pid;
    CHILD(pid)
    {
        long start = now_ms();
        struct timespec t = {0, 300000000};
        TRY(nanosleep(&t, &t));
        tell_took("slept", now_ms() - start, 299, 2000);
    }
    msleep(100);
    kill(pid, SIGSTOP);
    tell_next(pid, WUNTRACED);
    kill(pid, SIGCONT);
    tell_next(pid, 0);
}

CASE(stop_of_a_group)
{
    pid_t a, b;
    CHILD(a) for (;;) pause();
    setpgid(a, a);
    CHILD(b) for (;;) pause();
    setpgid(b, a);
    kill(-a, SIGSTOP);
    tell_next(a, WUNTRACED);
    tell_next(b, WUNTRACED);
    kill(-a, SIGKILL);
    tell_next(a, 0);
    tell_next(b, 0);
}

CASE(exit_while_stopping)
{
    pid_t pid;
    CHILD(pid)
    {
        kill(getpid(), SIGSTOP);
        _exit(5);
    }
    tell_next(pid, WUNTRACED);
    TRY(waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGCONT);
    tell_next(pid, 0);
}
