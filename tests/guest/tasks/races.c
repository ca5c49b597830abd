#include "case.h"

/* Things that happen at once. Each case does so many times, and says only what is the same whoever comes first. */

enum { ROUNDS = 12 };

HELPER(seven)
{
    return getpid() == gettid_raw() ? 7 : 8;
}

static void exec_seven(void)
{
    execl(self, self, "--as", "seven", NULL);
    _exit(97);
}

static void *execs(void *arg)
{
    (void)arg;
    exec_seven();
    return NULL;
}

static void *spins(void *arg)
{
    (void)arg;
    for (;;)
        ;
    return NULL;
}

static void *pauses(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static void *reads(void *arg)
{
    int p[2];
    char c;
    (void)arg;
    if (pipe(p) == 0)
        for (;;)
            if (read(p[0], &c, 1) == 1)
                break;
    return NULL;
}

static void *calls(void *arg)
{
    (void)arg;
    for (;;)
        getppid();
    return NULL;
}

static void *ends(void *arg)
{
    return arg;
}

static void *makes_threads(void *arg)
{
    (void)arg;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 65536);
    for (;;) {
        pthread_t t;
        if (pthread_create(&t, &attr, ends, NULL))
            usleep(100);
    }
    return NULL;
}

static void *forks(void *arg)
{
    (void)arg;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return NULL;
}

static void *vforks(void *arg)
{
    (void)arg;
    for (;;) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return NULL;
}

/* How often each outcome came. */
static void tally(const char *text, const int *statuses, int n)
{
    int done[ROUNDS] = {0};
    for (int i = 0; i < n; i++) {
        if (done[i])
            continue;
        int same = 0;
        for (int j = i; j < n; j++)
            if (statuses[j] == statuses[i]) {
                same++;
                done[j] = 1;
            }
        char line[64];
        snprintf(line, sizeof line, "%s, %d times", text, same);
        tell_status(line, statuses[i]);
    }
}

static int wait_status(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void *(*const busy[])(void *) = {spins, pauses, reads, calls, makes_threads, forks, vforks};
static const char *const busy_names[] = {"spins", "pauses", "reads", "calls", "makes threads", "forks", "vforks"};

CASE(exec_by_a_thread_while_others_run)
{
    for (size_t k = 0; k < sizeof busy / sizeof *busy; k++) {
        int statuses[3];
        for (int i = 0; i < 3; i++) {
            pid_t pid;
            CHILD(pid)
            {
                for (int j = 0; j < 3; j++)
                    thread(busy[k], NULL);
                usleep((useconds_t)i * 700);
                thread(execs, NULL);
                pause();
            }
            statuses[i] = wait_status(pid);
        }
        tally(busy_names[k], statuses, 3);
    }
}

CASE(exec_by_the_leader_while_others_run)
{
    for (size_t k = 0; k < sizeof busy / sizeof *busy; k++) {
        int statuses[3];
        for (int i = 0; i < 3; i++) {
            pid_t pid;
            CHILD(pid)
            {
                for (int j = 0; j < 3; j++)
                    thread(busy[k], NULL);
                usleep((useconds_t)i * 700);
                exec_seven();
            }
            statuses[i] = wait_status(pid);
        }
        tally(busy_names[k], statuses, 3);
    }
}

CASE(several_exec_at_once)
{
    int statuses[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid)
        {
            for (int j = 0; j < 3; j++)
                thread(execs, NULL);
            exec_seven();
        }
        statuses[i] = wait_status(pid);
    }
    tally("several", statuses, ROUNDS);
}

CASE(exit_group_while_others_run)
{
    for (size_t k = 0; k < sizeof busy / sizeof *busy; k++) {
        int statuses[3];
        for (int i = 0; i < 3; i++) {
            pid_t pid;
            CHILD(pid)
            {
                for (int j = 0; j < 3; j++)
                    thread(busy[k], NULL);
                usleep((useconds_t)i * 700);
                _exit(5);
            }
            statuses[i] = wait_status(pid);
        }
        tally(busy_names[k], statuses, 3);
    }
}

