#include "case.h"
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

CASE(uname)
{
    struct utsname u;
    TRY(uname(&u));
    say("%s %s", u.sysname, u.machine);
    int major = 0, minor = 0;
    SHOW(sscanf(u.release, "%d.%d", &major, &minor));
    SHOW(major >= 6);
    SHOW(u.nodename[0] != 0);
    SHOW(u.version[0] == '#');
    TRY(uname((void *)8));
    char name[100];
    TRY(gethostname(name, 100));
    SHOW(strcmp(name, u.nodename));
}

CASE(hostname)
{
    /* In a UTS namespace of its own: the host keeps its name. Needs root. */
    TRY(unshare(CLONE_NEWUTS));
    struct utsname u;
    TRY(sethostname("inner", 5));
    uname(&u);
    say("%s", u.nodename);
    TRY(sethostname("", 0));
    TRY(sethostname("x", 65));
    TRY(sethostname("x", -1));
    TRY(sethostname((void *)8, 4));
    TRY(setdomainname("domain", 6));
    uname(&u);
    say("%s", u.domainname);
    become(1000, 1000);
    TRY(sethostname("x", 1));
}

CASE(getrandom)
{
    char a[32] = {0}, b[32] = {0};
    TRY(getrandom(a, 32, 0));
    TRY(getrandom(b, 32, GRND_RANDOM));
    SHOW(memcmp(a, b, 32) != 0);
    TRY(getrandom(a, 32, GRND_NONBLOCK));
    TRY(getrandom(a, 0, 0));
    TRY(getrandom(a, 32, 0x100));
    TRY(getrandom(a, 32, GRND_RANDOM | 4));
    TRY(getrandom((void *)8, 32, 0));
    static char big[100000];
    TRY(getrandom(big, sizeof big, 0));
}

CASE(sysinfo)
{
    struct sysinfo s;
    TRY(sysinfo(&s));
    SHOW(s.mem_unit >= 1 && s.totalram > 0 && s.freeram <= s.totalram);
    SHOW(s.procs > 0);
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    SHOW(s.uptime - t.tv_sec <= 1 && t.tv_sec - s.uptime <= 1);
    TRY(sysinfo((void *)8));
}

CASE(unknown_numbers)
{
    long numbers[] = {350, 400, 423, 500, 511, 600, 999, 1023, 100000, INT_MAX, -2};
    for (int i = 0; i < 11; i++) {
        errno = 0;
        long r = syscall(numbers[i], 0, 0, 0);
        say("%ld: %ld %s", numbers[i], r, errname(errno));
    }
}

CASE(obsolete_calls)
{
    long numbers[] = {134 /* uselib */,    156 /* _sysctl */,      174 /* create_module */, 177 /* get_kernel_syms */,
                      178 /* query_module */, 180 /* nfsservctl */,  181 /* getpmsg */,       182, 183,
                      184,                  185,                    205 /* set_thread_area */, 211, 214, 215, 236 /* vserver */};
    for (int i = 0; i < 16; i++) {
        errno = 0;
        long r = syscall(numbers[i], 0, 0, 0, 0, 0);
        say("%ld: %ld %s", numbers[i], r, errname(errno));
    }
}

static long raw(long n, long a)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "0"(n), "D"(a) : "rcx", "r11", "memory");
    return r;
}

CASE(upper_half_of_the_number)
{
    /* Only the low half counts. */
    SHOW(raw(0x100000000 | SYS_getpid, 0) == getpid());
    SHOW(raw(0xffffffff, 0));
    SHOW(raw(-1, 0));
}

CASE(registers_after_a_call)
{
    long rax, rcx, r11, rdi, rsi, rdx, r10;
    register long r10_ __asm__("r10") = 4;
    __asm__ volatile("syscall; 1: leaq 1b(%%rip), %%r9; subq %%r9, %%rcx"
                     : "=a"(rax), "=c"(rcx), "=D"(rdi), "=S"(rsi), "=d"(rdx), "+r"(r10_)
                     : "0"(SYS_getppid), "2"(1), "3"(2), "4"(3)
                     : "r11", "r9", "memory");
    r10 = r10_;
    SHOW(rax == getppid());
    SHOW(rcx);
    say("%ld %ld %ld %ld", rdi, rsi, rdx, r10);
    __asm__ volatile("syscall; movq %%r11, %1" : "=a"(rax), "=r"(r11) : "0"(SYS_getppid) : "rcx", "r11", "memory");
    /* The flags: interrupts on, trap flag off. */
    SHOWX(r11 & 0x300);
}

CASE(personality)
{
    SHOWX(personality(0xffffffff));
    TRY(personality(ADDR_NO_RANDOMIZE));
    SHOWX(personality(0xffffffff));
    pid_t pid;
    CHILD(pid) SHOWX(personality(0xffffffff));
    reap(pid);
    int p[2];
    unsigned long a, b;
    NEED(pipe(p) == 0);
    dup2(p[1], 9);
    reap(spawn_helper("address", NULL));
    reap(spawn_helper("address", NULL));
    NEED(read(p[0], &a, 8) == 8 && read(p[0], &b, 8) == 8);
    SHOW(a == b);
}

