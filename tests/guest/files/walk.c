#include "case.h"

static void tree(void)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    write_file("f", "file", 0644);
    write_file("d/e/g", "deep", 0644);
    symlink("f", "to_f");
    symlink("d", "to_d");
    symlink("d/e/../../f", "round");
    symlink("gone", "dangling");
    symlink("loop", "loop");
    symlink("b", "a");
    symlink("a", "b");
}

static void look(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        say("stat %s: %s", path, errname(errno));
    else
        say("stat %s: %s", path, S_ISDIR(st.st_mode) ? "directory" : S_ISREG(st.st_mode) ? "file" : "other");
    if (lstat(path, &st) < 0)
        say("lstat %s: %s", path, errname(errno));
    else
        say("lstat %s: %s", path,
            S_ISDIR(st.st_mode)   ? "directory"
            : S_ISREG(st.st_mode) ? "file"
            : S_ISLNK(st.st_mode) ? "link"
                                  : "other");
}

CASE(kinds_of_paths)
{
    tree();
    const char *paths[] = {"",       ".",        "..",       "/",         "//",        "/..",         "f",      "f/",
                           "f/.",    "f/..",     "f/x",      "d",         "d/",        "d//e///g",    "d/.",    "d/..",
                           "d/../f", "d/e/../..", "missing", "missing/",  "missing/x", "missing/../f", "./././f", "d/e/g/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        look(paths[i]);
}

CASE(symlinks)
{
    tree();
    const char *paths[] = {"to_f", "to_f/", "to_d", "to_d/", "to_d/.", "to_d/e/g", "to_d/../f", "round",
                           "round/", "dangling", "dangling/", "loop", "loop/", "loop/x", "a", "a/.."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        look(paths[i]);
}

CASE(link_chain_limit)
{
    char from[16], to[16];
    write_file("l0", "end", 0644);
    for (int i = 1; i <= 45; i++) {
        snprintf(from, sizeof from, "l%d", i);
        snprintf(to, sizeof to, "l%d", i - 1);
        symlink(to, from);
    }
    TRY(access("l39", F_OK));
    TRY(access("l40", F_OK));
    TRY(access("l41", F_OK));
    TRY(access("l45", F_OK));
}

CASE(links_in_every_component)
{
    mkdir("d", 0755);
    symlink(".", "d/s");
    char path[256] = "d";
    for (int i = 0; i < 40; i++)
        strcat(path, "/s");
    TRY(access(path, F_OK));
    strcat(path, "/s");
    TRY(access(path, F_OK));
}

CASE(long_names)
{
    char name[300], path[5000];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    TRY(mkdir(name, 0755));
    name[255] = 'n', name[256] = 0;
    TRY(mkdir(name, 0755));
    TRY(access(name, F_OK));
    memset(path, '/', sizeof path);
    path[4094] = '.', path[4095] = 0;
    TRY(access(path, F_OK));
    path[4094] = '/', path[4095] = '.', path[4096] = 0;
    TRY(access(path, F_OK));
}

CASE(bad_pointers)
{
    TRY(access((void *)8, F_OK));
    TRY(open(NULL, O_RDONLY));
    TRY(stat("f", (void *)8));
    TRY(syscall(SYS_stat, ".", 8));
    TRY(mkdir((void *)0x800000000000, 0755));
    TRY(readlink(".", (void *)8, 10));
    TRY(chdir((void *)8));
}

CASE(readlink)
{
    char buf[100];
    tree();
    memset(buf, '#', sizeof buf);
    TRY(readlink("to_f", buf, 100));
    TRY(readlink("round", buf, 4));
    say("%.6s", buf);
    TRY(readlink("f", buf, 100));
    TRY(readlink("d", buf, 100));
    TRY(readlink("missing", buf, 100));
    TRY(readlink("to_d/", buf, 100));
    TRY(readlink("to_f", buf, 0));
    TRY(readlink("to_f", buf, -1));
    TRY(readlinkat(open("d", O_RDONLY), "", buf, 100));
    TRY(readlinkat(open("to_f", O_PATH | O_NOFOLLOW), "", buf, 100));
    TRY(symlink("", "empty"));
    TRY(symlink("x", ""));
    TRY(symlink("x", "f"));
    TRY(symlink("x", "missing/y"));
    TRY(symlink("x", "new/"));
    char big[4200];
    memset(big, 'a', sizeof big);
    big[4095] = 0;
    TRY(symlink(big, "big"));
    big[4095] = 'a', big[4096] = 0;
    TRY(symlink(big, "bigger"));
}

CASE(getcwd)
{
    char buf[PATH_MAX], root[PATH_MAX];
    NEED(getcwd(root, sizeof root));
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    symlink("d/e", "s");
    TRY(chdir("s"));
    getcwd(buf, sizeof buf);
    say("%s", buf + strlen(root));
    SHOW(syscall(SYS_getcwd, buf, sizeof buf) == (long)strlen(root) + 5);
    TRY(syscall(SYS_getcwd, buf, 1));
    TRY(syscall(SYS_getcwd, buf, 0));
    TRY(syscall(SYS_getcwd, 8, 4096));
    rename("../../d", "../../moved");
    getcwd(buf, sizeof buf);
    say("%s", buf + strlen(root));
    TRY(rmdir("../e"));
    TRY(syscall(SYS_getcwd, buf, sizeof buf));
    TRY(chdir(".."));
    TRY(open("x", O_CREAT | O_WRONLY, 0644));
    TRY(access(".", F_OK));
    TRY(mkdir("y", 0755));
}

CASE(chdir)
{
    tree();
    TRY(chdir("f"));
    TRY(chdir("missing"));
    TRY(chdir("to_d"));
    TRY(access("e", F_OK));
    int fd = open("..", O_RDONLY), file = open("../f", O_RDONLY), path = open("..", O_PATH);
    TRY(fchdir(fd));
    TRY(access("f", F_OK));
    TRY(fchdir(file));
    TRY(fchdir(99));
    chdir("d");
    TRY(fchdir(path));
    TRY(access("f", F_OK));
}

CASE(chroot)
{
    tree();
    mkdir("d/sub", 0755);
    symlink("/e/g", "d/absolute");
    symlink("../../../../e/g", "d/up");
    int out = open(".", O_RDONLY);
    TRY(chroot("f"));
    TRY(chroot("missing"));
    TRY(chroot("d"));
    TRY(access("/e/g", F_OK));
    TRY(access("/f", F_OK));
    TRY(access("/../f", F_OK));
    TRY(access("/absolute", F_OK));
    TRY(access("/up", F_OK));
    /* The working directory is still outside. */
    TRY(access("f", F_OK));
    TRY(access("../../../../../../../../bin/sh", F_OK));
    TRY(chdir("/"));
    TRY(access("../f", F_OK));
    TRY(faccessat(out, "f", F_OK, 0));
    char buf[PATH_MAX];
    TRY(syscall(SYS_getcwd, buf, sizeof buf));
    fchdir(out);
    OKAY(syscall(SYS_getcwd, buf, sizeof buf));
    say("%.13s", buf);
    become(1000, 1000);
    TRY(chroot("/"));
}

CASE(at_functions)
{
    tree();
    int d = open("d", O_RDONLY), f = open("f", O_RDONLY);
    TRY(openat(d, "e/g", O_RDONLY));
    TRY(openat(d, "../f", O_RDONLY));
    TRY(openat(f, "x", O_RDONLY));
    TRY(openat(99, "f", O_RDONLY));
    TRY(openat(-1, "f", O_RDONLY));
    OKAY(openat(99, "/bin/sh", O_RDONLY));
    TRY(openat(AT_FDCWD, "f", O_RDONLY));
    TRY(mkdirat(d, "new", 0755));
    TRY(unlinkat(d, "new", 0));
    TRY(unlinkat(d, "new", AT_REMOVEDIR));
    TRY(unlinkat(d, "e", 77));
    TRY(faccessat(d, "e", R_OK, 0));
    TRY(symlinkat("target", d, "link"));
    TRY(fchmodat(d, "e", 0700, 0));
    TRY(fchownat(d, "link", 1, 1, AT_SYMLINK_NOFOLLOW));
}
