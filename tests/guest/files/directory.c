#include "case.h"
#include <dirent.h>
#include <sys/inotify.h>
#include <sys/xattr.h>

struct linux_dirent64_ {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
    char *names[64], line[512] = "";
    int n = 0;
    DIR *d = opendir(path);
    NEED(d);
    for (struct dirent *e; n < 64 && (e = readdir(d));) {
        names[n] = malloc(300);
        snprintf(names[n++], 300, "%s%s", e->d_name,
                 e->d_type == DT_DIR    ? "/"
                 : e->d_type == DT_LNK  ? "@"
                 : e->d_type == DT_FIFO ? "|"
                 : e->d_type == DT_REG  ? ""
                                        : "?");
    }
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s", names[i]);
    say("%s:%s", path, line);
}

CASE(entries)
{
    mkdir("d", 0755);
    write_file("d/file", "", 0644);
    symlink("x", "d/link");
    mkfifo("d/fifo", 0644);
    mkdir("d/sub", 0755);
    list("d");
    unlink("d/file");
    rmdir("d/sub");
    list("d");
    list("d/../d/.");
}

CASE(raw_getdents)
{
    char buf[1024];
    mkdir("d", 0755);
    write_file("d/a_name", "", 0644);
    int fd = open("d", O_RDONLY);
    TRY(syscall(SYS_getdents64, fd, buf, 10));
    long n = syscall(SYS_getdents64, fd, buf, sizeof buf), found = 0;
    for (long at = 0; at < n;) {
        struct linux_dirent64_ *e = (void *)(buf + at);
        struct stat st;
        fstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW);
        if (strcmp(e->name, "a_name") == 0)
            found = e->ino == st.st_ino && e->type == DT_REG && e->reclen % 8 == 0;
        at += e->reclen;
    }
    SHOW(found);
    SHOW(n % 8);
    TRY(syscall(SYS_getdents64, fd, buf, sizeof buf));
    TRY(syscall(SYS_getdents64, 0, buf, sizeof buf));
    TRY(syscall(SYS_getdents64, 99, buf, sizeof buf));
    TRY(syscall(SYS_getdents64, open("d", O_PATH), buf, sizeof buf));
    lseek(fd, 0, SEEK_SET);
    TRY(syscall(SYS_getdents64, fd, 8, 1000));
    SHOW(syscall(SYS_getdents64, fd, buf, sizeof buf) == n);
}

