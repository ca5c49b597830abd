#include "case.h"
#include <dirent.h>
#include <sys/statfs.h>

static char text[65536];

/* The value of a line "Name:\tvalue". */
static const char *field(const char *path, const char *name)
{
    static char value[256];
    if (slurp(path, text, sizeof text) < 0)
        return errname(errno);
    size_t n = strlen(name);
    for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1 + strspn(line + n + 1, " \t");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\n"), line);
            return value;
        }
    return "no such field";
}

static const char *status(const char *name)
{
    return field("/proc/self/status", name);
}

CASE(links)
{
    char buf[PATH_MAX];
    ssize_t n;
    NEED((n = readlink("/proc/self", buf, sizeof buf - 1)) > 0);
    buf[n] = 0;
    SHOW(atoi(buf) == getpid());
    NEED((n = readlink("/proc/thread-self", buf, sizeof buf - 1)) > 0);
    buf[n] = 0;
    char want[64];
    snprintf(want, sizeof want, "%d/task/%d", getpid(), gettid_raw());
    SHOW(strcmp(buf, want));
    NEED((n = readlink("/proc/self/exe", buf, sizeof buf - 1)) > 0);
    buf[n] = 0;
    SHOW(strcmp(buf, self));
    char cwd[PATH_MAX];
    NEED((n = readlink("/proc/self/cwd", buf, sizeof buf - 1)) > 0);
    buf[n] = 0;
    SHOW(strcmp(buf, getcwd(cwd, sizeof cwd)));
    NEED((n = readlink("/proc/self/root", buf, sizeof buf - 1)) > 0);
    buf[n] = 0;
    say("%s", buf);
    n = readlink("/proc/mounts", buf, sizeof buf - 1);
    say("%.*s", (int)n, buf);
}

CASE(cmdline_and_environ)
{
    pid_t pid;
    CHILD(pid)
    execve(self, (char *[]){"zero", "--as", "shows_itself", "", "last", NULL},
           (char *[]){"A=1", "CASE=cmdline_and_environ", "B=", NULL});
    reap(pid);
}

HELPER(shows_itself)
{
    tell_file("/proc/self/cmdline");
    tell_file("/proc/self/environ");
    tell_file("/proc/self/comm");
    return 0;
}

CASE(status_names)
{
    prctl(PR_SET_NAME, "a\nb\\c");
    say("%s", status("Name"));
    prctl(PR_SET_NAME, "plain");
    say("%s", status("Name"));
}

CASE(status_ids)
{
    SHOW(atoi(status("Pid")) == getpid());
    SHOW(atoi(status("Tgid")) == getpid());
    SHOW(atoi(status("PPid")) == getppid());
    say("%s", status("TracerPid"));
    setresuid(1, 2, 0);
    say("%s", status("Uid"));
    say("%s", status("Gid"));
    say("%s", status("Umask"));
    umask(077);
    say("%s", status("Umask"));
    say("%s", status("Threads"));
    thread((void *(*)(void *))(void *)pause, NULL);
    say("%s", status("Threads"));
    say("%s", status("State"));
}

CASE(status_signals)
{
    handle(SIGUSR1, 0);
    signal(SIGUSR2, SIG_IGN);
    block(SIGHUP);
    block(SIGTERM);
    raise(SIGHUP);
    kill(getpid(), SIGTERM);
    say("%s", status("SigBlk"));
    say("%s", status("SigCgt"));
    say("%s", status("SigIgn"));
    say("%s", status("SigPnd"));
    say("%s", status("ShdPnd"));
}

CASE(status_memory)
{
    char unit[8];
    long size = 0, rss = 0, data = 0;
    sscanf(status("VmSize"), "%ld %7s", &size, unit);
    SHOW(size > 500 && size < 1000000);
    say("%s", unit);
    sscanf(status("VmRSS"), "%ld", &rss);
    SHOW(rss > 50 && rss <= size);
    sscanf(status("VmData"), "%ld", &data);
    char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long size2 = 0, rss2 = 0;
    sscanf(status("VmSize"), "%ld", &size2);
    SHOW(size2 - size);
    memset(p, 1, 16 << 20);
    sscanf(status("VmRSS"), "%ld", &rss2);
    SHOW(rss2 - rss >= 16000 && rss2 - rss < 24000);
}

CASE(status_capabilities)
{
    say("%s", status("CapInh"));
    SHOW(strtoull(status("CapEff"), NULL, 16) & 1);
    say("%s", status("CapAmb"));
    say("%s", status("NoNewPrivs"));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    say("%s", status("NoNewPrivs"));
    setuid(1000);
    say("%s", status("CapEff"));
    say("%s", status("CapPrm"));
}

CASE(status_groups)
{
    gid_t g[] = {30, 10, 20};
    syscall(SYS_setgroups, 3, g);
    say("%s", status("Groups"));
}

