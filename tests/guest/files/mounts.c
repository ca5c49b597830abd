#include "case.h"

#include <sys/mount.h>
#include <sys/statfs.h>

/* A mount namespace of its own, in which nothing comes from or goes to others, and a directory that is a mount. */
static void apart(void)
{
    NEED(unshare(CLONE_NEWNS) == 0);
    NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    NEED(mount("here", ".", "tmpfs", 0, "mode=777") == 0);
    char cwd[PATH_MAX];
    NEED(getcwd(cwd, sizeof cwd) != NULL && chdir(cwd) == 0);
    NEED(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
}

CASE(tmpfs)
{
    apart();
    write_file("a/below", "below", 0644);
    TRY(mount("any", "a", "tmpfs", 0, "size=1m,mode=750,uid=3,gid=4"));
    struct stat st;
    TRY(stat("a", &st));
    SHOWX(st.st_mode);
    SHOW(st.st_uid);
    SHOW(st.st_gid);
    TRY(access("a/below", F_OK));
    struct statfs fs;
    TRY(statfs("a", &fs));
    SHOWX(fs.f_type);
    SHOW(fs.f_blocks * fs.f_bsize);
    int fd = open("a/full", O_CREAT | O_RDWR, 0644);
    static char mib[1 << 20];
    SHOW(write(fd, mib, sizeof mib) > 0);
    TRY(write(fd, mib, sizeof mib));
    TRY(umount("a"));
    close(fd);
    TRY(umount("a"));
    TRY(umount("a"));
    TRY(access("a/below", F_OK));
}

CASE(refused)
{
    apart();
    write_file("file", "text", 0644);
    TRY(mount("any", "a", "no-such-type", 0, NULL));
    TRY(mount("any", "a", NULL, 0, NULL));
    TRY(mount("any", "missing", "tmpfs", 0, NULL));
    TRY(mount("any", "file", "tmpfs", 0, NULL));
    TRY(mount("any", "a", "tmpfs", 0, "nonsense=1"));
    TRY(mount("a", "b", NULL, MS_MOVE, NULL));
    TRY(mount(NULL, "a", NULL, MS_BIND, NULL));
    TRY(mount("a", "file", NULL, MS_BIND, NULL));
    TRY(mount("file", "a", NULL, MS_BIND, NULL));
    TRY(mount("missing", "a", NULL, MS_BIND, NULL));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, NULL));
    TRY(mount(NULL, "a", NULL, MS_PRIVATE, NULL));
    TRY(umount2("a", 0));
    TRY(umount2("a", 0x100));
    TRY(umount2("missing", MNT_DETACH));
    TRY(umount2("a", MNT_EXPIRE | MNT_FORCE));
}

CASE(refused_without_privilege)
{
    apart();
    pid_t pid;
    CHILD(pid)
    {
        NEED(setresuid(1000, 1000, 1000) == 0);
        TRY(mount("any", "a", "tmpfs", 0, NULL));
        TRY(mount("any", "missing", "tmpfs", 0, NULL));
        TRY(umount("a"));
        TRY(syscall(SYS_pivot_root, "a", "a"));
        TRY(unshare(CLONE_NEWNS));
    }
    tell_wait("child", pid);
}