CASE(reading_implies_executing)
{
    unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    unsigned char *before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(personality(READ_IMPLIES_EXEC) != -1);
    unsigned char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, code, sizeof code);
    SHOW(((int (*)(void))p)());
    memcpy(before, code, sizeof code);
    TRY(mprotect(before, 4096, PROT_READ));
    SHOW(((int (*)(void))before)());
    TRY(mprotect(p, 4096, PROT_NONE));
    pid_t pid;
    CHILD(pid) ((int (*)(void))p)();
    tell_wait("no access at all", pid);
    /* Only i386 programs take it along. */
    reap(spawn_helper("personality", NULL));
    personality(0);
    TRY(mprotect(before, 4096, PROT_READ));
    CHILD(pid) ((int (*)(void))before)();
    tell_wait("without", pid);
}

HELPER(personality)
{
    printf("%#x\n", (unsigned int)personality(0xffffffff));
    return 0;
}

CASE(claims_to_be_2_6)
{
    struct utsname name;
    NEED(personality(UNAME26) != -1 && uname(&name) == 0);
    int minor = 0;
    SHOW(sscanf(name.release, "2.6.%d", &minor));
    SHOW(minor >= 60);
    personality(0);
    NEED(uname(&name) == 0);
    SHOW(strncmp(name.release, "2.6.", 4) != 0);
}

CASE(timeouts_that_stay)
{
    struct timeval t = {0, 20000};
    NEED(personality(STICKY_TIMEOUTS) != -1);
    TRY(select(0, NULL, NULL, NULL, &t));
    SHOW(t.tv_usec);
    struct timespec s = {0, 20000000};
    TRY(syscall(SYS_ppoll, NULL, 0, &s, NULL, 8));
    SHOW(s.tv_nsec);
    personality(0);
    TRY(select(0, NULL, NULL, NULL, &t));
    SHOW(t.tv_usec);
}

HELPER(address)
{
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return write(9, &p, 8) == 8 ? 0 : 1;
}

CASE(privileged_calls_as_a_user)
{
    become(1000, 1000);
    TRY(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
    TRY(syscall(SYS_umount2, "/", 0));
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(syscall(SYS_reboot, 0, 0, 0, NULL));
    TRY(syscall(SYS_setns, 0, 0));
}

CASE(no_terminal)
{
    int p[2], n;
    struct {
        int v[20];
    } t;
    NEED(pipe(p) == 0);
    write_file("f", "", 0644);
    int fds[] = {open("f", O_RDWR), p[0], open("/dev/null", O_RDWR), open(".", O_RDONLY)};
    for (int i = 0; i < 4; i++) {
        SHOW(isatty(fds[i]));
        show_errno("isatty");
        TRY(syscall(SYS_ioctl, fds[i], 0x5401 /* TCGETS */, &t));
        TRY(syscall(SYS_ioctl, fds[i], 0x5413 /* TIOCGWINSZ */, &t));
        TRY(syscall(SYS_ioctl, fds[i], 0x540f /* TIOCGPGRP */, &n));
        TRY(syscall(SYS_ioctl, fds[i], 0x5412 /* TIOCSTI */, "x"));
        TRY(syscall(SYS_ioctl, fds[i], 0x540b /* TCFLSH */, 0));
    }
}

CASE(standard_streams)
{
    struct stat st;
    fstat(0, &st);
    SHOW(S_ISCHR(st.st_mode));
    fstat(1, &st);
    SHOW(S_ISFIFO(st.st_mode));
    say("%#o %#o", fcntl(0, F_GETFL) & O_ACCMODE, fcntl(1, F_GETFL) & O_ACCMODE);
    for (int i = 3; i < 10; i++)
        say("%d: %d", i, fcntl(i, F_GETFD));
    char c;
    TRY(read(0, &c, 1));
}

CASE(seccomp_and_bpf)
{
    TRY(prctl(PR_GET_SECCOMP));
    become(1000, 1000);
    TRY(prctl(PR_SET_SECCOMP, 9, NULL));
    TRY(syscall(SYS_seccomp, 99, 0, NULL));
}

CASE(kernel_log_and_modules)
{
    become(1000, 1000);
    TRY(klogctl(5, NULL, 0));
    TRY(klogctl(77, NULL, 0));
}

CASE(sigsys_never_shows)
{
    handle(SIGSYS, 0);
    syscall(500);
    SHOW(got[SIGSYS]);
}

CASE(rseq)
{
    SHOW(syscall(SYS_rseq, 8, 31, 0, 0) < 0 && (errno == EINVAL || errno == ENOSYS));
}
