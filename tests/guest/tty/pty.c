#include "pty.h"

CASE(names)
{
    char name[64];
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    NEED(m >= 0);
    int number = -1, locked = -1;
    TRY(ioctl(m, TIOCGPTN, &number));
    TRY(ioctl(m, TIOCGPTLCK, &locked));
    SHOW(locked);
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    SHOW(strcmp(name, ptsname(m)));
    TRY(open(name, O_RDWR | O_NOCTTY) >= 0 ? 0 : -1);
    TRY(unlockpt(m));
    int s = open(name, O_RDWR | O_NOCTTY);
    NEED(s >= 0);
    SHOW(strcmp(ttyname(s), name));
    SHOW(isatty(s));
    SHOW(isatty(m));
    struct stat a, b;
    fstat(s, &a), stat(name, &b);
    SHOW(a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_rdev == b.st_rdev);
    SHOW(a.st_rdev == makedev(136, number));
    SHOW(a.st_uid == getuid());
    fstat(m, &a);
    SHOW(a.st_rdev == makedev(5, 2));
    close(m);
    TRY(access(name, F_OK));
}

CASE(numbers_are_reused)
{
    int a = posix_openpt(O_RDWR | O_NOCTTY), n, m;
    ioctl(a, TIOCGPTN, &n);
    close(a);
    a = posix_openpt(O_RDWR | O_NOCTTY);
    ioctl(a, TIOCGPTN, &m);
    SHOW(n == m);
}

CASE(initial_modes)
{
    open_both();
    struct termios t;
    TRY(tcgetattr(slave, &t));
    SHOWX(t.c_iflag);
    SHOWX(t.c_oflag);
    SHOWX(t.c_cflag);
    SHOWX(t.c_lflag);
    for (int i = 0; i < 17; i++)
        say("cc %d: %d", i, t.c_cc[i]);
    SHOW(cfgetospeed(&t) == B38400);
    t.c_cflag = CS5 | PARENB | B9600;
    TRY(tcsetattr(slave, TCSANOW, &t));
    TRY(tcgetattr(master, &t));
    SHOWX(t.c_cflag);
}

CASE(both_ways)
{
    open_both();
    TRY(write(slave, "out\n", 4));
    tell_read("master", master, 100);
    type("in\n");
    tell_read("slave", slave, 100);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    fcntl(master, F_SETFL, O_NONBLOCK);
    tell_read("slave", slave, 100);
    tell_read("master", master, 100);
    TRY(lseek(slave, 0, SEEK_SET));
    TRY(pread(slave, &slave, 1, 0));
}

CASE(slave_closes)
{
    open_both();
    struct pollfd p = {master, POLLIN | POLLOUT | POLLHUP, 0};
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    write(slave, "last", 4);
    close(slave);
    usleep(1000);
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    tell_read("master", master, 100);
    tell_read("master", master, 100);
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    TRY(write(slave, "x", 1));
    tell_read("master", master, 100);
}

CASE(master_closes)
{
    open_both();
    type("typed\n");
    close(master);
    usleep(1000);
    struct pollfd p = {slave, POLLIN | POLLOUT, 0};
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    tell_read("slave", slave, 100);
    TRY(write(slave, "x", 1));
    struct termios t;
    TRY(tcgetattr(slave, &t));
    int n;
    TRY(ioctl(slave, FIONREAD, &n));
    TRY(ioctl(slave, TIOCSPGRP, &n));
}

CASE(a_reader_is_woken_by_the_end)
{
    open_both();
    pid_t child;
    CHILD(child)
    {
        close(master);
        tell_read("slave", slave, 10);
    }
    usleep(50000);
    close(master);
    reap(child);
}

CASE(a_writer_waits_for_the_reader)
{
    open_both();
    modes(0, 0, 0);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    char block[1000];
    memset(block, 'x', sizeof block);
    long sum = 0, n;
    while ((n = write(slave, block, sizeof block)) > 0)
        sum += n;
    SHOW(errno == EAGAIN);
    SHOW(sum >= 4096 && sum < 1 << 20);
    long got = 0;
    fcntl(master, F_SETFL, O_NONBLOCK);
    while (usleep(1000), (n = read(master, block, sizeof block)) > 0)
        got += n;
    SHOW(got == sum);
    TRY(write(slave, block, 10));
}

CASE(window_size)
{
    open_both();
    struct winsize w = {24, 80, 1, 2}, got = {9, 9, 9, 9};
    TRY(ioctl(slave, TIOCGWINSZ, &got));
    say("%d %d %d %d", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
    TRY(ioctl(master, TIOCSWINSZ, &w));
    TRY(ioctl(slave, TIOCGWINSZ, &got));
    say("%d %d %d %d", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
    TRY(ioctl(slave, TIOCGWINSZ, 8));
}

CASE(requests)
{
    open_both();
    int n = 77;
    TRY(ioctl(slave, TIOCGETD, &n));
    SHOW(n);
    n = 99;
    TRY(ioctl(slave, TIOCSETD, &n));
    TRY(tcdrain(slave));
    TRY(tcsendbreak(slave, 0));
    TRY(tcflow(slave, 9));
    TRY(tcflush(slave, 9));
    TRY(ioctl(slave, TIOCOUTQ, &n));
    SHOW(n);
    TRY(ioctl(slave, TIOCGPTN, &n));
    TRY(ioctl(slave, 0x5499, 0));
    TRY(ioctl(master, TIOCSIG, SIGTERM));
    TRY(ioctl(slave, TIOCEXCL, 0));
    TRY(ioctl(slave, TIOCNXCL, 0));
}

CASE(queued)
{
    open_both();
    int n = 0;
    type("abc");
    TRY(ioctl(slave, FIONREAD, &n));
    SHOW(n);
    type("\n");
    TRY(ioctl(slave, FIONREAD, &n));
    SHOW(n);
    TRY(tcflush(slave, TCIFLUSH));
    TRY(ioctl(slave, FIONREAD, &n));
    SHOW(n);
    write(slave, "out", 3);
    usleep(1000);
    TRY(ioctl(master, FIONREAD, &n));
    SHOW(n);
}

CASE(packets)
{
    open_both();
    int on = 1;
    TRY(ioctl(master, TIOCPKT, &on));
    write(slave, "data\n", 5);
    usleep(1000);
    tell_read("master", master, 100);
    tcflush(slave, TCIFLUSH);
    struct pollfd p = {master, POLLIN | POLLPRI, 0};
    TRY(poll(&p, 1, 0));
    SHOWX(p.revents);
    tell_read("master", master, 100);
    tcflow(slave, TCOOFF);
    tell_read("master", master, 100);
    tcflow(slave, TCOON);
    tell_read("master", master, 100);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag &= ~IXON;
    tcsetattr(slave, TCSANOW, &t);
    tell_read("master", master, 100);
    t.c_iflag |= IXON;
    tcsetattr(slave, TCSANOW, &t);
    tell_read("master", master, 100);
    on = 0;
    TRY(ioctl(master, TIOCPKT, &on));
    write(slave, "plain", 5);
    usleep(1000);
    tell_read("master", master, 100);
}