static void stat_fields(int pid, char *state, int *ppid, int *pgrp, int *session, long *threads)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    NEED(slurp(path, text, sizeof text) > 0);
    char *p = strrchr(text, ')');
    long f[18];
    NEED(p && sscanf(p, ") %c %d %d %d %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", state, ppid, pgrp,
                     session, f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6, f + 7, f + 8, f + 9, f + 10, f + 11, f + 12,
                     threads) == 18);
}

CASE(stat_of_self)
{
    char state;
    int ppid, pgrp, session;
    long threads;
    stat_fields(getpid(), &state, &ppid, &pgrp, &session, &threads);
    say("%c %d %d %d %ld", state, ppid == getppid(), pgrp == getpgrp(), session == getsid(0), threads);
    int spaces = 0;
    for (char *p = strrchr(text, ')'); *p; p++)
        spaces += *p == ' ';
    SHOW(spaces);
    SHOW(atoi(text) == getpid());
}

CASE(states_of_children)
{
    char state;
    int a, b, c;
    long d;
    pid_t pid;
    CHILD(pid) pause();
    settle();
    stat_fields(pid, &state, &a, &b, &c, &d);
    say("sleeping %c", state);
    kill(pid, SIGSTOP);
    waitpid(pid, NULL, WUNTRACED);
    stat_fields(pid, &state, &a, &b, &c, &d);
    say("stopped %c", state);
    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    stat_fields(pid, &state, &a, &b, &c, &d);
    say("zombie %c", state);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    tell_ok("cmdline of a zombie", slurp(path, text, sizeof text));
    say("length %zu", strlen(text));
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    say("exe: %s", readlink(path, text, 100) < 0 ? errname(errno) : "ok");
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    say("maps: %zd", slurp(path, text, sizeof text));
    reap(pid);
    snprintf(path, sizeof path, "/proc/%d", pid);
    say("reaped: %s", access(path, F_OK) ? errname(errno) : "there");
}

CASE(descriptors)
{
    write_file("f", "", 0644);
    int f = open("f", O_RDWR | O_APPEND), p[2];
    NEED(pipe(p) == 0);
    char path[64], buf[PATH_MAX], cwd[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    ssize_t n = readlink(path, buf, sizeof buf - 1);
    NEED(n > 0);
    buf[n] = 0;
    getcwd(cwd, sizeof cwd);
    SHOW(strncmp(buf, cwd, strlen(cwd)) == 0 && strcmp(buf + strlen(cwd), "/f") == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    n = readlink(path, buf, sizeof buf - 1);
    say("%.6s %c", buf, buf[n - 1]);
    unlink("f");
    snprintf(path, sizeof path, "/proc/self/fd/%d", f);
    n = readlink(path, buf, sizeof buf - 1);
    buf[n] = 0;
    say("%s", buf + strlen(cwd));
    struct stat st;
    TRY(lstat(path, &st));
    say("%o", st.st_mode);
    DIR *d = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(d))
        count++;
    SHOW(count);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", f);
    lseek(f, 5, SEEK_SET);
    say("pos %s", field(path, "pos"));
    say("flags %s", field(path, "flags"));
    TRY(access("/proc/self/fd/99", F_OK));
}

CASE(rights_of_others)
{
    char path[64], buf[100];
    pid_t pid = getpid(), by;
    CHILD(by)
    {
        become(1000, 1000);
        const char *names[] = {"status", "stat", "cmdline", "maps", "environ", "fd", "exe", "mem"};
        for (int i = 0; i < 8; i++) {
            snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
            long r = strcmp(names[i], "exe") ? open(path, O_RDONLY) : readlink(path, buf, sizeof buf);
            say("%s: %s", names[i], r < 0 ? errname(errno) : "ok");
        }
    }
    reap(by);
}

CASE(tasks)
{
    thread((void *(*)(void *))(void *)pause, NULL);
    DIR *d = opendir("/proc/self/task");
    int n = 0, own = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            n++;
            own += atoi(e->d_name) == getpid();
        }
    say("%d %d", n, own);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    SHOW(slurp(path, text, sizeof text) == 4 && strcmp(text, "own\n") == 0);
    struct stat st;
    stat("/proc/self/task", &st);
    SHOW(st.st_nlink);
}

CASE(writing)
{
    int fd = open("/proc/self/comm", O_WRONLY);
    TRY(write(fd, "renamed\n", 8));
    tell_file("/proc/self/comm");
    fd = open("/proc/self/oom_score_adj", O_RDWR);
    TRY(write(fd, "500", 3));
    tell_file("/proc/self/oom_score_adj");
    TRY(open("/proc/self/new", O_CREAT | O_WRONLY, 0644));
    TRY(mkdir("/proc/new", 0755));
    TRY(unlink("/proc/self/status"));
}
