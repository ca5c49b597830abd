#include "case.h"
#include <sys/auxv.h>

/* Set-id bits and what exec does to credentials. Needs root; copies itself. */

static void tell_ids(const char *text)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    getresuid(&r, &e, &s);
    getresgid(&gr, &ge, &gs);
    say("%s: uid %d %d %d gid %d %d %d secure %ld dumpable %d", text, (int)r, (int)e, (int)s, (int)gr, (int)ge,
        (int)gs, (long)getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
}

HELPER(ids)
{
    say("auxv: %d %d %d %d", (int)getauxval(AT_UID), (int)getauxval(AT_EUID), (int)getauxval(AT_GID),
        (int)getauxval(AT_EGID));
    tell_ids("after exec");
    return 0;
}

static void copy_self(const char *to, mode_t mode, uid_t uid, gid_t gid)
{
    char buf[65536];
    int in = open(self, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t n;
    NEED(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0)
        NEED(write(out, buf, (size_t)n) == n);
    close(in);
    NEED(fchown(out, uid, gid) == 0);
    NEED(fchmod(out, mode) == 0);
    close(out);
}

static void run_as(uid_t uid, gid_t gid, const char *path)
{
    pid_t pid;
    CHILD(pid)
    {
        become(uid, gid);
        execl(path, path, "--as", "ids", NULL);
        show_errno("exec");
    }
    tell_wait("child", pid);
}

CASE(setuid_root)
{
    copy_self("p", 04755, 0, 0);
    run_as(1000, 1000, "./p");
}

CASE(setuid_user)
{
    copy_self("p", 04755, 1001, 1001);
    run_as(1000, 1000, "./p");
    pid_t pid;
    CHILD(pid) execl("./p", "p", "--as", "ids", NULL);
    reap(pid);
}

CASE(setgid)
{
    copy_self("p", 02755, 1001, 1002);
    run_as(1000, 1000, "./p");
}

CASE(setgid_without_group_execute)
{
    copy_self("p", 02745, 1001, 1002);
    run_as(1000, 1000, "./p");
}

CASE(both)
{
    copy_self("p", 06755, 1001, 1002);
    run_as(1000, 1000, "./p");
}

CASE(same_user)
{
    copy_self("p", 06755, 1000, 1000);
    run_as(1000, 1000, "./p");
}

CASE(no_new_privs)
{
    copy_self("p", 06755, 0, 0);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        execl("./p", "p", "--as", "ids", NULL);
    }
    reap(pid);
}

CASE(scripts_do_not_honour_it)
{
    write_file("s", "#!/bin/sh\necho \"script: uid $(id -u) gid $(id -g)\"\n", 0755);
    chown("s", 1001, 1001);
    chmod("s", 06755);
    run_as(1000, 1000, "./s");
}

CASE(saved_ids_after_plain_exec)
{
    pid_t pid;
    CHILD(pid)
    {
        setresgid(5, 6, 7);
        setresuid(1000, 1001, 1002);
        execl(self, self, "--as", "ids", NULL);
    }
    tell_wait("child", pid);
}

CASE(chown_clears_bits)
{
    write_file("f", "x", 0755);
    struct stat st;
    mode_t modes[] = {06755, 06745, 04644, 02644, 01755};
    for (int i = 0; i < 5; i++) {
        chmod("f", modes[i]);
        chown("f", 1000, 1000);
        stat("f", &st);
        say("%04o by chown: %04o", modes[i], st.st_mode & 07777);
    }
}

CASE(write_clears_bits)
{
    struct stat st;
    write_file("f", "x", 0666);
    chmod("f", 06777);
    int fd = open("f", O_WRONLY);
    write(fd, "y", 1);
    stat("f", &st);
    say("by root: %04o", st.st_mode & 07777);
    chmod("f", 06777);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        int f = open("f", O_WRONLY);
        TRY(write(f, "y", 1));
    }
    reap(pid);
    stat("f", &st);
    say("by a user: %04o", st.st_mode & 07777);
    chmod("f", 06767);
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(truncate("f", 0));
    }
    reap(pid);
    stat("f", &st);
    say("by truncate: %04o", st.st_mode & 07777);
}

CASE(chmod_setgid_by_foreign_group)
{
    struct stat st;
    write_file("f", "x", 0755);
    chown("f", 1000, 2000);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(chmod("f", 02755));
        stat("f", &st);
        say("%04o", st.st_mode & 07777);
        TRY(chmod("f", 04755));
        stat("f", &st);
        say("%04o", st.st_mode & 07777);
    }
    reap(pid);
}
