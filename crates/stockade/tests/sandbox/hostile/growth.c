/* Makes and unmakes again and again what lives in the kernel, by the script on standard input: a line "NAME COUNT" has
 * something done so often, and is answered by one when all of it is gone again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(expr)                                                                                                     \
    do {                                                                                                               \
        if (!(expr)) {                                                                                                 \
            printf("%s: %s\n", #expr, strerror(errno));                                                                \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void mount_small(void)
{
    NEED(mount("x", "/mnt", "tmpfs", 0, NULL) == 0);
    NEED(mkdir("/mnt/a", 0755) == 0 && mkdir("/mnt/a/b", 0755) == 0);
    close(open("/mnt/a/b/c", O_CREAT | O_WRONLY, 0644));
}

static void reap(pid_t pid)
{
    int status;
    NEED(waitpid(pid, &status, 0) == pid && status == 0);
}

static void namespaces(int n)
{
    while (n--) {
        pid_t pid = fork();
        if (pid == 0) {
            NEED(unshare(CLONE_NEWNS) == 0);
            mount_small();
            NEED(mount("/mnt/a", "/mnt/a/b", NULL, MS_BIND, NULL) == 0);
            _exit(0);
        }
        reap(pid);
    }
}

/* Copies of a namespace with many mounts, as many at once as there may be. */
static void copies(int n)
{
    pid_t pids[200];
    int made = 0, status = 0;
    NEED(unshare(CLONE_NEWNS) == 0);
    for (int i = 0; i < n; i++)
        NEED(mount("/usr", "/mnt", NULL, MS_BIND, NULL) == 0);
    while (made < 200 && status == 0) {
        pids[made] = fork();
        if (pids[made] == 0) {
            if (unshare(CLONE_NEWNS) != 0)
                _exit(errno == ENOSPC ? 1 : 2);
            raise(SIGSTOP);
            _exit(0);
        }
        NEED(waitpid(pids[made], &status, WUNTRACED) == pids[made]);
        if (WIFSTOPPED(status)) {
            made++;
            status = 0;
        }
    }
    NEED(WEXITSTATUS(status) == 1 && made > 10);
    while (made--) {
        kill(pids[made], SIGKILL);
        waitpid(pids[made], &status, 0);
    }
    while (n--)
        NEED(umount2("/mnt", 0) == 0);
}

static void mounts(int n)
{
    while (n--) {
        mount_small();
        int inside = open("/mnt/a/b", O_PATH);
        NEED(umount2("/mnt", MNT_DETACH) == 0);
        close(openat(inside, "d", O_CREAT | O_WRONLY, 0644));
        NEED(faccessat(inside, "d", F_OK, 0) == 0);
        close(inside);
    }
}

static void messages(int n)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    int s[2];
    while (n--) {
        NEED(socketpair(AF_UNIX, types[n % 2] | SOCK_NONBLOCK, 0, s) == 0);
        for (int i = 0; send(s[0], "", 0, 0) == 0; i++)
            NEED(i < 10000);
        close(s[0]);
        close(s[1]);
    }
}

/* Directories in directories, deeper than any path leads; the working directory is the last of them. */
static void go_deep(const char *top, int n)
{
    NEED(chdir(top) == 0);
    while (n--)
        NEED(mkdir("d", 0755) == 0 && chdir("d") == 0);
}

static void come_back(int n)
{
    while (n--)
        NEED(chdir("..") == 0 && rmdir("d") == 0);
    NEED(chdir("/") == 0);
}

static void deep_directories(int n)
{
    go_deep("/tmp", n);
    pid_t inside = fork();
    if (inside == 0) {
        pause();
        _exit(1);
    }
    come_back(n);
    /* All of them were only held by the last one. */
    kill(inside, SIGKILL);
    waitpid(inside, NULL, 0);
}

static void deep_mounts(int n)
{
    NEED(mount("x", "/mnt", "tmpfs", 0, NULL) == 0);
    go_deep("/mnt", n);
    NEED(umount2("/mnt", MNT_DETACH) == 0);
    NEED(chdir("/") == 0);
}

static void deep_volumes(int n)
{
    go_deep("/volume", n);
    come_back(n);
}

static const struct {
    const char *name;
    void (*run)(int);
} kinds[] = {
    {"namespaces", namespaces}, {"copies", copies},
    {"mounts", mounts},         {"messages", messages},
    {"deep-mounts", deep_mounts}, {"deep-directories", deep_directories},
    {"deep-volumes", deep_volumes},
};

int main(void)
{
    char name[32];
    int n;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (scanf("%31s %d", name, &n) == 2)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(kinds[i].name, name) == 0) {
                kinds[i].run(n);
                puts(name);
            }
    return 0;
}
