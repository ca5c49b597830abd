#include "case.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <utime.h>

static void tell_stat(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        say("%s: %s", path, errname(errno));
        return;
    }
    say("%s: mode %o links %d uid %d gid %d size %ld", path, st.st_mode, S_ISDIR(st.st_mode) ? -1 : (int)st.st_nlink,
        (int)st.st_uid, (int)st.st_gid, S_ISDIR(st.st_mode) ? -1L : (long)st.st_size);
}

/* Who owns a device is the host's matter: in a user namespace, nobody. */
static void tell_kind(const char *path)
{
    struct stat st;
    NEED(lstat(path, &st) == 0);
    say("%s: mode %o links %d size %ld", path, st.st_mode, (int)st.st_nlink, (long)st.st_size);
}

CASE(kinds)
{
    write_file("f", "12345", 0640);
    mkdir("d", 0711);
    symlink("12345678", "s");
    mkfifo("p", 0600);
    tell_stat("f");
    tell_stat("d");
    tell_stat("s");
    tell_stat("p");
    tell_kind("/dev/null");
    tell_kind("/dev/zero");
    tell_stat("missing");
}

CASE(identity)
{
    struct stat a, b, c;
    write_file("f", "", 0644);
    write_file("g", "", 0644);
    stat("f", &a);
    stat("g", &b);
    SHOW(a.st_ino != b.st_ino);
    SHOW(a.st_dev == b.st_dev);
    rename("f", "h");
    stat("h", &c);
    SHOW(a.st_ino == c.st_ino);
    fstat(open("h", O_RDONLY), &c);
    SHOW(a.st_ino == c.st_ino && a.st_dev == c.st_dev);
    stat(".", &a);
    mkdir("d", 0755);
    stat("d/..", &b);
    SHOW(a.st_ino == b.st_ino);
    SHOW(a.st_blksize >= 512);
}

CASE(devices)
{
    struct stat st;
    const char *names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
    for (int i = 0; i < 6; i++) {
        if (stat(names[i], &st) < 0)
            show_errno(names[i]);
        else
            say("%s: %d %d:%d", names[i], S_ISCHR(st.st_mode), (int)major(st.st_rdev), (int)minor(st.st_rdev));
    }
}

