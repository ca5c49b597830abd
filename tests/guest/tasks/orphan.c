#include "case.h"
#include <sys/prctl.h>

CASE(orphan_gets_the_subreaper)
{
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int on = 0;
    TRY(prctl(PR_GET_CHILD_SUBREAPER, &on));
    SHOW(on);
    pid_t me = getpid(), pid;
    CHILD(pid)
    {
        pid_t parent = getpid();
        if (fork() == 0) {
            while (getppid() == parent)
                msleep(1);
            SHOW(getppid() == me);
            _exit(8);
        }
    }
    reap(pid);
    int status;
    SHOW(wait(&status) > 0);
    tell_status("orphan", status);
}

CASE(subreaper_is_not_inherited)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid;
    CHILD(pid)
    {
        int on = 9;
        TRY(prctl(PR_GET_CHILD_SUBREAPER, &on));
        SHOW(on);
    }
    reap(pid);
}

CASE(orphaned_zombie_moves_too)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid;
    CHILD(pid)
    {
        if (fork() == 0)
            _exit(12);
        settle();
    }
    tell_wait("child", pid);
    int status;
    SHOW(wait(&status) > 0);
    tell_status("zombie of the child", status);
}

CASE(orphan_without_subreaper)
{
    _Atomic int *v = SHARED_INTS(2);
    pid_t pid, parent = getpid();
    CHILD(pid)
    {
        pid_t mid = getpid();
        if (fork() == 0) {
            while (getppid() == mid)
                msleep(1);
            v[0] = getppid() != parent;
            v[1] = 1;
            _exit(0);
        }
    }
    reap(pid);
    SHOW(wait_for(&v[1], 1));
    SHOW(v[0]);
    TRY(wait(NULL));
}

CASE(pdeathsig)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid;
    int sig = 77;
    TRY(prctl(PR_GET_PDEATHSIG, &sig));
    SHOW(sig);
    TRY(prctl(PR_SET_PDEATHSIG, 65));
    CHILD(pid)
    {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            for (;;)
                pause();
        }
        settle();
    }
    reap(pid);
    int status;
    SHOW(wait(&status) > 0);
    tell_status("grandchild", status);
}

CASE(pdeathsig_info)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid;
    CHILD(pid)
    {
        pid_t parent = getpid();
        if (fork() == 0) {
            handle(SIGUSR1, 0);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            while (!got[SIGUSR1])
                msleep(2);
            say("from the kernel %d, from the old parent %d", last_info.si_code == SI_USER,
                last_info.si_pid == parent);
            _exit(0);
        }
        settle();
    }
    reap(pid);
    wait(NULL);
}

CASE(pdeathsig_is_cleared_by_fork)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    pid_t pid;
    CHILD(pid)
    {
        int sig = 77;
        prctl(PR_GET_PDEATHSIG, &sig);
        SHOW(sig);
    }
    reap(pid);
    int sig = 0;
    prctl(PR_GET_PDEATHSIG, &sig);
    SHOW(sig);
}

CASE(pdeathsig_is_cleared_by_change_of_ids)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int sig = 0;
    TRY(setresuid(-1, 65534, -1));
    prctl(PR_GET_PDEATHSIG, &sig);
    SHOW(sig);
}

static void *parent_thread(void *arg)
{
    *(pid_t *)arg = fork();
    if (*(pid_t *)arg == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        msleep(300);
        _exit(1);
    }
    settle();
    return NULL;
}

CASE(pdeathsig_is_of_the_thread)
{
    pid_t pid = 0;
    pthread_join(thread(parent_thread, &pid), NULL);
    tell_wait("child of an ended thread", pid);
}

CASE(kernel_sends_hup_to_orphaned_stopped_group)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    _Atomic int *v = SHARED_INTS(3);
    pid_t pid;
    CHILD(pid)
    {
        pid_t stopped = fork();
        if (stopped == 0) {
            setpgid(0, 0);
            handle(SIGHUP, 0);
            handle(SIGCONT, 0);
            v[0] = 1;
            raise(SIGSTOP);
            v[1] = got[SIGHUP];
            v[2] = got[SIGCONT];
            _exit(5);
        }
        wait_for(&v[0], 1);
        waitpid(stopped, NULL, WUNTRACED);
    }
    reap(pid);
    int status;
    /* The subreaper is in the same session, so the group is not orphaned. */
    settle();
    TRY(waitpid(-1, &status, WNOHANG));
    SHOW(v[1]);
    pid = fork();
    if (pid == 0) {
        setsid();
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        pid_t mid = fork();
        if (mid == 0) {
            pid_t stopped = fork();
            if (stopped == 0) {
                setpgid(0, 0);
                handle(SIGHUP, 0);
                handle(SIGCONT, 0);
                raise(SIGSTOP);
                say("hup %d cont %d", (int)got[SIGHUP], (int)got[SIGCONT]);
                _exit(6);
            }
            waitpid(stopped, NULL, WUNTRACED);
            _exit(0);
        }
        reap(mid);
        _exit(0);
    }
    reap(pid);
    settle();
}
