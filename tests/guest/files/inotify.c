#include "case.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static uint32_t last_cookie;

static void tell_events(int fd)
{
    char buf[8192];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0)
        show_errno("read");
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (void *)(buf + at);
        const char *pair = !e->cookie ? "" : e->cookie == last_cookie ? " same cookie" : " cookie";
        last_cookie = e->cookie;
        say("wd %d mask %#x len %u%s %s", e->wd, e->mask, e->len, pair, e->len ? e->name : "-");
        at += (ssize_t)(sizeof *e + e->len);
    }
}

static int watch(const char *path, uint32_t mask)
{
    int fd = inotify_init1(IN_NONBLOCK);
    NEED(fd >= 0 && inotify_add_watch(fd, path, mask) == 1);
    return fd;
}

CASE(renames)
{
    mkdir("a", 0755), mkdir("b", 0755), mkdir("a/dir", 0755);
    write_file("a/f", "1", 0644), write_file("b/g", "2", 0644), write_file("a/h", "3", 0644);
    int fd = watch("a", IN_ALL_EVENTS);
    inotify_add_watch(fd, "b", IN_ALL_EVENTS);
    inotify_add_watch(fd, "a/f", IN_ALL_EVENTS);
    inotify_add_watch(fd, "b/g", IN_ALL_EVENTS);
    inotify_add_watch(fd, "a/dir", IN_ALL_EVENTS);
    TRY(rename("a/f", "b/f"));
    tell_events(fd);
    TRY(rename("b/f", "b/g"));
    tell_events(fd);
    TRY(rename("a/dir", "b/dir"));
    tell_events(fd);
    TRY(renameat2(AT_FDCWD, "a/h", AT_FDCWD, "b/dir", RENAME_EXCHANGE));
    tell_events(fd);
    TRY(rename("b/g", "b/g"));
    TRY(rename("missing", "b/g"));
    tell_events(fd);
}

CASE(links)
{
    mkdir("d", 0755);
    write_file("f", "1", 0644);
    int fd = watch("d", IN_ALL_EVENTS);
    inotify_add_watch(fd, "f", IN_ALL_EVENTS);
    TRY(link("f", "d/l"));
    TRY(symlink("f", "d/s"));
    TRY(mkfifo("d/p", 0644));
    tell_events(fd);
    int w = open("d/l", O_WRONLY);
    write(w, "x", 1);
    close(w);
    tell_events(fd);
    TRY(unlink("f"));
    tell_events(fd);
    TRY(unlink("d/l"));
    tell_events(fd);
}

CASE(truncating_opens)
{
    mkdir("d", 0755);
    write_file("d/f", "12345", 0644);
    int fd = watch("d", IN_ALL_EVENTS);
    int flags[] = {O_RDONLY | O_TRUNC, O_WRONLY | O_TRUNC, O_RDWR};
    for (int i = 0; i < 3; i++) {
        int f = open("d/f", flags[i]);
        tell_events(fd);
        close(f);
        tell_events(fd);
    }
}

CASE(attributes)
{
    mkdir("d", 0755);
    write_file("d/f", "12345", 0644);
    int fd = watch("d", IN_ALL_EVENTS);
    chmod("d/f", 0600);
    tell_events(fd);
    chown("d/f", (uid_t)-1, (gid_t)-1);
    tell_events(fd);
    struct timespec t[2] = {{1, 0}, {2, 0}};
    utimensat(AT_FDCWD, "d/f", t, 0);
    tell_events(fd);
    t[0].tv_nsec = UTIME_OMIT;
    utimensat(AT_FDCWD, "d/f", t, 0);
    tell_events(fd);
    t[0].tv_nsec = 0, t[1].tv_nsec = UTIME_OMIT;
    utimensat(AT_FDCWD, "d/f", t, 0);
    tell_events(fd);
    setxattr("d/f", "user.x", "1", 1, 0);
    removexattr("d/f", "user.x");
    tell_events(fd);
    chmod("d", 0700);
    tell_events(fd);
}

CASE(contents)
{
    mkdir("d", 0755);
    write_file("d/f", "12345", 0644);
    int in = watch("d", IN_ALL_EVENTS);
    char buf[10];
    int fd = open("d/f", O_RDWR | O_TRUNC);
    tell_events(in);
    TRY(read(fd, buf, 10));
    TRY(pwrite(fd, "abc", 3, 0));
    TRY(pread(fd, buf, 10, 0));
    TRY(pread(fd, buf, 10, 100));
    TRY(write(fd, "", 0));
    tell_events(in);
    ftruncate(fd, 2);
    truncate("d/f", 2);
    tell_events(in);
    fallocate(fd, 0, 0, 100);
    tell_events(in);
    int to = open("d/to", O_CREAT | O_EXCL | O_RDWR, 0644);
    lseek(fd, 0, SEEK_SET);
    TRY(sendfile(to, fd, NULL, 50));
    tell_events(in);
    char *p = MAP_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    p[0] = 'x';
    close(dup(fd));
    tell_events(in);
    munmap(p, 4096);
    close(open("d/f", O_PATH));
    close(fd);
    close(to);
    tell_events(in);
    open("d/missing", O_RDONLY);
    close(open("d/f", O_RDONLY));
    tell_events(in);
}

