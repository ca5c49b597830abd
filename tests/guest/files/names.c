#include "case.h"
#include <linux/fs.h>

static int renameat2_(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

CASE(rename_files)
{
    write_file("a", "A", 0644);
    write_file("b", "B", 0644);
    TRY(rename("a", "c"));
    TRY(access("a", F_OK));
    TRY(rename("c", "b"));
    tell_file("b");
    TRY(rename("missing", "x"));
    TRY(rename("b", "missing/x"));
    TRY(rename("b", "b"));
    TRY(rename("b", ""));
    TRY(rename("", "b"));
    TRY(rename("b", "x/"));
    TRY(rename("b/", "x"));
    TRY(rename("b", "."));
    TRY(rename(".", "x"));
    TRY(rename("b", ".."));
}

CASE(rename_directories)
{
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    mkdir("empty", 0755);
    mkdir("full", 0755);
    write_file("full/f", "", 0644);
    write_file("f", "", 0644);
    TRY(rename("d", "d/sub/x"));
    TRY(rename("d", "d/sub"));
    TRY(rename("d/sub", "d"));
    TRY(rename("d", "f"));
    TRY(rename("f", "d"));
    TRY(rename("d", "full"));
    TRY(rename("d", "empty"));
    TRY(access("empty/sub", F_OK));
    TRY(rename("empty", "new/"));
    TRY(rename("new/", "again"));
    TRY(rename("again/.", "x"));
    TRY(rename("again/sub/..", "x"));
}

CASE(rename_links)
{
    write_file("f", "F", 0644);
    link("f", "hard");
    symlink("f", "s");
    /* Two names of one file: nothing happens. */
    TRY(rename("f", "hard"));
    TRY(access("f", F_OK));
    TRY(rename("s", "t"));
    char buf[10] = "";
    TRY(readlink("t", buf, 9));
    TRY(rename("t", "f"));
    TRY(readlink("f", buf, 9));
}

CASE(rename_flags)
{
    write_file("a", "A", 0644);
    write_file("b", "B", 0644);
    mkdir("d", 0755);
    TRY(renameat2_("a", "b", RENAME_NOREPLACE));
    TRY(renameat2_("a", "c", RENAME_NOREPLACE));
    TRY(renameat2_("c", "b", RENAME_EXCHANGE));
    tell_file("b");
    tell_file("c");
    TRY(renameat2_("b", "d", RENAME_EXCHANGE));
    TRY(access("b/.", F_OK));
    TRY(renameat2_("b", "missing", RENAME_EXCHANGE));
    TRY(renameat2_("b", "b/x", RENAME_EXCHANGE));
    TRY(renameat2_("b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE));
    TRY(renameat2_("b", "c", 0x100));
}

CASE(open_file_survives)
{
    write_file("a", "A", 0644);
    write_file("b", "B", 0644);
    int fd = open("b", O_RDONLY);
    rename("a", "b");
    char c = 0;
    TRY(read(fd, &c, 1));
    say("%c", c);
    struct stat st;
    fstat(fd, &st);
    SHOW(st.st_nlink);
}

CASE(unlink)
{
    write_file("f", "x", 0644);
    mkdir("d", 0755);
    symlink("f", "s");
    symlink("d", "t");
    int fd = open("f", O_RDWR);
    TRY(unlink("s"));
    TRY(unlink("f/"));
    TRY(unlink("d"));
    TRY(unlink("t/"));
    TRY(unlink("t"));
    TRY(unlink("f"));
    TRY(unlink("f"));
    TRY(unlink("."));
    TRY(unlink(""));
    char c = 0;
    TRY(pread(fd, &c, 1, 0));
    TRY(pwrite(fd, "more", 4, 1));
    struct stat st;
    fstat(fd, &st);
    say("links %d size %d", (int)st.st_nlink, (int)st.st_size);
    TRY(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
}

CASE(rmdir)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    write_file("f", "", 0644);
    symlink("d", "s");
    TRY(rmdir("d"));
    TRY(rmdir("f"));
    TRY(rmdir("s"));
    TRY(rmdir("s/"));
    TRY(rmdir("d/."));
    TRY(rmdir("d/e/.."));
    TRY(rmdir("d/e/"));
    TRY(rmdir("d"));
    TRY(rmdir("d"));
    TRY(rmdir("/"));
    TRY(rmdir(""));
}

CASE(mkdir)
{
    write_file("f", "", 0644);
    symlink("gone", "s");
    TRY(mkdir("d", 0755));
    TRY(mkdir("d", 0755));
    TRY(mkdir("d/", 0755));
    TRY(mkdir("n/", 0755));
    TRY(mkdir("f", 0755));
    TRY(mkdir("f/x", 0755));
    TRY(mkdir("m/x", 0755));
    TRY(mkdir("s", 0755));
    TRY(mkdir(".", 0755));
    TRY(mkdir("d/..", 0755));
    TRY(mkdir("", 0755));
    TRY(mkdir("/", 0755));
    struct stat st;
    mkdir("d/a", 0755);
    mkdir("d/b", 0755);
    stat("d", &st);
    SHOW(st.st_nlink >= 1);
}

CASE(links)
{
    struct stat st, st2;
    write_file("f", "x", 0644);
    mkdir("d", 0755);
    symlink("f", "s");
    TRY(link("f", "g"));
    stat("f", &st);
    stat("g", &st2);
    say("links %d same %d", (int)st.st_nlink, st.st_ino == st2.st_ino);
    TRY(link("f", "g"));
    TRY(link("d", "e"));
    TRY(link("missing", "x"));
    TRY(link("f", "missing/x"));
    TRY(link("f", "x/"));
    TRY(link("s", "t"));
    lstat("t", &st);
    SHOW(S_ISLNK(st.st_mode));
    TRY(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW));
    lstat("u", &st);
    SHOW(S_ISREG(st.st_mode));
    TRY(linkat(AT_FDCWD, "f", AT_FDCWD, "v", 0x8000000));
    int fd = open("f", O_PATH);
    TRY(linkat(fd, "", AT_FDCWD, "w", AT_EMPTY_PATH));
    TRY(linkat(fd, "", AT_FDCWD, "y", 0));
    stat("f", &st);
    SHOW(st.st_nlink);
    unlink("f");
    tell_file("g");
}

CASE(special_files)
{
    struct stat st;
    TRY(mknod("fifo", S_IFIFO | 0644, 0));
    TRY(mknod("sock", S_IFSOCK | 0644, 0));
    TRY(mknod("reg", 0644, 0));
    TRY(mknod("dir", S_IFDIR | 0755, 0));
    TRY(mknod("lnk", S_IFLNK | 0777, 0));
    TRY(mknod("reg", S_IFREG | 0644, 0));
    stat("fifo", &st);
    SHOW(S_ISFIFO(st.st_mode));
    stat("sock", &st);
    SHOW(S_ISSOCK(st.st_mode));
    TRY(open("sock", O_RDONLY));
}

CASE(many_entries)
{
    char name[32];
    int made = 0, gone = 0;
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof name, "entry-%d", i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        made += fd >= 0;
        close(fd);
    }
    SHOW(made);
    for (int i = 0; i < 1500; i += 2) {
        snprintf(name, sizeof name, "entry-%d", i);
        gone += unlink(name) == 0;
    }
    SHOW(gone);
    TRY(access("entry-1499", F_OK));
    TRY(access("entry-1498", F_OK));
}
