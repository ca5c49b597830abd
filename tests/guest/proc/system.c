#include "case.h"
#include <ctype.h>
#include <dirent.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

static char text[200000];

static bool has(const char *path, const char *what)
{
    return slurp(path, text, sizeof text) > 0 && strstr(text, what) != NULL;
}

static long value_of(const char *path, const char *name)
{
    if (slurp(path, text, sizeof text) <= 0)
        return -1;
    char *p = strstr(text, name);
    return p ? atol(p + strlen(name) + strspn(p + strlen(name), ": \t")) : -1;
}

CASE(meminfo)
{
    long total = value_of("/proc/meminfo", "MemTotal"), idle = value_of("/proc/meminfo", "MemFree");
    long available = value_of("/proc/meminfo", "MemAvailable");
    SHOW(total > 10000);
    SHOW(idle > 0 && idle <= total);
    SHOW(available > 0 && available <= total);
    SHOW(value_of("/proc/meminfo", "SwapTotal") >= 0);
    SHOW(value_of("/proc/meminfo", "Cached") >= 0);
    SHOW(has("/proc/meminfo", " kB\n"));
}

CASE(processes)
{
    DIR *d = opendir("/proc");
    int own = 0, numeric = 0, parent = 0;
    pid_t child;
    CHILD(child) pause();
    int seen_child = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (isdigit(e->d_name[0])) {
            numeric++;
            own += atoi(e->d_name) == getpid();
            parent += atoi(e->d_name) == getppid();
            seen_child += atoi(e->d_name) == child;
        }
    say("own %d parent %d child %d some %d", own, parent, seen_child, numeric >= 3);
    kill(child, SIGKILL);
    reap(child);
    TRY(access("/proc/0", F_OK));
    TRY(access("/proc/99999999", F_OK));
    TRY(access("/proc/-1", F_OK));
    TRY(access("/proc/1x", F_OK));
    TRY(access("/proc/01", F_OK));
}

CASE(threads_are_reachable_but_not_listed)
{
    pid_t tid = 0;
    char path[64];
    thread((void *(*)(void *))(void *)pause, NULL);
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        if (isdigit(e->d_name[0]) && atoi(e->d_name) != getpid())
            tid = atoi(e->d_name);
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    NEED(tid > 0);
    say("reachable %d", access(path, F_OK) == 0);
    SHOW(value_of(path, "Tgid") == getpid());
    int listed = 0;
    d = opendir("/proc");
    for (struct dirent *e; (e = readdir(d));)
        listed += atoi(e->d_name) == tid;
    SHOW(listed);
}

CASE(stat_and_uptime)
{
    double up, idle;
    SHOW(has("/proc/stat", "cpu  "));
    SHOW(has("/proc/stat", "\ncpu0 "));
    SHOW(has("/proc/stat", "\nbtime "));
    SHOW(has("/proc/stat", "\nprocesses "));
    NEED(slurp("/proc/uptime", text, sizeof text) > 0);
    SHOW(sscanf(text, "%lf %lf", &up, &idle));
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    SHOW(up - (double)t.tv_sec < 2 && (double)t.tv_sec - up < 2);
    float a, b, c;
    int run, all, last;
    NEED(slurp("/proc/loadavg", text, sizeof text) > 0);
    SHOW(sscanf(text, "%f %f %f %d/%d %d", &a, &b, &c, &run, &all, &last));
}

CASE(version)
{
    struct utsname u;
    uname(&u);
    SHOW(has("/proc/version", u.release));
    SHOW(strncmp(text, "Linux version ", 14));
    SHOW(has("/proc/sys/kernel/osrelease", u.release));
    SHOW(has("/proc/sys/kernel/ostype", "Linux"));
    SHOW(has("/proc/sys/kernel/hostname", u.nodename));
    SHOW(has("/proc/sys/kernel/version", u.version));
}

CASE(sysctls)
{
    const char *names[] = {"kernel/pid_max", "kernel/threads-max", "kernel/random/boot_id", "kernel/random/uuid",
                           "kernel/cap_last_cap", "kernel/ngroups_max", "kernel/overflowuid", "fs/file-max",
                           "fs/nr_open", "fs/pipe-max-size", "vm/overcommit_memory", "vm/max_map_count",
                           "vm/mmap_min_addr", "net/core/somaxconn"};
    char path[100];
    for (int i = 0; i < 14; i++) {
        snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
        say("%s: %s", names[i], slurp(path, text, sizeof text) > 0 ? "there" : errname(errno));
    }
    SHOW(value_of("/proc/sys/kernel/ngroups_max", ""));
    SHOW(value_of("/proc/sys/kernel/overflowuid", ""));
    SHOW(value_of("/proc/sys/kernel/pid_max", "") >= 32768);
    slurp("/proc/sys/kernel/random/uuid", text, sizeof text);
    SHOW(strlen(text));
}

