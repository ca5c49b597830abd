#include "case.h"
#include <immintrin.h>
#include <setjmp.h>

/* Vector and x87 state over signals. */

static void clobbers(int sig)
{
    (void)sig;
    unsigned mxcsr = 0x9fc0;
    __asm__ volatile("fninit; fldpi; fldpi; ldmxcsr %0\n\t"
                     "pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15"
                     :
                     : "m"(mxcsr)
                     : "xmm0", "xmm7", "xmm15");
}

static void clobbers_avx(int sig)
{
    (void)sig;
    __asm__ volatile("vzeroall" : : : "xmm0", "xmm1", "xmm15");
}

CASE(sse_over_a_signal)
{
    signal(SIGUSR1, clobbers);
    long pid = getpid();
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0}, out15[2] = {0};
    __asm__ volatile("movups %3, %%xmm0; movups %3, %%xmm15; syscall; movups %%xmm0, %1; movups %%xmm15, %2"
                     : "+a"((long){SYS_kill}), "=m"(out), "=m"(out15)
                     : "m"(in), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "xmm0", "xmm15");
    SHOW(out[0] == in[0] && out[1] == in[1]);
    SHOW(out15[0] == in[0] && out15[1] == in[1]);
}

CASE(avx_over_a_signal)
{
    if (!__builtin_cpu_supports("avx")) {
        say("no AVX");
        return;
    }
    signal(SIGUSR1, clobbers_avx);
    long pid = getpid(), r = SYS_kill;
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    __asm__ volatile("vmovdqu %2, %%ymm9; syscall; vmovdqu %%ymm9, %1"
                     : "+a"(r), "=m"(out)
                     : "m"(in), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "xmm9");
    for (int i = 0; i < 4; i++)
        SHOW(out[i]);
}

CASE(avx512_over_a_signal)
{
    if (!__builtin_cpu_supports("avx512f")) {
        say("no AVX-512");
        return;
    }
    signal(SIGUSR1, clobbers_avx);
    long pid = getpid(), r = SYS_kill;
    uint64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {0}, mask = 0;
    __asm__ volatile("vmovdqu64 %3, %%zmm20; movl $0x5a5a, %%eax; kmovw %%eax, %%k3; movl $62, %%eax; syscall\n\t"
                     "vmovdqu64 %%zmm20, %1; kmovw %%k3, %%eax; movq %%rax, %2"
                     : "=&a"(r), "=m"(out), "=m"(mask)
                     : "m"(in), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    SHOW(out[0] + 10 * out[7]);
    SHOWX(mask);
}

CASE(x87_over_a_signal)
{
    signal(SIGUSR1, clobbers);
    long pid = getpid(), r = SYS_kill;
    double sum = 0;
    unsigned short cw_in = 0x27f, cw = 0;
    __asm__ volatile("fldcw %3; fld1; fld1; syscall; faddp; fstpl %1; fnstcw %2"
                     : "+a"(r), "=m"(sum), "=m"(cw)
                     : "m"(cw_in), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "st", "st(1)");
    say("%.1f", sum);
    SHOWX(cw);
}

CASE(mxcsr_over_a_signal)
{
    signal(SIGUSR1, clobbers);
    unsigned mxcsr = 0x3f80, after = 0;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    raise(SIGUSR1);
    __asm__ volatile("stmxcsr %0" : "=m"(after));
    SHOWX(after);
}

static unsigned seen_mxcsr;
static unsigned short seen_cw;

static void reads_state(int sig)
{
    (void)sig;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(seen_mxcsr), "=m"(seen_cw));
}

CASE(state_at_entry_of_a_handler)
{
    signal(SIGUSR1, reads_state);
    unsigned mxcsr = 0x3f80;
    unsigned short cw = 0x27f;
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(cw));
    raise(SIGUSR1);
    SHOWX(seen_mxcsr);
    SHOWX(seen_cw);
}

static void edits_frame(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    fpregset_t f = ((ucontext_t *)context)->uc_mcontext.fpregs;
    uint64_t v[2] = {0xabcdef, 0x123456};
    memcpy(&f->_xmm[0], v, sizeof v);
    f->mxcsr = 0x1fa0;
}

