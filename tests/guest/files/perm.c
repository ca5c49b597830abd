#include "case.h"
#include <grp.h>

/* Needs root. */

#define AS(uid_, gid_)                                                                                                 \
    for (pid_t pid_ = fork(); pid_ == 0 ? (become(uid_, gid_), true) : (reap(pid_), false); _exit(0))

CASE(classes)
{
    write_file("f", "x", 0421);
    chown("f", 1000, 2000);
    uid_t ids[][2] = {{1000, 1}, {1001, 2000}, {1001, 1}, {1000, 2000}};
    for (int i = 0; i < 4; i++)
        AS(ids[i][0], ids[i][1])
        {
            say("%d:%d", ids[i][0], ids[i][1]);
            TRY(access("f", R_OK));
            TRY(access("f", W_OK));
            TRY(access("f", X_OK));
            OKAY(open("f", O_RDONLY));
            OKAY(open("f", O_WRONLY));
        }
    TRY(access("f", R_OK | W_OK));
    TRY(access("f", X_OK));
    chmod("f", 0600);
    TRY(access("f", X_OK));
}

CASE(search_permission)
{
    mkdir("d", 0700);
    mkdir("d/e", 0777);
    write_file("d/e/f", "x", 0666);
    AS(1000, 1000)
    {
        TRY(access("d/e/f", F_OK));
        TRY(access("d/e/missing", F_OK));
        TRY(open("d/e/new", O_CREAT | O_WRONLY, 0644));
    }
    chmod("d", 0711);
    AS(1000, 1000)
    {
        TRY(access("d/e/f", F_OK));
        TRY(open("d", O_RDONLY));
        TRY(open("d/new", O_CREAT | O_WRONLY, 0644));
        TRY(unlink("d/e/f"));
        TRY(rmdir("d/e"));
    }
    chmod("d", 0744);
    AS(1000, 1000)
    {
        OKAY(open("d", O_RDONLY));
        TRY(access("d/e", F_OK));
        TRY(chdir("d"));
    }
}

CASE(directory_write)
{
    mkdir("d", 0755);
    write_file("d/f", "x", 0666);
    AS(1000, 1000)
    {
        TRY(unlink("d/f"));
        TRY(rename("d/f", "d/g"));
        TRY(link("d/f", "d/g"));
        TRY(symlink("x", "d/s"));
        TRY(mkdir("d/m", 0755));
        TRY(mkfifo("d/p", 0644));
        TRY(open("d/n", O_CREAT | O_WRONLY, 0644));
        TRY(open("d/f", O_CREAT | O_WRONLY, 0644));
    }
}

CASE(sticky)
{
    mkdir("t", 01777);
    chmod("t", 01777);
    write_file("t/of_root", "x", 0666);
    write_file("t/of_1000", "x", 0666);
    chown("t/of_1000", 1000, 1000);
    mkdir("t/dir", 0777);
    AS(1000, 1000)
    {
        TRY(unlink("t/of_root"));
        TRY(rename("t/of_root", "t/x"));
        TRY(rename("t/of_1000", "t/of_root"));
        TRY(rename("t/of_1000", "t/mine"));
        TRY(rmdir("t/dir"));
        TRY(unlink("t/mine"));
    }
    chown("t", 1001, 1001);
    write_file("t/again", "x", 0666);
    AS(1001, 1001) TRY(unlink("t/again"));
}

CASE(setgid_directory)
{
    struct stat st;
    mkdir("d", 0777);
    chown("d", 0, 3000);
    chmod("d", 02777);
    AS(1000, 1000)
    {
        close(open("d/f", O_CREAT | O_WRONLY, 0644));
        mkdir("d/sub", 0755);
        close(open("d/x", O_CREAT | O_WRONLY, 02755));
    }
    stat("d/f", &st);
    say("file gid %d mode %o", (int)st.st_gid, st.st_mode & 07777);
    stat("d/sub", &st);
    say("directory gid %d mode %o", (int)st.st_gid, st.st_mode & 07777);
    stat("d/x", &st);
    say("setgid file gid %d mode %o", (int)st.st_gid, st.st_mode & 07777);
}