CASE(fstatat)
{
    struct stat st;
    mkdir("d", 0755);
    write_file("d/f", "123", 0644);
    symlink("f", "d/s");
    int d = open("d", O_RDONLY);
    TRY(fstatat(d, "f", &st, 0));
    TRY(fstatat(d, "s", &st, AT_SYMLINK_NOFOLLOW));
    SHOW(S_ISLNK(st.st_mode));
    TRY(fstatat(d, "", &st, AT_EMPTY_PATH));
    SHOW(S_ISDIR(st.st_mode));
    TRY(fstatat(d, "", &st, 0));
    TRY(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    TRY(fstatat(d, "f", &st, 0x8000000));
    TRY(fstatat(99, "f", &st, 0));
    TRY(fstatat(d, "f/", &st, 0));
}

CASE(statx)
{
    struct statx x;
    write_file("f", "1234567", 0640);
    TRY(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
    SHOW((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    say("%o %ld %d", x.stx_mode, (long)x.stx_size, (int)x.stx_nlink);
    struct stat st;
    stat("f", &st);
    SHOW(x.stx_ino == st.st_ino);
    SHOW(makedev(x.stx_dev_major, x.stx_dev_minor) == st.st_dev);
    SHOW(x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_mtime.tv_nsec == st.st_mtim.tv_nsec);
    TRY(statx(AT_FDCWD, "missing", 0, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "", 0, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "f", 0x8000000, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    TRY(statx(AT_FDCWD, "f", 0, 0x80000000, &x));
    TRY(statx(AT_FDCWD, "f", 0, STATX_SIZE, (void *)8));
    TRY(statx(open("f", O_RDONLY), "", AT_EMPTY_PATH, STATX_ALL, &x));
}

static int newer(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? (a.tv_sec > b.tv_sec) - (a.tv_sec < b.tv_sec)
                                : (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

static void changes(const char *text, const char *path, struct stat *before)
{
    struct stat st;
    lstat(path, &st);
    say("%s: mtime %d ctime %d", text, newer(st.st_mtim, before->st_mtim), newer(st.st_ctim, before->st_ctim));
    *before = st;
    msleep(25);
}

CASE(what_changes_times)
{
    struct stat f, d;
    mkdir("d", 0755);
    write_file("d/f", "x", 0644);
    stat("d/f", &f);
    stat("d", &d);
    msleep(25);
    int fd = open("d/f", O_RDWR);
    changes("open", "d/f", &f);
    write(fd, "y", 1);
    changes("write", "d/f", &f);
    chmod("d/f", 0600);
    changes("chmod", "d/f", &f);
    chown("d/f", 1, 1);
    changes("chown", "d/f", &f);
    link("d/f", "g");
    changes("link", "d/f", &f);
    unlink("g");
    changes("unlink", "d/f", &f);
    ftruncate(fd, 10);
    changes("truncate", "d/f", &f);
    changes("directory so far", "d", &d);
    rename("d/f", "d/h");
    changes("rename", "d", &d);
    mkdir("d/sub", 0755);
    changes("mkdir", "d", &d);
    rmdir("d/sub");
    changes("rmdir", "d", &d);
}

CASE(utimensat)
{
    struct stat st;
    write_file("f", "", 0644);
    symlink("f", "s");
    struct timespec t[2] = {{1000, 5}, {2000, 7}};
    TRY(utimensat(AT_FDCWD, "f", t, 0));
    stat("f", &st);
    say("%ld.%ld %ld.%ld", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    t[0].tv_nsec = UTIME_OMIT;
    t[1].tv_nsec = UTIME_NOW;
    TRY(utimensat(AT_FDCWD, "f", t, 0));
    stat("f", &st);
    SHOW(st.st_atim.tv_sec);
    SHOW(st.st_mtim.tv_sec > 1700000000);
    t[1].tv_nsec = 1000000000;
    TRY(utimensat(AT_FDCWD, "f", t, 0));
    t[1].tv_nsec = UTIME_OMIT;
    TRY(utimensat(AT_FDCWD, "missing", t, 0));
    t[0] = t[1] = (struct timespec){3000, 0};
    TRY(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
    lstat("s", &st);
    SHOW(st.st_mtim.tv_sec);
    stat("s", &st);
    SHOW(st.st_mtim.tv_sec != 3000);
    TRY(futimens(open("f", O_RDONLY), t));
    stat("f", &st);
    SHOW(st.st_mtim.tv_sec);
    TRY(utimensat(AT_FDCWD, "f", t, 0x8000000));
    TRY(utimensat(AT_FDCWD, NULL, t, 0));
    TRY(utime("f", &(struct utimbuf){11, 22}));
    TRY(utimes("f", (struct timeval[]){{1, 2}, {3, 4}}));
    stat("f", &st);
    say("%ld %ld", st.st_atim.tv_nsec, st.st_mtim.tv_nsec);
    TRY(utimes("f", (struct timeval[]){{1, 1000000}, {3, 4}}));
}

CASE(utimensat_rights)
{
    write_file("f", "", 0666);
    write_file("g", "", 0644);
    chmod("f", 0666);
    become(1000, 1000);
    struct timespec t[2] = {{1000, 5}, {2000, 7}};
    TRY(utimensat(AT_FDCWD, "f", NULL, 0));
    TRY(utimensat(AT_FDCWD, "f", t, 0));
    TRY(utimensat(AT_FDCWD, "g", NULL, 0));
    t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
    TRY(utimensat(AT_FDCWD, "g", t, 0));
}

CASE(statfs)
{
    struct statfs s;
    TRY(statfs(".", &s));
    SHOW(s.f_bsize >= 512 && s.f_namelen == 255);
    SHOW(s.f_blocks >= s.f_bfree && s.f_bfree >= s.f_bavail);
    TRY(statfs("/proc", &s));
    SHOWX(s.f_type);
    TRY(statfs("missing", &s));
    TRY(statfs(".", (void *)8));
    TRY(fstatfs(99, &s));
    TRY(fstatfs(open(".", O_PATH), &s));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(fstatfs(p[0], &s));
    SHOWX(s.f_type);
}

CASE(blocks_of_sparse_files)
{
    struct stat st;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 1 << 20);
    fstat(fd, &st);
    say("size %ld blocks %d", (long)st.st_size, (int)st.st_blocks);
    pwrite(fd, "x", 1, 500000);
    fstat(fd, &st);
    SHOW(st.st_blocks > 0 && st.st_blocks <= 128);
}

CASE(access_time)
{
    struct stat a, b;
    write_file("f", "x", 0644);
    struct timespec t[2] = {{1000, 0}, {2000, 0}};
    utimensat(AT_FDCWD, "f", t, 0);
    stat("f", &a);
    char c;
    int fd = open("f", O_RDONLY);
    read(fd, &c, 1);
    stat("f", &b);
    /* The old access time was before the modification. */
    SHOW(b.st_atim.tv_sec > a.st_atim.tv_sec);
}

/* Where a path was empty it need not stay so. */
CASE(the_empty_path_may_change)
{
    struct stat st;
    int dir = open(".", O_RDONLY);
    write_file("x", "12345", 0644);
    char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 2; i++) {
        mprotect(path, 4096, PROT_READ);
        TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
        SHOW(S_ISDIR(st.st_mode));
        TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
        SHOW(S_ISDIR(st.st_mode));
        mprotect(path, 4096, PROT_READ | PROT_WRITE);
        path[0] = 'x';
        TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
        SHOW(S_ISDIR(st.st_mode));
        path[0] = 0;
    }
    mprotect(path, 4096, PROT_READ);
    TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
    int fd = open("name", O_RDWR | O_CREAT, 0644);
    write(fd, "x", 2);
    mmap(path, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
    TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
    SHOW(S_ISDIR(st.st_mode));
    munmap(path, 4096);
    TRY(fstatat(dir, path, &st, AT_EMPTY_PATH));
}
