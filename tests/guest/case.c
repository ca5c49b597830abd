#include "case.h"

#include <ftw.h>
#include <grp.h>
#include <stdarg.h>

extern const struct kase *const __start_cases[], *const __stop_cases[];
extern const struct helper *const __start_helpers[] __attribute__((weak));
extern const struct helper *const __stop_helpers[] __attribute__((weak));

char self[PATH_MAX];
char self_dir[PATH_MAX];
volatile sig_atomic_t got[65];
siginfo_t last_info;
static const char *current = "?";

enum { CASE_SECONDS = 25 };

void say(const char *fmt, ...)
{
    int saved = errno;
    char line[2048];
    int n = snprintf(line, 128, "%s: ", current);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    n += m < (int)sizeof line - n - 1 ? m : (int)sizeof line - n - 2;
    line[n++] = '\n';
    if (write(1, line, (size_t)n) < 0)
        _exit(98);
    errno = saved;
}

const char *errname(int err)
{
    const char *name = strerrorname_np(err);
    return name ? name : "E?";
}

const char *signame(int sig)
{
    static char rt[16];
    if (sig >= 34 && sig <= 64) {
        snprintf(rt, sizeof rt, "RT%d", sig - 34);
        return rt;
    }
    const char *name = sigabbrev_np(sig);
    return name ? name : "?";
}

long tell(const char *text, long value)
{
    if (value == -1)
        say("%s = -1 %s", text, errname(errno));
    else
        say("%s = %ld", text, value);
    return value;
}

long tell_ok(const char *text, long value)
{
    if (value == -1)
        say("%s = -1 %s", text, errname(errno));
    else
        say("%s = ok", text);
    return value;
}

void show_errno(const char *text)
{
    say("%s: %s", text, errname(errno));
}

void tell_status(const char *text, int status)
{
    if (WIFEXITED(status))
        say("%s: exit %d", text, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        say("%s: signal %s", text, signame(WTERMSIG(status)));
    else if (WIFSTOPPED(status))
        say("%s: stop %s", text, signame(WSTOPSIG(status)));
    else if (WIFCONTINUED(status))
        say("%s: continued", text);
    else
        say("%s: status %#x", text, (unsigned)status);
}

int tell_wait(const char *text, pid_t pid)
{
    int status = 0;
    pid_t r;
    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    if (r != pid)
        say("%s: waitpid %s", text, r < 0 ? errname(errno) : "gave another child");
    else
        tell_status(text, status);
    return status;
}

int reap(pid_t pid)
{
    int status;
    pid_t r;
    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void msleep(long ms)
{
    int saved = errno;
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
    errno = saved;
}

long clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

long now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

void tell_took(const char *text, long ms, long low, long high)
{
    if (ms >= low && ms <= high)
        say("%s: as long as it should", text);
    else
        say("%s: %ld ms, not %ld to %ld", text, ms, low, high);
}

bool wait_for(_Atomic int *word, int value)
{
    for (long end = now_ms() + 5000; atomic_load(word) != value;) {
        if (now_ms() > end)
            return false;
        msleep(1);
    }
    return true;
}

void *shared_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    return p;
}

void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    NEED(fd >= 0);
    NEED(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    NEED(fchmod(fd, mode) == 0);
    close(fd);
}

ssize_t slurp(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t n = 0;
    ssize_t r;
    while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
        n += (size_t)r;
    close(fd);
    buf[n] = 0;
    return (ssize_t)n;
}

void tell_file(const char *path)
{
    char buf[400];
    ssize_t n = slurp(path, buf, sizeof buf);
    if (n < 0) {
        say("%s: %s", path, errname(errno));
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] < ' ')
            buf[i] = buf[i] == '\n' ? '|' : buf[i] == 0 ? '0' : '.';
    say("%s: \"%s\"", path, buf);
}

void count_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got[sig]++;
    if (info)
        last_info = *info;
}

void handle(int sig, int flags)
{
    struct sigaction sa = {.sa_sigaction = count_signal, .sa_flags = flags | SA_SIGINFO};
    NEED(sigaction(sig, &sa, NULL) == 0);
}

static void change_mask(int how, int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    NEED(sigprocmask(how, &set, NULL) == 0);
}

void block(int sig)
{
    change_mask(SIG_BLOCK, sig);
}

void unblock(int sig)
{
    change_mask(SIG_UNBLOCK, sig);
}

void become(uid_t uid, gid_t gid)
{
    NEED(setgroups(0, NULL) == 0);
    NEED(setresgid(gid, gid, gid) == 0);
    NEED(setresuid(uid, uid, uid) == 0);
}

pid_t spawn_helper(const char *name, const char *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, "--as", name, arg, NULL);
        _exit(97);
    }
    return pid;
}

pthread_t thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    NEED(pthread_create(&t, NULL, fn, arg) == 0);
    return t;
}

pid_t signal_later(pid_t pid, int sig, long ms)
{
    pid_t p = fork();
    if (p == 0) {
        msleep(ms);
        kill(pid, sig);
        _exit(0);
    }
    return p;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    remove(path);
    return 0;
}

static int by_line(const void *a, const void *b)
{
    return (*(const struct kase *const *)a)->line - (*(const struct kase *const *)b)->line;
}

static void run(const struct kase *k)
{
    char dir[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    current = k->name;
    setenv("CASE", k->name, 1);
    snprintf(dir, sizeof dir, "%s/case-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir) || chmod(dir, 0777) < 0) {
        say("no directory to work in (%s)", errname(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        alarm(CASE_SECONDS);
        if (chdir(dir) < 0)
            _exit(96);
        k->run();
        fflush(NULL);
        _exit(0);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    kill(-pid, SIGKILL);
    tell_status("end", status);
    /* What the case left behind has become a child of this process. */
    for (int i = 0; i < 200 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
        usleep(500);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    if (!realpath(argv[0], self))
        snprintf(self, sizeof self, "%s", argv[0]);
    snprintf(self_dir, sizeof self_dir, "%.*s", (int)(strrchr(self, '/') - self), self);
    if (argc > 2 && strcmp(argv[1], "--as") == 0) {
        if (getenv("CASE"))
            current = getenv("CASE");
        for (const struct helper *const *h = __start_helpers; h < __stop_helpers; h++)
            if (strcmp((*h)->name, argv[2]) == 0)
                return (*h)->run(argc - 2, argv + 2);
        return 97;
    }
    size_t n = (size_t)(__stop_cases - __start_cases);
    const struct kase *order[n];
    memcpy(order, __start_cases, sizeof order);
    qsort(order, n, sizeof *order, by_line);
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n; i++)
            puts(order[i]->name);
        return 0;
    }
    /* Start alike everywhere. */
    syscall(SYS_close_range, 3, ~0u, 0);
    umask(022);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (size_t i = 0; i < n; i++)
        if (wanted(order[i]->name, argc, argv))
            run(order[i]);
    return 0;
}
