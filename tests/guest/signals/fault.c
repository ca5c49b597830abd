#include "case.h"
#include <setjmp.h>
#include <sys/ucontext.h>

static sigjmp_buf back;
static siginfo_t fault;
static long trapno, errcode, cr2, rip;

static void caught(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    fault = *info;
    trapno = r[REG_TRAPNO], errcode = r[REG_ERR], cr2 = r[REG_CR2], rip = r[REG_RIP];
    siglongjmp(back, 1);
}

static void catch_all(void)
{
    struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 5; i++)
        sigaction(sigs[i], &sa, NULL);
}

#define FAULT(text, code)                                                                                              \
    do {                                                                                                               \
        if (sigsetjmp(back, 1) == 0) {                                                                                 \
            code;                                                                                                      \
            say("%s: no fault", text);                                                                                 \
        } else                                                                                                         \
            say("%s: %s code %d trap %ld error %#lx", text, signame(fault.si_signo), fault.si_code, trapno, errcode);  \
    } while (0)

static char *page(int prot)
{
    char *p = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    return p;
}

CASE(unmapped)
{
    catch_all();
    FAULT("read of 8", (void)*(volatile char *)8);
    SHOWX(fault.si_addr);
    SHOWX(cr2);
    FAULT("write to 24", *(volatile char *)24 = 1);
    SHOWX(fault.si_addr);
    FAULT("jump to 0x5000", ((void (*)(void))0x5000)());
    SHOWX(fault.si_addr);
    SHOW(rip == 0x5000);
}

CASE(protection)
{
    catch_all();
    char *p = page(PROT_READ);
    FAULT("write to read-only", p[5] = 1);
    SHOW((char *)fault.si_addr - p);
    FAULT("execute", ((void (*)(void))p)());
    SHOW((char *)fault.si_addr - p);
    p = page(PROT_NONE);
    FAULT("read of none", (void)*(volatile char *)(p + 17));
    SHOW((char *)fault.si_addr - p);
    FAULT("write to none", p[18] = 1);
}

CASE(non_canonical)
{
    catch_all();
    FAULT("read", (void)*(volatile char *)0x8000000000000000);
    SHOWX(fault.si_addr);
    FAULT("kernel half", (void)*(volatile char *)0xffffffff80000000);
    SHOWX(fault.si_addr);
    FAULT("jump", ((void (*)(void))0x1234567890abcdef)());
    SHOWX(fault.si_addr);
}

CASE(beyond_the_end_of_a_file)
{
    catch_all();
    write_file("f", "abc", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOW(p[2]);
    SHOW(p[3]);
    SHOW(p[4095]);
    FAULT("read", (void)*(volatile char *)(p + 4096));
    SHOW((char *)fault.si_addr - p);
    FAULT("write", p[5000] = 1);
    SHOW((char *)fault.si_addr - p);
    ftruncate(fd, 0);
    FAULT("after truncation", (void)*(volatile char *)p);
    SHOW((char *)fault.si_addr - p);
    ftruncate(fd, 8192);
    FAULT("after growth", (void)*(volatile char *)(p + 4096));
}

CASE(private_file_beyond_the_end)
{
    catch_all();
    write_file("f", "abc", 0644);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("f", O_RDONLY), 0);
    FAULT("write", p[4097] = 1);
    SHOW((char *)fault.si_addr - p);
}

CASE(arithmetic)
{
    catch_all();
    volatile int zero = 0, one = 1, min = INT_MIN, minus = -1;
    FAULT("division by zero", one = one / zero);
    SHOW((long)fault.si_addr == rip);
    FAULT("overflowing division", one = min / minus);
}

CASE(floating_point)
{
    catch_all();
    unsigned mxcsr = 0x1f80 & ~0x200u;
    volatile double zero = 0, r;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    FAULT("SSE division by zero", r = 1 / zero);
    mxcsr = 0x1f80 & ~0x80u;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    FAULT("SSE invalid", r = zero / zero);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    unsigned short cw = 0x37b;
    FAULT("x87 division by zero", __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(cw)));
    (void)r;
}

CASE(illegal)
{
    catch_all();
    FAULT("ud2", __asm__ volatile("ud2"));
    SHOW((long)fault.si_addr == rip);
    FAULT("hlt", __asm__ volatile("hlt"));
    SHOWX(fault.si_addr);
    FAULT("in", __asm__ volatile("inb $0x80, %%al" : : : "rax"));
    FAULT("cli", __asm__ volatile("cli"));
    FAULT("int 5", __asm__ volatile("int $5"));
}

CASE(traps)
{
    catch_all();
    FAULT("int3", __asm__ volatile("int3"));
    SHOWX(fault.si_addr);
    FAULT("int1", __asm__ volatile(".byte 0xf1"));
}

static volatile int steps;

static void counts_steps(int sig)
{
    (void)sig;
    steps++;
}

CASE(single_step)
{
    signal(SIGTRAP, counts_steps);
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop; nop; pushfq; andl $~0x100, (%%rsp); popfq"
                     :
                     :
                     : "memory", "cc");
    SHOW(steps);
}

CASE(repaired_in_the_handler)
{
    static char *p;
    p = page(PROT_NONE);
    catch_all();
    FAULT("before", p[0] = 5);
    mprotect(p, 4096, PROT_READ | PROT_WRITE);
    FAULT("after", p[0] = 5);
    SHOW(p[0]);
}

static char *lazy;

static void maps_it(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got[sig]++;
    mprotect((void *)((unsigned long)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

CASE(lazy_memory)
{
    struct sigaction sa = {.sa_sigaction = maps_it, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
    lazy = mmap(NULL, 20 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 20; i++)
        lazy[i * 4096] = (char)i;
    SHOW(got[SIGSEGV]);
    SHOW(lazy[19 * 4096]);
}

CASE(blocked_or_ignored_faults_kill)
{
    pid_t pid;
    CHILD(pid)
    {
        catch_all();
        block(SIGSEGV);
        *(volatile char *)8 = 1;
    }
    tell_wait("blocked", pid);
    CHILD(pid)
    {
        signal(SIGSEGV, SIG_IGN);
        *(volatile char *)8 = 1;
    }
    tell_wait("ignored", pid);
    CHILD(pid)
    {
        signal(SIGFPE, SIG_IGN);
        __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" : : : "rax", "rcx", "rdx");
    }
    tell_wait("FPE ignored", pid);
}

CASE(bad_stack_pointer)
{
    pid_t pid;
    CHILD(pid)
    {
        handle(SIGUSR1, 0);
        __asm__ volatile("movl $0x1000, %%esp; syscall"
                         :
                         : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
                         : "rcx", "r11", "memory");
    }
    tell_wait("child", pid);
}

CASE(bad_frame_at_sigreturn)
{
    pid_t pid;
    CHILD(pid) __asm__ volatile("xorl %%esp, %%esp; syscall" : : "a"(SYS_rt_sigreturn) : "rcx", "r11", "memory");
    tell_wait("child", pid);
}

CASE(fault_in_a_thread)
{
    pid_t pid;
    CHILD(pid)
    {
        pthread_t t = thread((void *(*)(void *))0x3000, NULL);
        pthread_join(t, NULL);
    }
    tell_wait("child", pid);
}

CASE(copy_across_a_boundary)
{
    catch_all();
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p + 4096, 4096, PROT_NONE);
    FAULT("memset", memset(p + 4000, 7, 200));
    SHOW((char *)fault.si_addr - p);
    SHOW(p[4095]);
}
