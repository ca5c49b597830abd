#include "case.h"
#include <linux/openat2.h>
#include <sys/ioctl.h>

CASE(creation_flags)
{
    TRY(open("f", O_WRONLY));
    TRY(open("f", O_WRONLY | O_CREAT, 0644));
    TRY(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644));
    TRY(open("f", O_WRONLY | O_CREAT, 0644));
    TRY(open("missing/f", O_WRONLY | O_CREAT, 0644));
    TRY(open("f/x", O_WRONLY | O_CREAT, 0644));
    TRY(open("g/", O_WRONLY | O_CREAT, 0644));
    TRY(open("f/", O_WRONLY | O_CREAT, 0644));
    TRY(open(".", O_WRONLY | O_CREAT, 0644));
    TRY(open("..", O_RDONLY | O_CREAT, 0644));
    TRY(open("", O_WRONLY | O_CREAT, 0644));
}

CASE(creation_through_links)
{
    symlink("target", "dangling");
    symlink("dir_missing/x", "deeper");
    symlink("loop", "loop");
    mkdir("d", 0755);
    symlink("d", "to_d");
    TRY(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0644));
    TRY(open("dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
    TRY(open("dangling", O_WRONLY | O_CREAT, 0644));
    TRY(access("target", F_OK));
    TRY(open("deeper", O_WRONLY | O_CREAT, 0644));
    TRY(open("loop", O_WRONLY | O_CREAT, 0644));
    TRY(open("to_d", O_WRONLY | O_CREAT, 0644));
    TRY(open("to_d", O_WRONLY | O_CREAT | O_EXCL, 0644));
    TRY(open("to_d/", O_WRONLY | O_CREAT, 0644));
}

CASE(directories)
{
    mkdir("d", 0755);
    write_file("f", "", 0644);
    TRY(open("d", O_RDONLY));
    TRY(open("d", O_WRONLY));
    TRY(open("d", O_RDWR));
    TRY(open("d", O_RDONLY | O_TRUNC));
    TRY(open("d", O_RDONLY | O_DIRECTORY));
    TRY(open("f", O_RDONLY | O_DIRECTORY));
    TRY(open("f/", O_RDONLY));
    TRY(open("d", O_RDONLY | O_CREAT, 0644));
    TRY(open("new", O_RDONLY | O_CREAT | O_DIRECTORY, 0644));
    int fd = open("d", O_RDONLY);
    char c;
    TRY(read(fd, &c, 1));
    TRY(write(fd, &c, 1));
    TRY(ftruncate(fd, 0));
    TRY(fsync(fd));
}

CASE(nofollow)
{
    write_file("f", "", 0644);
    mkdir("d", 0755);
    symlink("f", "s");
    symlink("d", "t");
    TRY(open("s", O_RDONLY | O_NOFOLLOW));
    TRY(open("t", O_RDONLY | O_NOFOLLOW));
    TRY(open("t/", O_RDONLY | O_NOFOLLOW));
    TRY(open("t/.", O_RDONLY | O_NOFOLLOW));
    TRY(open("t", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    TRY(open("f", O_RDONLY | O_NOFOLLOW));
}

CASE(o_path)
{
    write_file("f", "abc", 0000);
    symlink("f", "s");
    int fd;
    TRY(fd = open("f", O_PATH));
    char c;
    struct stat st;
    TRY(read(fd, &c, 1));
    TRY(write(fd, &c, 1));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(fstat(fd, &st));
    TRY(fchmod(fd, 0644));
    TRY(fchown(fd, 0, 0));
    TRY(ftruncate(fd, 0));
    TRY(fsync(fd));
    TRY(ioctl(fd, 0));
    TRY(fcntl(fd, F_GETFL));
    TRY(fcntl(fd, F_SETFL, 0));
    TRY(fcntl(fd, F_GETFD));
    TRY(dup(fd));
    OKAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    struct pollfd p = {fd, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    TRY(fd = open("s", O_PATH | O_NOFOLLOW));
    TRY(fstat(fd, &st));
    SHOW(S_ISLNK(st.st_mode));
    TRY(open("missing", O_PATH | O_CREAT, 0644));
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        TRY(open("f", O_RDONLY));
        TRY(open("f", O_PATH));
    }
    reap(pid);
}

static void through(int fd, int flags, int *out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    errno = 0;
    *out = open(path, flags);
    say("reopen: %s", *out < 0 ? errname(errno) : "ok");
}

CASE(reopen_through_proc)
{
    write_file("f", "abc", 0644);
    int fd = open("f", O_PATH), again;
    char c = 0;
    through(fd, O_RDONLY, &again);
    TRY(read(again, &c, 1));
    unlink("f");
    through(fd, O_RDWR, &again);
    TRY(read(again, &c, 1));
    int p[2];
    NEED(pipe(p) == 0);
    through(p[0], O_WRONLY, &again);
    TRY(write(again, "z", 1));
    TRY(read(p[0], &c, 1));
    int d = open(".", O_RDONLY);
    through(d, O_RDONLY | O_DIRECTORY, &again);
    through(99, O_RDONLY, &again);
}

static long openat2_(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {flags, mode, resolve};
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

CASE(openat2_resolve)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    write_file("f", "", 0644);
    write_file("d/g", "", 0644);
    symlink("g", "d/inner");
    symlink("../f", "d/outer");
    symlink("/g", "d/absolute");
    symlink("e", "d/dirlink");
    int d = open("d", O_PATH);
    uint64_t resolves[] = {0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS,
                           RESOLVE_NO_XDEV};
    const char *names[] = {"none", "beneath", "in root", "no symlinks", "no magic links", "no xdev"};
    const char *paths[] = {"g", "e/../g", "../f", "inner", "outer", "absolute", "/g", "dirlink/../g", "..", "/.."};
    for (int r = 0; r < 6; r++)
        for (int p = 0; p < 10; p++) {
            int fd = (int)openat2_(d, paths[p], O_RDONLY, 0, resolves[r]);
            say("%s %s: %s", names[r], paths[p], fd < 0 ? errname(errno) : "ok");
            if (fd >= 0)
                close(fd);
        }
}

CASE(openat2_creation_through_links)
{
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    symlink("../up", "d/sub/up");
    symlink("../../out", "d/sub/out");
    symlink("/absolute", "d/sub/absolute");
    symlink("beside", "d/sub/beside");
    int d = open("d", O_RDONLY | O_DIRECTORY);
    const char *links[] = {"sub/up", "sub/out", "sub/absolute", "sub/beside"};
    const char *made[] = {"d/up", "d/out", "d/absolute", "d/sub/beside"};
    uint64_t resolves[] = {RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS};
    for (int r = 0; r < 3; r++) {
        for (int l = 0; l < 4; l++) {
            OKAY(openat2_(d, links[l], O_WRONLY | O_CREAT, 0644, resolves[r]));
            TRY(unlink(made[l]));
        }
    }
    char from[16], to[16] = "l0";
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof from, "l%d", i);
        symlink(to, from);
        strcpy(to, from);
    }
    OKAY(open("l12", O_WRONLY | O_CREAT, 0644));
    TRY(unlink("l0"));
    OKAY(open("l40", O_WRONLY | O_CREAT, 0644));
    TRY(unlink("l0"));
    OKAY(open("l41", O_WRONLY | O_CREAT, 0644));
    TRY(unlink("l0"));
}

CASE(openat2_special)
{
    OKAY(openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
    OKAY(openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
    OKAY(openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, 0));
    OKAY(openat2_(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
    OKAY(openat2_(AT_FDCWD, "/proc", O_RDONLY, 0, RESOLVE_NO_XDEV));
    int fd = open("/", O_RDONLY);
    OKAY(openat2_(fd, "proc/meminfo", O_RDONLY, 0, RESOLVE_NO_XDEV));
}

CASE(openat2_arguments)
{
    struct {
        struct open_how how;
        uint64_t more;
    } big = {{O_RDONLY, 0, 0}, 1};
    write_file("f", "", 0644);
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", &big, 8));
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", &big, 23));
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
    big.more = 0;
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", &big, 5000));
    TRY(syscall(SYS_openat2, AT_FDCWD, "f", 8, 24));
    TRY(openat2_(AT_FDCWD, "f", O_RDONLY, 0644, 0));
    TRY(openat2_(AT_FDCWD, "n", O_WRONLY | O_CREAT, 010000, 0));
    TRY(openat2_(AT_FDCWD, "n", O_WRONLY | O_CREAT, 0600, 0));
    TRY(openat2_(AT_FDCWD, "f", 1ull << 40, 0, 0));
    TRY(openat2_(AT_FDCWD, "f", O_RDONLY, 0, 0x1000));
    TRY(openat2_(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
    TRY(openat2_(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0));
}

CASE(flags_read_back)
{
    int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_NONBLOCK, O_RDWR | O_CREAT | O_TRUNC,
                   O_RDONLY | O_CLOEXEC, O_RDWR | O_SYNC, O_RDWR | O_DSYNC, O_RDONLY | O_NOATIME, O_RDONLY | O_DIRECTORY | 0};
    write_file("f", "", 0644);
    for (int i = 0; i < 10; i++) {
        int fd = open("f", modes[i], 0644);
        say("%#o: %#o %d", modes[i], fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
        close(fd);
    }
}

CASE(setfl)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    TRY(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT));
    say("%#o", fcntl(fd, F_GETFL));
    TRY(fcntl(fd, F_SETFL, 0));
    say("%#o", fcntl(fd, F_GETFL));
    TRY(fcntl(fd, 9999));
    TRY(fcntl(99, F_GETFL));
}

CASE(access_modes)
{
    write_file("f", "abc", 0644);
    char c;
    int r = open("f", O_RDONLY), w = open("f", O_WRONLY), n = open("f", 3);
    TRY(write(r, "x", 1));
    TRY(read(w, &c, 1));
    TRY(n);
    TRY(read(n, &c, 1));
    TRY(write(n, &c, 1));
    TRY(ftruncate(r, 0));
}

CASE(truncation)
{
    write_file("f", "abcdef", 0644);
    int r = open("f", O_RDONLY);
    TRY(open("f", O_WRONLY | O_TRUNC));
    SHOW(lseek(r, 0, SEEK_END));
    write_file("g", "abc", 0444);
    TRY(open("g", O_RDONLY | O_TRUNC));
    tell_file("g");
}

CASE(tmpfile)
{
    int fd;
    TRY(fd = open(".", O_TMPFILE | O_RDWR, 0600));
    struct stat st;
    fstat(fd, &st);
    say("links %d mode %o", (int)st.st_nlink, st.st_mode);
    write(fd, "tmp", 3);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    tell_file("named");
    fstat(fd, &st);
    SHOW(st.st_nlink);
    TRY(linkat(fd, "", AT_FDCWD, "named2", AT_EMPTY_PATH));
    TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
    TRY(open("named", O_TMPFILE | O_RDWR, 0600));
    TRY(open("missing", O_TMPFILE | O_RDWR, 0600));
    TRY(fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "named3", AT_SYMLINK_FOLLOW));
}

CASE(creat_and_umask)
{
    struct stat st;
    umask(027);
    TRY(creat("f", 0777));
    stat("f", &st);
    say("%o", st.st_mode & 07777);
    TRY(mkdir("d", 0777));
    stat("d", &st);
    say("%o", st.st_mode & 07777);
    TRY(mknod("n", S_IFREG | 0666, 0));
    stat("n", &st);
    say("%o", st.st_mode & 07777);
    TRY(mkfifo("p", 06777));
    stat("p", &st);
    say("%o", st.st_mode & 07777);
    TRY(open("s", O_CREAT | O_WRONLY, 07777));
    stat("s", &st);
    say("%o", st.st_mode & 07777);
    TRY(mkdir("t", 07777));
    stat("t", &st);
    say("%o", st.st_mode & 07777);
    SHOW(umask(07777));
    SHOW(umask(0));
}
