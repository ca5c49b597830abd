#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *text) {
    char line[256];
    int n = snprintf(line, sizeof line, "%s\n", text);
    if (write(1, line, n) != n) _exit(99);
}
#define SAY(...) do { char said_[250]; snprintf(said_, sizeof said_, __VA_ARGS__); say(said_); } while (0)

/* Reads a line of the input. */
static inline int hear(char *line, int size) {
    int n = 0;
    while (n < size - 1 && read(0, line + n, 1) == 1)
        if (line[n++] == '\n') break;
    line[n] = 0;
    return n;
}