CASE(filesystems_and_mounts)
{
    SHOW(has("/proc/filesystems", "nodev\tproc\n"));
    SHOW(has("/proc/filesystems", "nodev\ttmpfs\n"));
    SHOW(has("/proc/self/mounts", " / "));
    SHOW(has("/proc/self/mounts", " /proc proc "));
    SHOW(has("/proc/self/mountinfo", " / / "));
    SHOW(has("/proc/mounts", " /dev "));
    int lines = 0, good = 0, n;
    slurp("/proc/self/mounts", text, sizeof text);
    for (char *p = text; *p; p = strchr(p, '\n') + 1, lines++) {
        char a[500], b[500], c[100], d[1000];
        int e, f;
        n = sscanf(p, "%499s %499s %99s %999s %d %d", a, b, c, d, &e, &f);
        good += n == 6;
    }
    SHOW(lines == good && lines > 1);
}

CASE(cpuinfo)
{
    int processors = 0;
    NEED(slurp("/proc/cpuinfo", text, sizeof text) > 0);
    for (char *p = text; (p = strstr(p, "processor\t")); p++)
        processors++;
    SHOW(processors == sysconf(_SC_NPROCESSORS_ONLN));
    SHOW(strstr(text, "\nmodel name\t: ") != NULL);
    SHOW(strstr(text, "\nflags\t\t: ") != NULL);
    SHOW(strstr(text, " sse2 ") != NULL);
}

CASE(limits)
{
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){55, 66});
    NEED(slurp("/proc/self/limits", text, sizeof text) > 0);
    char *p = strstr(text, "Max open files");
    NEED(p);
    int a, b;
    SHOW(sscanf(p + 14, "%d %d", &a, &b));
    say("%d %d", a, b);
    SHOW(strncmp(text, "Limit ", 6));
}

CASE(cgroup_and_ns)
{
    struct stat a, b;
    SHOW(slurp("/proc/self/cgroup", text, sizeof text) >= 0);
    const char *names[] = {"pid", "mnt", "user", "uts", "ipc", "net", "cgroup"};
    for (int i = 0; i < 7; i++) {
        char path[64], buf[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        readlink(path, buf, 63);
        say("%s: %d", names[i], strncmp(buf, names[i], strlen(names[i])) == 0 && strchr(buf, '[') != NULL);
    }
    stat("/proc/self/ns/pid", &a);
    pid_t pid;
    CHILD(pid)
    {
        stat("/proc/self/ns/pid", &b);
        SHOW(a.st_ino == b.st_ino);
    }
    reap(pid);
}

CASE(kinds_of_files)
{
    struct stat st;
    const char *names[] = {"/proc", "/proc/self", "/proc/meminfo", "/proc/self/fd", "/proc/self/exe", "/proc/self/maps",
                           "/proc/sys", "/proc/self/mem", "/proc/self/environ", "/proc/1"};
    for (int i = 0; i < 10; i++)
        if (lstat(names[i], &st) == 0)
            say("%s: %o size %ld", names[i], st.st_mode, (long)st.st_size * !S_ISLNK(st.st_mode));
        else
            show_errno(names[i]);
    TRY(open("/proc/meminfo", O_RDONLY | O_DIRECTORY));
    TRY(open("/proc/nothing", O_RDONLY));
    int fd = open("/proc/meminfo", O_RDONLY);
    char c[2];
    TRY(pread(fd, c, 1, 0));
    TRY(lseek(fd, 1, SEEK_SET));
    TRY(read(fd, c, 1));
    say("%c", c[0]);
    struct statfs s;
    statfs("/proc", &s);
    SHOWX(s.f_type);
}

CASE(remounted_pid_namespace)
{
    /* In a new PID namespace the old mount still shows the old numbers. */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        char buf[32];
        ssize_t n = readlink("/proc/self", buf, 31);
        SHOW(n > 0 && !(n == 1 && buf[0] == '1'));
        _exit(0);
    }
    tell_wait("child", pid);
}