CASE(chmod_and_chown)
{
    write_file("mine", "x", 0644);
    write_file("theirs", "x", 0644);
    chown("mine", 1000, 1000);
    AS(1000, 1000)
    {
        TRY(chmod("mine", 0600));
        TRY(chmod("theirs", 0600));
        TRY(chown("mine", 1000, 1000));
        TRY(chown("mine", -1, -1));
        TRY(chown("mine", 1001, -1));
        TRY(chown("mine", -1, 2000));
        TRY(chown("theirs", -1, -1));
        TRY(chmod("missing", 0600));
    }
    gid_t more[] = {2000};
    pid_t pid;
    CHILD(pid)
    {
        setgroups(1, more);
        setresgid(1000, 1000, 1000);
        setresuid(1000, 1000, 1000);
        TRY(chown("mine", -1, 2000));
    }
    reap(pid);
    struct stat st;
    stat("mine", &st);
    SHOW(st.st_gid);
    TRY(chown("mine", 12345, 54321));
    stat("mine", &st);
    say("%d %d", (int)st.st_uid, (int)st.st_gid);
    symlink("mine", "s");
    TRY(lchown("s", 7, 8));
    lstat("s", &st);
    say("%d %d", (int)st.st_uid, (int)st.st_gid);
    stat("s", &st);
    say("%d %d", (int)st.st_uid, (int)st.st_gid);
    TRY(fchmodat(AT_FDCWD, "s", 0600, AT_SYMLINK_NOFOLLOW));
    TRY(syscall(SYS_fchmodat, AT_FDCWD, "s", 0640));
    stat("mine", &st);
    say("%o", st.st_mode & 07777);
}

CASE(ownership_of_new_files)
{
    struct stat st;
    mkdir("d", 0777);
    chmod("d", 0777);
    AS(1000, 2000)
    {
        close(open("d/f", O_CREAT | O_WRONLY, 0644));
        symlink("x", "d/s");
        mkdir("d/sub", 0700);
    }
    const char *names[] = {"d/f", "d/s", "d/sub"};
    for (int i = 0; i < 3; i++) {
        lstat(names[i], &st);
        say("%s: %d %d", names[i], (int)st.st_uid, (int)st.st_gid);
    }
}

CASE(access_uses_real_ids)
{
    write_file("f", "x", 0600);
    setresuid(1000, 0, 0);
    TRY(access("f", R_OK));
    TRY(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
    TRY(syscall(439, AT_FDCWD, "f", R_OK, AT_EACCESS));
    TRY(syscall(439, AT_FDCWD, "f", 8, 0));
    TRY(syscall(439, AT_FDCWD, "f", R_OK, 0x4000000));
    OKAY(open("f", O_RDONLY));
}

CASE(owner_without_rights)
{
    write_file("f", "x", 0000);
    chown("f", 1000, 1000);
    AS(1000, 1000)
    {
        TRY(open("f", O_RDONLY));
        TRY(open("f", O_WRONLY | O_CREAT, 0644));
        TRY(truncate("f", 0));
        TRY(chmod("f", 0400));
        OKAY(open("f", O_RDONLY));
    }
    AS(1000, 1000) TRY(open("new", O_CREAT | O_EXCL | O_RDWR, 0000));
}

CASE(protected_links_and_noatime)
{
    write_file("f", "x", 0644);
    AS(1000, 1000)
    {
        TRY(open("f", O_RDONLY | O_NOATIME));
        TRY(utimensat(AT_FDCWD, "f", NULL, 0));
        TRY(mknod("dev", S_IFCHR | 0600, 0x103));
        TRY(mknod("blk", S_IFBLK | 0600, 0x103));
    }
}

CASE(descriptors_keep_rights)
{
    write_file("f", "x", 0600);
    int fd = open("f", O_RDWR);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        char c;
        TRY(read(fd, &c, 1));
        TRY(write(fd, "y", 1));
        TRY(ftruncate(fd, 0));
        TRY(fchmod(fd, 0666));
    }
    reap(pid);
}
