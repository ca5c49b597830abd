#include "case.h"
#include <setjmp.h>

/* Ways into a kernel other than syscall: a Linux built without them answers. The host's kernel may have them, so a case
 * only says what both kinds may do. */

static sigjmp_buf back;
static volatile int fault;

static void caught(int sig)
{
    fault = sig;
    siglongjmp(back, 1);
}

CASE(int_80)
{
    signal(SIGSEGV, caught);
    static long r;
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("int $0x80" : "=a"(r) : "0"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
    /* A kernel without 32-bit programs faults. */
    SHOW(fault == SIGSEGV || r == getpid());
}

CASE(x32_numbers)
{
    long r = syscall(0x40000000 | SYS_getpid);
    SHOW((r == -1 && errno == ENOSYS) || r == getpid());
    r = syscall(0x40000000 | 520 /* execve of x32 */, 0, 0, 0);
    SHOW(r == -1);
}

CASE(programs_of_32_bits)
{
    unsigned char elf[64] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    elf[16] = 2, elf[18] = 3, elf[20] = 1;
    int fd = open("p", O_CREAT | O_WRONLY, 0755);
    write(fd, elf, sizeof elf);
    close(fd);
    TRY(execl("./p", "p", NULL));
}

CASE(vsyscall_page)
{
    signal(SIGSEGV, caught);
    static long r;
    if (sigsetjmp(back, 1) == 0)
        r = ((long (*)(long *))0xffffffffff600400)(NULL);
    /* A kernel without the page faults. */
    SHOW(fault == SIGSEGV || time(NULL) - r <= 1);
}
