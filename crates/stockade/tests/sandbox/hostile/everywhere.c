/* Every number of a system call, from code of the program's own and from each `syscall` instruction of the code that the
 * sandbox keeps in the program's memory (at STUB, 0 if there is none): everywhere STUB.
 *
 * A process of its own makes the calls of a place, one after the other; when it dies of one, the next process goes on
 * behind that. A timer ends what waits or runs on in code that is not the program's. */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS 1024
#define CODE_SIZE 4096
/* Milliseconds without a new call after which a process is ended. */
#define PATIENCE 400

static struct {
    _Atomic uint32_t next;
    char memory[16384];
} *shared;

static sigjmp_buf back;
static pid_t self;

static void caught(int signo)
{
    (void)signo;
    siglongjmp(back, 1);
}

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Makes the call; control may come back anywhere. */
static void call(uintptr_t site, uint64_t number, uint64_t argument)
{
    register uint64_t r10 asm("r10") = argument, r8 asm("r8") = argument, r9 asm("r9") = argument;
    asm volatile("call *%[site]"
                 : "+a"(number)
                 : [site] "b"(site), "D"(argument), "S"(argument), "d"(argument), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "r12", "r13", "r14", "r15", "memory");
}

asm(".text\nown_site: syscall\nret\n");
extern char own_site[];

static _Noreturn void work(uintptr_t site)
{
    static char stack[65536];
    self = (pid_t)syscall(SYS_getpid);
    setsid();
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    for (;;) {
        uint32_t number = atomic_fetch_add(&shared->next, 1);
        if (number >= NUMBERS)
            syscall(SYS_exit_group, 0);
        struct sigaction action = {.sa_handler = caught, .sa_flags = SA_ONSTACK | SA_NODEFER};
        for (int signo = 1; signo < 32; signo++)
            sigaction(signo, &action, NULL);
        sigaltstack(&alternate, NULL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        struct itimerval soon = {.it_value = {.tv_usec = 1500}};
        setitimer(ITIMER_REAL, &soon, NULL);
        if (sigsetjmp(back, 1) == 0) {
            uint64_t arguments[] = {0, UINT64_MAX, (uintptr_t)shared->memory};
            call(site, number, arguments[number % 3]);
        }
        /* A child that a call has made. */
        if (syscall(SYS_getpid) != self)
            syscall(SYS_exit_group, 0);
    }
}

int main(int argc, char **argv)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uintptr_t stub = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
    uintptr_t sites[64] = {(uintptr_t)own_site};
    size_t count = 1;
    for (uintptr_t at = stub; stub && at < stub + CODE_SIZE - 1 && count < 64; at++)
        if (memcmp((char *)at, "\x0f\x05", 2) == 0)
            sites[count++] = at;
    int processes = 0;
    for (size_t i = 0; i < count; i++) {
        for (atomic_store(&shared->next, 0); atomic_load(&shared->next) < NUMBERS; processes++) {
            /* The first of a namespace: with it ends all that its calls have made. */
            pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
            if (child == 0)
                work(sites[i]);
            if (child < 0)
                return 1;
            uint32_t seen = 0;
            for (long since = now(); waitpid(child, NULL, WNOHANG) == 0; usleep(200)) {
                uint32_t made = atomic_load(&shared->next);
                if (made != seen)
                    seen = made, since = now();
                else if (now() - since > PATIENCE)
                    kill(child, SIGKILL);
            }
        }
    }
    printf("%d numbers from %zu places, %d processes\n", NUMBERS, count, processes);
    return 0;
}
