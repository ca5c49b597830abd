/* Cases that must say the same on Linux and inside a sandbox.
 *
 * A program is a set of cases: CASE(name) { … }. Each runs in its own child, session and empty directory, and prints
 * lines "name: text". Nothing a host decides may be printed (ids, addresses, times): print how such values relate.
 * The last line of a case, printed by its parent, says how the child ended. */
#ifndef CASE_H
#define CASE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct kase {
    const char *name;
    void (*run)(void);
    int line;
};

struct helper {
    const char *name;
    int (*run)(int argc, char **argv);
};

/* A case: a function in the table that case.c walks in the order of the source. */
#define CASE(n)                                                                                                        \
    static void case_##n(void);                                                                                        \
    static const struct kase kase_##n = {#n, case_##n, __LINE__};                                                      \
    static const struct kase *const kase_at_##n __attribute__((section("cases"), used)) = &kase_##n;                   \
    static void case_##n(void)

/* Another program in the same file: runs when the file is executed with the arguments "--as", name. */
#define HELPER(n)                                                                                                      \
    static int helper_##n(int argc, char **argv);                                                                      \
    static const struct helper help_##n = {#n, helper_##n};                                                            \
    static const struct helper *const help_at_##n __attribute__((section("helpers"), used)) = &help_##n;               \
    static int helper_##n(int argc __attribute__((unused)), char **argv __attribute__((unused)))

/* The absolute path of the running program, and the directory it lies in. */
extern char self[PATH_MAX];
extern char self_dir[PATH_MAX];

/* Prints one line under the name of the case. Keeps errno. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What a call returned: prints "text = value" or "text = -1 ENAME". */
long tell(const char *text, long value);
/* The same for values that a host decides: prints "text = ok" or "text = -1 ENAME". */
long tell_ok(const char *text, long value);

#define TRY(expr) (errno = 0, tell(#expr, (long)(expr)))
#define OKAY(expr) (errno = 0, tell_ok(#expr, (long)(expr)))
/* For calls that return the error: pthread_*, posix_*. */
#define RET(expr) (errno = 0, errno = (int)(expr), tell(#expr, errno ? -1 : 0))
#define SHOW(expr) say("%s: %ld", #expr, (long)(expr))
#define SHOWX(expr) say("%s: %#lx", #expr, (unsigned long)(expr))
/* A pointer or -1 from mmap and its kin. */
#define MAP_OK(expr) ((void *)tell_ok(#expr, (long)(expr)))

/* Ends the case when it cannot go on; the reason is printed, so that it differs from a run that can. */
#define NEED(expr)                                                                                                     \
    do {                                                                                                               \
        if (!(expr)) {                                                                                                 \
            say("cannot go on: %s (%s)", #expr, strerrorname_np(errno));                                               \
            _exit(99);                                                                                                 \
        }                                                                                                              \
    } while (0)

/* Runs the block in a forked child, which exits 0 at its end: CHILD(pid) { … } */
#define CHILD(pid) for ((pid) = fork(); (pid) == 0; _exit(0))

/* Waits for a child and prints how it ended: "text: exit 3", "text: signal KILL", "text: stop STOP". */
int tell_wait(const char *text, pid_t pid);
void tell_status(const char *text, int status);
/* Waits for a child; its exit code, or 128 + signal, or -errno. */
int reap(pid_t pid);

const char *signame(int sig);
const char *errname(int err);
void show_errno(const char *text);

void msleep(long ms);
/* Long enough for another task to have got where it blocks. */
static inline void settle(void)
{
    msleep(60);
}
/* Milliseconds of CLOCK_MONOTONIC. */
long now_ms(void);
/* The same of any clock: what is waited for on one has to be measured by it, for not all stand still while all is saved. */
long clock_ms(clockid_t clock);
/* Whether `ms` lies in low..high: prints "about as long as it should", or how long it took. */
void tell_took(const char *text, long ms, long low, long high);
/* Waits until *word == value, five seconds at most. Whether it was. */
bool wait_for(_Atomic int *word, int value);
/* Zeroed memory that forked children share. */
void *shared_memory(size_t size);
#define SHARED_INTS(n) ((_Atomic int *)shared_memory((n) * sizeof(_Atomic int)))

/* A file with this text; its descriptor is closed again. */
void write_file(const char *path, const char *text, mode_t mode);
/* Prints the text of a file, shortened. */
void tell_file(const char *path);
/* Reads a whole small file into buf, with a NUL. Length or -1. */
ssize_t slurp(const char *path, char *buf, size_t size);
/* The handler that counts: how often each signal came, and the last siginfo. */
extern volatile sig_atomic_t got[65];
extern siginfo_t last_info;
void count_signal(int sig, siginfo_t *info, void *context);
void handle(int sig, int flags);
void block(int sig);
void unblock(int sig);
/* Becomes an ordinary user: gids, then uids; no supplementary groups. */
void become(uid_t uid, gid_t gid);
/* Runs a helper of this file in a new child through fork and exec: its pid. */
pid_t spawn_helper(const char *name, const char *arg);
pthread_t thread(void *(*fn)(void *), void *arg);
/* Sends sig to pid after ms, from a child of its own. */
pid_t signal_later(pid_t pid, int sig, long ms);

static inline pid_t gettid_raw(void)
{
    return (pid_t)syscall(SYS_gettid);
}

#endif