CASE(kill_while_others_run)
{
    for (size_t k = 0; k < sizeof busy / sizeof *busy; k++) {
        int statuses[3];
        for (int i = 0; i < 3; i++) {
            pid_t pid;
            CHILD(pid)
            {
                for (int j = 0; j < 3; j++)
                    thread(busy[k], NULL);
                pause();
            }
            usleep((useconds_t)i * 900);
            kill(pid, i & 1 ? SIGTERM : SIGKILL);
            statuses[i] = wait_status(pid);
        }
        tally(busy_names[k], statuses, 3);
    }
}

CASE(exec_and_exit_group)
{
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid)
        {
            thread(execs, NULL);
            usleep((useconds_t)i * 150);
            _exit(7);
        }
        int status = wait_status(pid);
        if (status != 7 << 8)
            tell_status("round", status);
    }
    say("done");
}

CASE(exec_and_kill)
{
    int statuses[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid)
        {
            for (;;)
                reap(spawn_helper("seven", NULL));
        }
        usleep((useconds_t)i * 300);
        kill(pid, SIGKILL);
        statuses[i] = wait_status(pid);
    }
    tally("parents", statuses, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid) execl(self, self, "--as", "again", "1000000", NULL);
        usleep((useconds_t)i * 400);
        kill(pid, SIGKILL);
        statuses[i] = wait_status(pid);
    }
    tally("programs", statuses, ROUNDS);
}

/* Executes itself so many times. */
HELPER(again)
{
    int left = argc > 1 ? atoi(argv[1]) : 0;
    if (left == 0)
        return 7;
    char text[16];
    snprintf(text, sizeof text, "%d", left - 1);
    execl(self, self, "--as", "again", text, NULL);
    return 97;
}

CASE(stops_and_continues_during_exec)
{
    pid_t pid;
    CHILD(pid) execl(self, self, "--as", "again", "30", NULL);
    int stops = 0, status;
    for (;;) {
        if (kill(pid, SIGSTOP) < 0)
            break;
        if (waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status))
            break;
        stops++;
        kill(pid, SIGCONT);
        usleep(500);
    }
    tell_status("program", status);
    SHOW(stops > 0);
}

CASE(stops_and_continues_of_makers)
{
    for (size_t k = 4; k < sizeof busy / sizeof *busy; k++) {
        pid_t pid;
        CHILD(pid)
        {
            for (int j = 0; j < 2; j++)
                thread(busy[k], NULL);
            msleep(150);
            _exit(9);
        }
        int stops = 0, continues = 0, status;
        for (;;) {
            kill(pid, SIGSTOP);
            if (waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status))
                break;
            stops++;
            kill(pid, SIGCONT);
            if (waitpid(pid, &status, WCONTINUED) < 0 || !WIFCONTINUED(status))
                break;
            continues++;
            usleep(1000);
        }
        tell_status(busy_names[k], status);
        SHOW(stops > 3);
        SHOW(continues - stops <= 1 && stops - continues <= 1);
    }
}

static void *queues_and_execs(void *arg)
{
    (void)arg;
    pthread_kill(pthread_self(), SIGUSR1);
    execl(self, self, "--as", "pending", NULL);
    return NULL;
}

CASE(signals_during_exec)
{
    /* Blocked and pending before, pending after: once for a standard signal, as often as sent for others. */
    block(SIGUSR1);
    block(SIGRTMIN);
    pid_t pid;
    CHILD(pid)
    {
        raise(SIGUSR1);
        raise(SIGUSR1);
        for (int i = 0; i < 3; i++)
            sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i + 1});
        execl(self, self, "--as", "pending", NULL);
    }
    tell_wait("child", pid);
    /* Of a thread that takes over, its own signals stay. */
    CHILD(pid)
    {
        thread(queues_and_execs, NULL);
        pause();
    }
    tell_wait("thread", pid);
}

HELPER(pending)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    struct timespec none = {0, 0};
    int sig;
    while ((sig = sigtimedwait(&set, &info, &none)) > 0)
        say("%s code %d value %d from me %d", signame(sig), info.si_code, info.si_value.sival_int,
            info.si_pid == getpid());
    return 0;
}

