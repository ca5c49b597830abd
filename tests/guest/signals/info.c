#include "case.h"
#include <sys/msg.h>

static const char *code_name(int code)
{
    switch (code) {
    case SI_USER: return "USER";
    case SI_KERNEL: return "KERNEL";
    case SI_QUEUE: return "QUEUE";
    case SI_TIMER: return "TIMER";
    case SI_TKILL: return "TKILL";
    case SI_ASYNCIO: return "ASYNCIO";
    default: return "?";
    }
}

static void tell_info(const char *text)
{
    say("%s: signo %s code %s errno %d from me %d uid %d", text, signame(last_info.si_signo),
        code_name(last_info.si_code), last_info.si_errno, last_info.si_pid == getpid(), (int)last_info.si_uid);
}

CASE(kill)
{
    handle(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    tell_info("kill");
    kill(0, SIGUSR1);
    tell_info("kill of the group");
}

CASE(tkill)
{
    handle(SIGUSR1, 0);
    syscall(SYS_tgkill, getpid(), gettid_raw(), SIGUSR1);
    tell_info("tgkill");
    syscall(SYS_tkill, gettid_raw(), SIGUSR1);
    tell_info("tkill");
    raise(SIGUSR1);
    tell_info("raise");
}

CASE(sigqueue)
{
    handle(SIGUSR1, 0);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = (void *)0x1122334455667788});
    tell_info("sigqueue");
    SHOWX(last_info.si_value.sival_ptr);
}

CASE(pthread_sigqueue)
{
    handle(SIGRTMIN, 0);
    pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){.sival_int = 31});
    tell_info("pthread_sigqueue");
    SHOW(last_info.si_value.sival_int);
}

CASE(from_another_user)
{
    handle(SIGUSR1, 0);
    pid_t pid, parent = getpid();
    TRY(setresuid(0, 1000, 0));
    CHILD(pid)
    {
        TRY(setresuid(1000, 1000, 1000));
        kill(parent, SIGUSR1);
    }
    reap(pid);
    say("uid %d from child %d", (int)last_info.si_uid, last_info.si_pid == pid);
}

CASE(alarm)
{
    handle(SIGALRM, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
    pause();
    say("code %s pid %d uid %d", code_name(last_info.si_code), (int)last_info.si_pid, (int)last_info.si_uid);
}

CASE(pipe)
{
    handle(SIGPIPE, 0);
    int p[2];
    NEED(pipe(p) == 0);
    close(p[0]);
    TRY(write(p[1], "x", 1));
    tell_info("write");
}

CASE(child)
{
    handle(SIGCHLD, SA_RESTART);
    pid_t pid;
    CHILD(pid) _exit(9);
    while (!got[SIGCHLD])
        msleep(1);
    say("code %d status %d its pid %d", last_info.si_code == CLD_EXITED, last_info.si_status, last_info.si_pid == pid);
}

CASE(xfsz)
{
    handle(SIGXFSZ, 0);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
    int fd = open("f", O_CREAT | O_WRONLY, 0600);
    TRY(write(fd, "x", 1));
    tell_info("write");
}

static void __attribute__((noinline)) fill_stack(int with)
{
    volatile char below[65536];
    for (size_t i = 0; i < sizeof below; i++)
        below[i] = (char)with;
}

/* The handler is given a place for the information, in which there is what was on the stack before. */
CASE(without_siginfo_flag_the_frame_has_no_information)
{
    struct sigaction sa = {.sa_sigaction = count_signal};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t me = getpid();
    fill_stack(0x5a);
    kill(me, SIGUSR1);
    const char *bytes = (const char *)&last_info;
    size_t kept = 0;
    for (size_t i = 0; i < sizeof last_info; i++)
        kept += bytes[i] == 0x5a;
    SHOW(got[SIGUSR1]);
    SHOW(kept == sizeof last_info);
}

static void tell_context(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)sig, (void)info;
    say("link %d onstack flags %d mask %d cs %#lx", uc->uc_link == NULL, uc->uc_stack.ss_flags,
        sigismember(&uc->uc_sigmask, SIGHUP), (unsigned long)uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff);
    say("fpregs %d, flags %#lx", uc->uc_mcontext.fpregs != NULL, uc->uc_flags & 6);
    SHOW(uc->uc_mcontext.gregs[REG_RAX]);
    SHOW(uc->uc_mcontext.gregs[REG_TRAPNO]);
    SHOW(uc->uc_mcontext.gregs[REG_ERR]);
    SHOWX(uc->uc_mcontext.gregs[REG_CR2]);
    SHOW(uc->uc_mcontext.gregs[REG_OLDMASK] == 1);
}

CASE(context)
{
    struct sigaction sa = {.sa_sigaction = tell_context, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    block(SIGHUP);
    kill(getpid(), SIGUSR1);
}