CASE(handler_may_change_it)
{
    struct sigaction sa = {.sa_sigaction = edits_frame, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    long pid = getpid(), r = SYS_kill;
    uint64_t out[2];
    unsigned mxcsr;
    __asm__ volatile("pxor %%xmm0, %%xmm0; syscall; movups %%xmm0, %1; stmxcsr %2"
                     : "+a"(r), "=m"(out), "=m"(mxcsr)
                     : "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "xmm0");
    SHOWX(out[0]);
    SHOWX(out[1]);
    SHOWX(mxcsr);
}

static void *computes(void *arg)
{
    double *d = arg, x = *d;
    for (int i = 0; i < 20000000; i++)
        x = x * 1.0000001 + 1e-9;
    *d = x;
    return NULL;
}

CASE(arithmetic_under_a_storm_of_signals)
{
    signal(SIGALRM, clobbers);
    double a = 1, b = 1;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 500}, {0, 500}}, NULL);
    pthread_t t = thread(computes, &a);
    computes(&b);
    pthread_join(t, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    SHOW(a == b);
    say("%.6f", a);
}

static volatile unsigned mxcsr_of[2];

static void second(int sig)
{
    unsigned mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr_of[sig == SIGUSR2] = mxcsr;
    clobbers(sig);
}

static void first(int sig)
{
    unsigned odd = 0x7f80;
    raise(SIGUSR2);
    second(sig);
    __asm__ volatile("ldmxcsr %0" : : "m"(odd));
}

CASE(signals_one_right_after_the_other)
{
    /* The second comes when the first handler returns, before the program goes on. */
    struct sigaction sa = {.sa_handler = first};
    sigaddset(&sa.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &sa, NULL);
    signal(SIGUSR2, second);
    long pid = getpid(), r = SYS_kill;
    unsigned mxcsr;
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0};
    __asm__ volatile("movups %3, %%xmm0; syscall; movups %%xmm0, %1; stmxcsr %2"
                     : "+a"(r), "=m"(out), "=m"(mxcsr)
                     : "m"(in), "D"(pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "xmm0");
    SHOWX(out[0]);
    SHOWX(out[1]);
    SHOWX(mxcsr);
    say("%#x %#x", mxcsr_of[0], mxcsr_of[1]);
    /* Both at once: one interrupts the other's first instruction. */
    block(SIGUSR1);
    block(SIGUSR2);
    signal(SIGUSR1, second);
    raise(SIGUSR1);
    raise(SIGUSR2);
    sigset_t none;
    sigemptyset(&none);
    r = SYS_rt_sigprocmask;
    register long size __asm__("r10") = 8;
    __asm__ volatile("movups %3, %%xmm0; syscall; movups %%xmm0, %1; stmxcsr %2"
                     : "+a"(r), "=m"(out), "=m"(mxcsr)
                     : "m"(in), "D"((long)SIG_SETMASK), "S"(&none), "d"(0l), "r"(size)
                     : "rcx", "r11", "memory", "xmm0");
    SHOWX(out[0]);
    SHOWX(out[1]);
    SHOWX(mxcsr);
    say("%#x %#x", mxcsr_of[0], mxcsr_of[1]);
}

CASE(fork_copies_it)
{
    unsigned mxcsr = 0x3f80, after = 0;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    pid_t pid;
    CHILD(pid)
    {
        __asm__ volatile("stmxcsr %0" : "=m"(after));
        SHOWX(after);
    }
    reap(pid);
}

static sigjmp_buf back;

static void jumps(int sig)
{
    siglongjmp(back, sig);
}

static volatile int save_mask;

CASE(siglongjmp_restores_the_mask)
{
    signal(SIGUSR1, jumps);
    sigset_t now;
    for (save_mask = 1; save_mask >= 0; save_mask--) {
        int r = sigsetjmp(back, save_mask);
        if (r == 0)
            raise(SIGUSR1);
        sigprocmask(SIG_BLOCK, NULL, &now);
        say("savemask %d: returned %s, blocked %d", save_mask, signame(r), sigismember(&now, SIGUSR1));
    }
}

CASE(exec_resets_it)
{
    unsigned mxcsr = 0x3f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    execl(self, self, "--as", "state", NULL);
}

HELPER(state)
{
    reads_state(0);
    SHOWX(seen_mxcsr);
    SHOWX(seen_cw);
    return 0;
}