CASE(handlers_during_exec)
{
    /* A signal that comes while a program is replaced is taken by the handler before, or by default after. */
    int statuses[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid)
        {
            handle(SIGUSR1, SA_RESTART);
            handle(SIGCHLD, SA_RESTART);
            execl(self, self, "--as", "handles_again", "20", NULL);
        }
        for (int j = 0; j < 40; j++) {
            kill(pid, SIGWINCH);
            kill(pid, SIGCHLD);
            kill(pid, SIGURG);
            usleep(200);
        }
        statuses[i] = wait_status(pid);
    }
    tally("children", statuses, ROUNDS);
}

HELPER(handles_again)
{
    handle(SIGWINCH, SA_RESTART);
    handle(SIGURG, 0);
    handle(SIGCHLD, 0);
    int left = argc > 1 ? atoi(argv[1]) : 0;
    if (left == 0)
        return 7;
    char text[16];
    snprintf(text, sizeof text, "%d", left - 1);
    execl(self, self, "--as", "handles_again", text, NULL);
    return 97;
}

CASE(vfork_and_signals)
{
    handle(SIGUSR1, 0);
    pid_t me = getpid(), pid;
    for (int i = 0; i < 4; i++) {
        got[SIGUSR1] = 0;
        pid_t by = signal_later(me, SIGUSR1, 20);
        volatile bool early = false;
        pid = vfork();
        if (pid == 0) {
            usleep(50000);
            early = got[SIGUSR1] != 0;
            _exit(3);
        }
        SHOW(early);
        SHOW(got[SIGUSR1]);
        tell_wait("child", pid);
        reap(by);
    }
}

CASE(vfork_child_stops)
{
    _Atomic int *v = SHARED_INTS(2);
    pid_t by, pid;
    CHILD(by)
    {
        wait_for(v, 1);
        pid_t child = v[1];
        TRY(kill(child, SIGSTOP));
        msleep(50);
        say("parent waits %d", v[0]);
        TRY(kill(child, SIGCONT));
    }
    pid = vfork();
    if (pid == 0) {
        v[1] = getpid();
        v[0] = 1;
        usleep(60000);
        usleep(60000);
        _exit(4);
    }
    v[0] = 2;
    tell_wait("child", pid);
    tell_wait("other", by);
}

CASE(vfork_parent_is_killed)
{
    _Atomic int *v = SHARED_INTS(3);
    pid_t pid;
    CHILD(pid)
    {
        pid_t c = vfork();
        if (c == 0) {
            v[0] = 1;
            usleep(150000);
            v[1] = getppid() != v[2];
            execl(self, self, "--as", "seven", NULL);
            _exit(97);
        }
        _exit(1);
    }
    v[2] = pid;
    wait_for(v, 1);
    kill(pid, SIGKILL);
    tell_wait("parent", pid);
    SHOW(wait_for(v + 1, 1));
}

CASE(vfork_parent_is_stopped)
{
    _Atomic int *v = SHARED_INTS(1);
    pid_t pid;
    CHILD(pid)
    {
        pid_t c = vfork();
        if (c == 0) {
            v[0] = 1;
            usleep(60000);
            _exit(6);
        }
        _exit(reap(c));
    }
    wait_for(v, 1);
    kill(pid, SIGSTOP);
    int status;
    waitpid(pid, &status, WUNTRACED);
    tell_status("parent", status);
    kill(pid, SIGCONT);
    tell_wait("parent", pid);
}

static void *vforks_seven(void *arg)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl(self, self, "--as", "seven", NULL);
        _exit(97);
    }
    *(int *)arg = reap(pid);
    return NULL;
}

CASE(vforks_by_several_threads)
{
    int bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int codes[4];
        pthread_t t[4];
        for (int j = 0; j < 4; j++)
            t[j] = thread(vforks_seven, &codes[j]);
        for (int j = 0; j < 4; j++) {
            pthread_join(t[j], NULL);
            bad += codes[j] != 7;
        }
    }
    SHOW(bad);
}

CASE(orphans_by_the_dozen)
{
    int p[2];
    NEED(pipe(p) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid;
        CHILD(pid)
        {
            for (int j = 0; j < 3; j++)
                if (fork() == 0) {
                    usleep((useconds_t)(j * 300));
                    _exit(write(p[1], "x", 1) != 1);
                }
        }
        reap(pid);
    }
    close(p[1]);
    char buf[100];
    ssize_t n, all = 0;
    while ((n = read(p[0], buf, sizeof buf)) > 0)
        all += n;
    SHOW(all);
}