CASE(small_buffers_see_all)
{
    char name[32], buf[100];
    mkdir("d", 0755);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "d/%03d-some-name", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    int fd = open("d", O_RDONLY), seen = 0;
    char once[200] = {0};
    long n;
    while ((n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0)
        for (long at = 0; at < n; at += ((struct linux_dirent64_ *)(buf + at))->reclen) {
            struct linux_dirent64_ *e = (void *)(buf + at);
            seen++;
            if (e->name[0] != '.')
                once[atoi(e->name)]++;
        }
    SHOW(seen);
    int bad = 0;
    for (int i = 0; i < 200; i++)
        bad += once[i] != 1;
    SHOW(bad);
}

CASE(seekdir)
{
    mkdir("d", 0755);
    for (char c = 'a'; c <= 'j'; c++)
        close(open((char[]){'d', '/', c, 0}, O_CREAT | O_WRONLY, 0644));
    DIR *d = opendir("d");
    for (int i = 0; i < 5; i++)
        readdir(d);
    long at = telldir(d);
    char name[10];
    strcpy(name, readdir(d)->d_name);
    for (int i = 0; i < 3; i++)
        readdir(d);
    seekdir(d, at);
    SHOW(strcmp(readdir(d)->d_name, name));
    rewinddir(d);
    int n = 0;
    while (readdir(d))
        n++;
    SHOW(n);
}

CASE(removal_while_reading)
{
    char name[32];
    mkdir("d", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "d/n%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *d = opendir("d");
    int failed = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            failed += unlinkat(dirfd(d), e->d_name, 0) != 0;
    SHOW(failed);
    TRY(rmdir("d"));
}

CASE(removed_directory)
{
    char buf[1000];
    mkdir("d", 0755);
    int fd = open("d", O_RDONLY);
    rmdir("d");
    TRY(syscall(SYS_getdents64, fd, buf, sizeof buf));
    TRY(openat(fd, "x", O_CREAT | O_WRONLY, 0644));
    struct stat st;
    TRY(fstat(fd, &st));
    SHOW(st.st_nlink);
}

CASE(xattrs)
{
    char buf[100] = "";
    write_file("f", "", 0644);
    if (setxattr("f", "user.probe", "", 0, 0) < 0) {
        show_errno("no user attributes");
        return;
    }
    removexattr("f", "user.probe");
    TRY(setxattr("f", "user.one", "value", 5, 0));
    TRY(getxattr("f", "user.one", buf, 100));
    say("%s", buf);
    TRY(getxattr("f", "user.one", buf, 0));
    TRY(getxattr("f", "user.one", buf, 2));
    TRY(getxattr("f", "user.two", buf, 100));
    TRY(setxattr("f", "user.one", "v", 1, XATTR_CREATE));
    TRY(setxattr("f", "user.two", "v", 1, XATTR_REPLACE));
    TRY(setxattr("f", "user.one", "", 0, XATTR_REPLACE));
    TRY(getxattr("f", "user.one", buf, 100));
    TRY(listxattr("f", buf, 100));
    TRY(listxattr("f", buf, 3));
    TRY(setxattr("f", "bad", "v", 1, 0));
    TRY(setxattr("f", "unknown.x", "v", 1, 0));
    TRY(setxattr("f", "user.", "v", 1, 0));
    TRY(setxattr("f", "", "v", 1, 0));
    TRY(setxattr("f", "user.x", "v", 1, 99));
    TRY(setxattr("f", "user.x", "v", 65537, 0));
    TRY(removexattr("f", "user.one"));
    TRY(removexattr("f", "user.one"));
    TRY(fsetxattr(open("f", O_RDONLY), "user.fd", "v", 1, 0));
    TRY(fgetxattr(open("f", O_PATH), "user.fd", buf, 100));
    symlink("f", "s");
    TRY(lsetxattr("s", "user.x", "v", 1, 0));
    TRY(getxattr("missing", "user.x", buf, 100));
}

CASE(trusted_xattrs)
{
    char buf[10];
    write_file("f", "", 0644);
    TRY(setxattr("f", "trusted.x", "v", 1, 0));
    become(1000, 1000);
    TRY(setxattr("f", "trusted.y", "v", 1, 0));
    TRY(getxattr("f", "trusted.x", buf, 10));
    TRY(setxattr("f", "user.x", "v", 1, 0));
    TRY(setxattr("f", "security.capability", "v", 1, 0));
}

CASE(xattr_names_and_lists)
{
    char buf[100];
    write_file("f", "", 0644);
    symlink("f", "s");
    TRY(setxattr("f", "system.unknown", "v", 1, 0));
    TRY(getxattr("f", "unknown.x", buf, 10));
    TRY(getxattr("f", "user.", buf, 10));
    TRY(removexattr("f", "security."));
    TRY(removexattr("f", "user.none"));
    TRY(lsetxattr("s", "user.x", "v", 1, 0));
    TRY(lgetxattr("s", "user.x", buf, 10));
    TRY(setxattr("s", "user.b", "", 0, 0));
    TRY(setxattr("s", "user.a", "12", 2, XATTR_CREATE));
    TRY(listxattr("f", NULL, 0));
    TRY(listxattr("f", buf, 3));
    TRY(getxattr("f", "user.b", buf, 10));
    TRY(getxattr("f", "user.a", buf, 1));
    TRY(getxattr("f", "user.a", NULL, 0));
    TRY(setxattr("f", "security.capability", "\0\0\0\2aaaabbbbccccdddd", 20, 0));
    TRY(setxattr("f", "security.capability", "\0\0\0\2aaaabbbbccccdddde", 21, 0));
    become(1000, 1000);
    TRY(setxattr("f", "security.capability", "\0\0\0\2aaaabbbbccccdddd", 20, 0));
    TRY(removexattr("f", "security.capability"));
    TRY(setxattr("f", "security.other", "v", 1, 0));
}

static void tell_events(int fd)
{
    char buf[4096] __attribute__((aligned(8)));
    long n = read(fd, buf, sizeof buf);
    if (n < 0)
        show_errno("read");
    for (long at = 0; at < n;) {
        struct inotify_event *e = (void *)(buf + at);
        say("wd %d mask %#x cookie %d %s", e->wd, e->mask, e->cookie != 0, e->len ? e->name : "-");
        at += (long)(sizeof *e + e->len);
    }
}

CASE(inotify)
{
    mkdir("d", 0755);
    int fd;
    TRY(fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    TRY(inotify_add_watch(fd, "d", IN_ALL_EVENTS));
    tell_events(fd);
    write_file("d/f", "abc", 0644);
    tell_events(fd);
    rename("d/f", "d/g");
    chmod("d/g", 0600);
    tell_events(fd);
    mkdir("d/sub", 0755);
    unlink("d/g");
    rmdir("d/sub");
    tell_events(fd);
    rmdir("d");
    tell_events(fd);
    TRY(inotify_rm_watch(fd, 1));
}

CASE(inotify_watches)
{
    mkdir("d", 0755);
    write_file("f", "x", 0644);
    int fd = inotify_init1(IN_NONBLOCK);
    TRY(inotify_add_watch(fd, "f", IN_MODIFY));
    TRY(inotify_add_watch(fd, "f", IN_ATTRIB));
    TRY(inotify_add_watch(fd, "f", IN_MODIFY | IN_MASK_ADD));
    TRY(inotify_add_watch(fd, "f", IN_MODIFY | IN_MASK_CREATE));
    TRY(inotify_add_watch(fd, "d", IN_CREATE | IN_ONESHOT));
    TRY(inotify_add_watch(fd, "f", IN_CREATE | IN_ONLYDIR));
    TRY(inotify_add_watch(fd, "missing", IN_CREATE));
    TRY(inotify_add_watch(fd, "f", 0));
    TRY(inotify_add_watch(0, "f", IN_MODIFY));
    write_file("d/a", "", 0644);
    write_file("d/b", "", 0644);
    int w = open("f", O_WRONLY);
    write(w, "1", 1);
    write(w, "2", 1);
    fchmod(w, 0600);
    tell_events(fd);
    TRY(inotify_rm_watch(fd, 1));
    tell_events(fd);
    struct pollfd p = {fd, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    char buf[8];
    write(w, "3", 1);
    TRY(read(fd, buf, 8));
    TRY(write(fd, buf, 8));
}

CASE(inotify_of_deleted_file)
{
    write_file("f", "x", 0644);
    int fd = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(fd, "f", IN_ALL_EVENTS);
    int keep = open("f", O_RDONLY);
    unlink("f");
    tell_events(fd);
    close(keep);
    tell_events(fd);
}
