/* Runs a command and tells of each system call that the host carried out for code in the lower half of addresses, where
 * sandboxed programs are, or in the code that a sandbox keeps in their memory: witness COMMAND...
 *
 * A filter around all filters of the command answers those places with RET_TRACE (seccomp(2)), the mildest answer but
 * ALLOW: whoever notifies, fails or kills instead is obeyed first, so that only what would be carried out is reported here,
 * to this tracer. Programs of the host are loaded elsewhere, as their addresses are not randomized. A line for each
 * kind of event goes to standard error at the end: times, place, number, and how many filters the thread has. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Upper halves of instruction pointers. */
#define LOW_END 0x5000u
#define STUB 0x7ff0u

static void surround(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LOW_END, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUB, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        _exit(99);
}

static struct kind {
    uint64_t ip, number;
    int filters;
    unsigned long times;
} kinds[4096];
static size_t known;

static int filters_of(pid_t thread)
{
    char path[64], line[256];
    int count = -1;
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "Seccomp_filters: %d", &count);
    if (status)
        fclose(status);
    return count;
}

static void note(pid_t thread)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, thread, 0, &regs) != 0)
        return;
    int filters = filters_of(thread);
    size_t i = 0;
    while (i < known && (kinds[i].ip != regs.rip || kinds[i].number != regs.orig_rax || kinds[i].filters != filters))
        i++;
    if (i == sizeof kinds / sizeof *kinds)
        return;
    kinds[i] = (struct kind){regs.rip, regs.orig_rax, filters, kinds[i].times + 1};
    known = i == known ? known + 1 : known;
}

int main(int argc, char **argv)
{
    int ready[2], status = 0, result = 99;
    if (argc < 2 || pipe(ready) != 0)
        return 99;
    pid_t command = fork();
    if (command == 0) {
        char byte;
        if (read(ready[0], &byte, 1) != 1)
            _exit(99);
        close(ready[0]), close(ready[1]);
        personality(ADDR_NO_RANDOMIZE);
        surround();
        execvp(argv[1], argv + 1);
        _exit(98);
    }
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE
                   | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, command, 0, options) != 0 || write(ready[1], "", 1) != 1)
        return 99;
    pid_t thread;
    while ((thread = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == command)
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int event = status >> 16, signo = WSTOPSIG(status);
        if (event == PTRACE_EVENT_SECCOMP)
            note(thread);
        if (event == PTRACE_EVENT_STOP && signo != SIGTRAP)
            ptrace(PTRACE_LISTEN, thread, 0, 0);
        else
            ptrace(PTRACE_CONT, thread, 0, event == 0 ? signo : 0);
    }
    for (size_t i = 0; i < known; i++)
        fprintf(stderr, "witness: %lu times %#lx number %ld filters %d\n", kinds[i].times,
                (unsigned long)kinds[i].ip, (long)kinds[i].number, kinds[i].filters);
    return result;
}