CASE(binds)
{
    apart();
    NEED(mkdir("a/deep", 0755) == 0);
    write_file("a/file", "text", 0644);
    TRY(mount("any", "a/deep", "tmpfs", 0, NULL));
    write_file("a/deep/inner", "inner", 0644);
    TRY(mount("a", "b", NULL, MS_BIND, NULL));
    TRY(access("b/file", F_OK));
    TRY(access("b/deep/inner", F_OK));
    TRY(umount("b"));
    TRY(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
    TRY(access("b/deep/inner", F_OK));
    TRY(umount("b"));
    TRY(umount2("b", MNT_DETACH));
    TRY(access("b/deep", F_OK));
    write_file("target", "", 0644);
    TRY(mount("a/file", "target", NULL, MS_BIND, NULL));
    tell_file("target");
    TRY(unlink("target"));
    TRY(rename("target", "other"));
    TRY(umount("target"));
    tell_file("target");
}

CASE(read_only)
{
    apart();
    write_file("a/file", "text", 0644);
    TRY(mount("a", "b", NULL, MS_BIND, NULL));
    TRY(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    TRY(open("b/file", O_RDWR));
    TRY(open("b/new", O_CREAT | O_WRONLY, 0644));
    TRY(mkdir("b/dir", 0755));
    TRY(unlink("b/file"));
    TRY(chmod("b/file", 0600));
    TRY(rename("b/file", "b/other"));
    TRY(access("b/file", W_OK));
    OKAY(open("a/file", O_RDWR));
    TRY(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT, NULL));
    OKAY(open("b/file", O_RDWR));
    TRY(rename("a/file", "b/file"));
    TRY(link("a/file", "b/linked"));
}

CASE(written_while_it_becomes_read_only)
{
    apart();
    write_file("a/file", "text", 0644);
    TRY(mount("a", "b", NULL, MS_BIND, NULL));
    int reader = open("b/file", O_RDONLY), elsewhere = open("a/file", O_WRONLY), writer = open("b/file", O_WRONLY);
    TRY(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    TRY(write(writer, "x", 1));
    int copy = dup(writer);
    close(writer);
    TRY(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    close(copy);
    TRY(mount(NULL, "b", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    TRY(write(elsewhere, "y", 1));
    TRY(open("b/file", O_WRONLY));
    close(reader);
}

CASE(flags_of_mounts)
{
    apart();
    TRY(mount("any", "a", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, NULL));
    write_file("a/script", "#!/bin/sh\n", 0755);
    TRY(execl("a/script", "script", NULL));
    TRY(mknod("a/null", S_IFCHR | 0666, 0x103));
    TRY(open("a/null", O_RDWR));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, NULL));
    OKAY(open("a/null", O_RDWR));
}

CASE(moves)
{
    apart();
    TRY(mount("any", "a", "tmpfs", 0, NULL));
    write_file("a/file", "text", 0644);
    NEED(mkdir("a/under", 0755) == 0);
    TRY(mount("a", "a/under", NULL, MS_MOVE, NULL));
    TRY(mount("a", "b", NULL, MS_MOVE, NULL));
    TRY(access("a/file", F_OK));
    TRY(access("b/file", F_OK));
    TRY(rmdir("b"));
    TRY(rmdir("a"));
}

CASE(one_over_another)
{
    apart();
    TRY(mount("one", "a", "tmpfs", 0, NULL));
    write_file("a/one", "one", 0644);
    TRY(mount("two", "a", "tmpfs", 0, NULL));
    TRY(access("a/one", F_OK));
    int dir = open("a", O_RDONLY | O_DIRECTORY);
    TRY(umount2("a", MNT_DETACH));
    TRY(access("a/one", F_OK));
    OKAY(openat(dir, "still", O_CREAT | O_WRONLY, 0644));
    TRY(umount2("a", MNT_EXPIRE));
    TRY(umount2("a", MNT_EXPIRE));
    TRY(access("a/one", F_OK));
}

CASE(copies_are_apart)
{
    apart();
    TRY(mount("one", "a", "tmpfs", 0, NULL));
    pid_t pid;
    CHILD(pid)
    {
        NEED(chdir("a") == 0);
        TRY(unshare(CLONE_NEWNS));
        write_file("file", "shared contents", 0644);
        TRY(mount("two", "../b", "tmpfs", 0, NULL));
        write_file("../b/inside", "", 0644);
        TRY(chdir(".."));
        TRY(umount("a"));
        TRY(access("a/file", F_OK));
    }
    tell_wait("child", pid);
    TRY(access("b/inside", F_OK));
    tell_file("a/file");
}

CASE(pivot)
{
    apart();
    NEED(mkdir("a/old", 0755) == 0);
    TRY(syscall(SYS_pivot_root, "a", "a/old"));
    TRY(mount("root", "a", "tmpfs", 0, NULL));
    NEED(mkdir("a/old", 0755) == 0);
    write_file("a/mark", "new root", 0644);
    TRY(syscall(SYS_pivot_root, "a", "b"));
    TRY(syscall(SYS_pivot_root, "a/old", "a/old"));
    TRY(syscall(SYS_pivot_root, "a", "a/mark"));
    TRY(syscall(SYS_pivot_root, "a", "a/old"));
    tell_file("/mark");
    TRY(access("/old/usr", F_OK));
    TRY(chdir("/"));
    TRY(umount2("/old", MNT_DETACH));
    TRY(access("/old/usr", F_OK));
    TRY(rmdir("/old"));
}

CASE(pivot_onto_itself)
{
    apart();
    NEED(mount("root", "a", "tmpfs", 0, NULL) == 0);
    write_file("a/mark", "new root", 0644);
    NEED(chdir("a") == 0);
    TRY(syscall(SYS_pivot_root, ".", "."));
    TRY(umount2(".", MNT_DETACH));
    TRY(chdir("/"));
    tell_file("mark");
    TRY(access("/usr", F_OK));
}

CASE(dot_dot_leaves_a_mount)
{
    apart();
    NEED(mount("any", "a", "tmpfs", 0, NULL) == 0);
    NEED(mkdir("a/dir", 0755) == 0 && chdir("a/dir") == 0);
    TRY(access("../../b", F_OK));
    TRY(access("../../a/dir", F_OK));
    char cwd[PATH_MAX];
    NEED(getcwd(cwd, sizeof cwd) != NULL);
    say("cwd ends in: %s", strrchr(cwd, '/'));
    OKAY(umount2("..", MNT_DETACH));
    errno = 0;
    SHOW(getcwd(cwd, sizeof cwd) != NULL && strncmp(cwd, "(unreachable)", 13) == 0);
}

static void tell_size(const char *path)
{
    struct statfs fs;
    NEED(statfs(path, &fs) == 0);
    say("%lu kB, %lu free", fs.f_blocks * fs.f_bsize / 1024, fs.f_bfree * fs.f_bsize / 1024);
}

CASE(other_sizes)
{
    apart();
    static char mib[1 << 20];
    TRY(mount("any", "a", "tmpfs", 0, "size=2m,mode=755,uid=3"));
    tell_size("a");
    int fd = open("a/full", O_CREAT | O_RDWR, 0644);
    TRY(pwrite(fd, mib, sizeof mib, 0));
    TRY(mount("other", "a", "no-such-type", MS_REMOUNT, "size=4m,mode=700,uid=4"));
    tell_size("a");
    struct stat st;
    TRY(stat("a", &st));
    SHOWX(st.st_mode);
    SHOW(st.st_uid);
    TRY(pwrite(fd, mib, sizeof mib, 2 << 20));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, "size=1m"));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, "size=x"));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, "no-such-option"));
    tell_size("a");
    TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_BIND, "size=8m"));
    tell_size("a");
    TRY(pwrite(fd, mib, sizeof mib, 5 << 20));
    TRY(ftruncate(fd, 0));
    tell_size("a");
    close(fd);
    TRY(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, "size=2m"));
    tell_size("a");
    TRY(open("a/new", O_CREAT | O_RDWR, 0644));
    TRY(mount(NULL, "a", NULL, MS_REMOUNT, NULL));
    TRY(open("a/new", O_CREAT | O_RDWR, 0644));
    tell_size("a");
    TRY(mkdir("a/d", 0755));
    TRY(mount(NULL, "a/d", NULL, MS_REMOUNT, "size=3m"));
    /* Without a size, it has one all the same; with 0 it has none, and gets none. */
    TRY(mount("any", "b", "tmpfs", 0, NULL));
    TRY(mount(NULL, "b", NULL, MS_REMOUNT, "nr_blocks=256"));
    tell_size("b");
    TRY(mount("any", "b", "tmpfs", 0, "size=0"));
    TRY(mount(NULL, "b", NULL, MS_REMOUNT, "size=1m"));
}
