#include "case.h"
#include <sys/auxv.h>

HELPER(args)
{
    for (int i = 1; i < argc; i++)
        say("argv[%d] = %s", i, argv[i]);
    SHOW(argc);
    return 0;
}

HELPER(state)
{
    sigset_t set;
    struct sigaction sa;
    sigprocmask(SIG_BLOCK, NULL, &set);
    SHOW(sigismember(&set, SIGUSR1));
    sigpending(&set);
    SHOW(sigismember(&set, SIGUSR1));
    sigaction(SIGUSR2, NULL, &sa);
    SHOW(sa.sa_handler == SIG_DFL);
    sigaction(SIGHUP, NULL, &sa);
    SHOW(sa.sa_handler == SIG_IGN);
    stack_t ss;
    sigaltstack(NULL, &ss);
    SHOW(ss.ss_flags == SS_DISABLE);
    say("umask %03o", umask(0));
    SHOW(alarm(0) > 50);
    TRY(fcntl(10, F_GETFD));
    TRY(fcntl(11, F_GETFD));
    TRY(access("in_d", F_OK));
    int v = 5;
    prctl(PR_GET_PDEATHSIG, &v);
    SHOW(v);
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_GET_KEEPCAPS));
    char name[16];
    prctl(PR_GET_NAME, name);
    say("name %s", name);
    return 0;
}

CASE(what_survives)
{
    static char alt[32768];
    handle(SIGUSR2, 0);
    signal(SIGHUP, SIG_IGN);
    block(SIGUSR1);
    raise(SIGUSR1);
    sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof alt}, NULL);
    umask(027);
    alarm(100);
    dup2(0, 10);
    fcntl(dup2(0, 11), F_SETFD, FD_CLOEXEC);
    mkdir("d", 0755);
    chdir("d");
    write_file("in_d", "", 0644);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_KEEPCAPS, 1);
    prctl(PR_SET_NAME, "renamed");
    execl(self, "x", "--as", "state", NULL);
    show_errno("exec");
}

CASE(arguments)
{
    pid_t pid;
    CHILD(pid) execl(self, self, "--as", "args", "one", "", "three words here", NULL);
    reap(pid);
}

/* Strings wherever they may lie: in one page, across pages, the same one again, at the end of what is mapped. */
CASE(arguments_anywhere)
{
    char *m = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(m + 3 * 4096, 4096);
    char *across = strcpy(m + 4096 - 3, "across pages"), *last = strcpy(m + 3 * 4096 - 5, "last");
    char *late = strcpy(m + 2000, "late"), *early = strcpy(m + 100, "early");
    char *long_one = memset(m + 4096 + 500, 'x', 5000);
    long_one[5000] = 0;
    char *argv[] = {self, "--as", "args", late, early, across, late + 2, last, "", early, long_one, NULL};
    pid_t pid;
    CHILD(pid) execve(self, argv, argv);
    reap(pid);
    last[4] = 'x';
    TRY(execve(self, argv, argv));
}

CASE(what_is_missing_is_found_out_first)
{
    TRY(execve("/nonexistent", (void *)8, (void *)8));
    TRY(execve("/etc/passwd/no", (void *)8, NULL));
    char *bad[] = {(void *)8, NULL};
    TRY(execve("/nonexistent", bad, NULL));
    TRY(execve("/bin/true", bad, NULL));
}

CASE(empty_argv)
{
    pid_t pid;
    CHILD(pid)
    {
        char *none[] = {NULL};
        TRY(execve("/bin/true", none, none));
    }
    tell_wait("argv of one NULL", pid);
    CHILD(pid) TRY(execve("/bin/true", NULL, NULL));
    tell_wait("no argv", pid);
    CHILD(pid) TRY(execve("/bin/true", (void *)8, NULL));
    tell_wait("bad argv", pid);
    CHILD(pid) TRY(execve((void *)8, NULL, NULL));
    tell_wait("bad path", pid);
}

CASE(shared_signal_and_fd_state_is_unshared)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        fcntl(dup2(0, 12), F_SETFD, FD_CLOEXEC);
        execl("/bin/true", "true", NULL);
    }
    tell_wait("child", pid);
    TRY(fcntl(12, F_GETFD));
}

CASE(execveat)
{
    char *argv[] = {"x", "--as", "args", NULL};
    char *envp[] = {"CASE=execveat", NULL};
    int dir = open(self_dir, O_PATH), file = open(self, O_PATH | O_CLOEXEC);
    const char *base = strrchr(self, '/') + 1;
    pid_t pid;
    CHILD(pid) TRY(syscall(SYS_execveat, dir, base, argv, envp, 0));
    tell_wait("relative to a directory", pid);
    CHILD(pid) TRY(syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH));
    tell_wait("a descriptor", pid);
    CHILD(pid) TRY(syscall(SYS_execveat, file, "", argv, envp, 0));
    tell_wait("empty path", pid);
    TRY(syscall(SYS_execveat, AT_FDCWD, "", argv, envp, AT_EMPTY_PATH));
    symlink(self, "link");
    CHILD(pid) TRY(syscall(SYS_execveat, AT_FDCWD, "link", argv, envp, AT_SYMLINK_NOFOLLOW));
    tell_wait("symlink not followed", pid);
    CHILD(pid) TRY(syscall(SYS_execveat, AT_FDCWD, "link", argv, envp, 0));
    tell_wait("symlink", pid);
    TRY(syscall(SYS_execveat, AT_FDCWD, "link", argv, envp, 0x4));
    TRY(syscall(SYS_execveat, 99, "link", argv, envp, 0));
    TRY(syscall(SYS_execveat, file, "link", argv, envp, 0));
}

CASE(cloexec_script_by_descriptor)
{
    write_file("s", "#!/bin/sh\nexit 3\n", 0755);
    char *argv[] = {"s", NULL};
    int fd = open("s", O_RDONLY | O_CLOEXEC);
    TRY(syscall(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH));
    fcntl(fd, F_SETFD, 0);
    pid_t pid;
    CHILD(pid) TRY(syscall(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH));
    tell_wait("without close-on-exec", pid);
}

CASE(failed_exec_changes_nothing)
{
    handle(SIGUSR1, 0);
    fcntl(dup2(0, 13), F_SETFD, FD_CLOEXEC);
    TRY(execl("/nonexistent", "x", NULL));
    TRY(fcntl(13, F_GETFD));
    raise(SIGUSR1);
    SHOW(got[SIGUSR1]);
}

CASE(comm_follows_the_file)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    say("%s", name);
    symlink(self, "a_very_long_name_of_a_program");
    pid_t pid;
    CHILD(pid) execl("./a_very_long_name_of_a_program", "zero", "--as", "comm", NULL);
    reap(pid);
}

HELPER(comm)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    say("%s", name);
    return 0;
}

CASE(posix_spawned_shell)
{
    tell_status("true", system("true"));
    tell_status("exit 3", system("exit 3"));
    tell_status("kill", system("kill -TERM $$"));
}

CASE(exec_of_ignored_sigchld)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid;
    CHILD(pid) execl("/bin/sh", "sh", "-c", "true; (exit 3); echo status $?", NULL);
    TRY(waitpid(pid, NULL, 0));
}