CASE(directories)
{
    mkdir("d", 0755), mkdir("d/sub", 0755);
    int in = watch("d", IN_ALL_EVENTS);
    inotify_add_watch(in, "d/sub", IN_ALL_EVENTS);
    DIR *d = opendir("d/sub");
    tell_events(in);
    readdir(d);
    tell_events(in);
    write_file("d/sub/f", "", 0644);
    tell_events(in);
    unlink("d/sub/f");
    rmdir("d/sub");
    tell_events(in);
    closedir(d);
    tell_events(in);
}

CASE(unlinked_and_open)
{
    mkdir("d", 0755);
    write_file("d/f", "1", 0644), write_file("d/g", "1", 0644);
    int all = watch("d", IN_ALL_EVENTS), fewer = watch("d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    int f = open("d/f", O_RDWR);
    unlink("d/f");
    tell_events(all), tell_events(fewer);
    write(f, "x", 1);
    close(f);
    tell_events(all), tell_events(fewer);
}

CASE(executed)
{
    mkdir("d", 0755);
    int from = open("/bin/true", O_RDONLY), to = open("d/prog", O_CREAT | O_WRONLY, 0755);
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        ;
    close(to);
    int in = watch("d", IN_OPEN | IN_CLOSE);
    pid_t pid;
    CHILD(pid) execl("d/prog", "prog", (char *)NULL);
    tell_wait("child", pid);
    tell_events(in);
}

CASE(follows_links_or_not)
{
    write_file("f", "1", 0644);
    symlink("f", "s");
    int in = watch("s", IN_ALL_EVENTS);
    TRY(inotify_add_watch(in, "f", IN_ALL_EVENTS));
    TRY(inotify_add_watch(in, "s", IN_ALL_EVENTS | IN_DONT_FOLLOW));
    unlink("s");
    tell_events(in);
    TRY(inotify_rm_watch(in, 1));
    TRY(inotify_rm_watch(in, 7));
    TRY(inotify_rm_watch(0, 1));
    TRY(inotify_add_watch(in, "f", IN_MODIFY));
    tell_events(in);
    TRY(inotify_add_watch(in, "f", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE));
    TRY(inotify_add_watch(in, "f", 0x1000));
    TRY(inotify_add_watch(in, "f", IN_ONLYDIR));
    TRY(inotify_add_watch(in, NULL, IN_MODIFY));
    TRY(inotify_add_watch(77, "f", IN_MODIFY));
    TRY(inotify_init1(1));
}

CASE(not_readable)
{
    write_file("f", "1", 0200);
    become(1000, 1000);
    int in = inotify_init();
    TRY(inotify_add_watch(in, "f", IN_MODIFY));
}

CASE(waiting)
{
    mkdir("d", 0755);
    int in = watch("d", IN_CREATE), ep = epoll_create1(0), n = -1;
    struct epoll_event e = {.events = EPOLLIN}, got;
    NEED(epoll_ctl(ep, EPOLL_CTL_ADD, in, &e) == 0);
    TRY(epoll_wait(ep, &got, 1, 0));
    TRY(ioctl(in, FIONREAD, &n));
    say("%d", n);
    pid_t pid;
    CHILD(pid)
    {
        usleep(20000);
        write_file("d/name", "", 0644);
        write_file("d/a_much_longer_name", "", 0644);
    }
    TRY(epoll_wait(ep, &got, 1, 5000));
    tell_wait("child", pid);
    TRY(ioctl(in, FIONREAD, &n));
    say("%d", n);
    char buf[40];
    TRY(read(in, buf, 16));
    TRY(read(in, buf, 40));
    TRY(read(in, buf, 40));
    tell_events(in);
    TRY(epoll_wait(ep, &got, 1, 0));
    NEED(fcntl(in, F_SETFL, 0) == 0);
    CHILD(pid)
    {
        usleep(20000);
        mkdir("d/late", 0755);
    }
    tell_events(in);
    reap(pid);
    mkdir("d/lost", 0755);
    TRY(read(in, (void *)8, 100));
    NEED(fcntl(in, F_SETFL, O_NONBLOCK) == 0);
    tell_events(in);
}
