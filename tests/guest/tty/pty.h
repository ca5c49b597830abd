#ifndef PTY_H
#define PTY_H

#include "case.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

/* The two sides; the slave as given, without becoming anyone's controlling terminal. */
static int master = -1, slave = -1;

__attribute__((unused)) static void open_both(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    NEED(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    NEED(slave >= 0);
}

/* Whether something can be read within a second. */
__attribute__((unused)) static bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 1000) == 1 && p.revents & POLLIN;
}

/* Says what one read gives, with control characters spelled out. */
__attribute__((unused)) static void tell_read(const char *who, int fd, size_t most)
{
    char bytes[8192], text[4 * sizeof bytes] = "";
    if (most > sizeof bytes)
        most = sizeof bytes;
    int n = read(fd, bytes, most);
    if (n < 0) {
        say("%s: %s", who, errname(errno));
        return;
    }
    char *at = text;
    for (int i = 0; i < n; i++)
        at += sprintf(at, (unsigned char)bytes[i] < ' ' || bytes[i] == '\\' || bytes[i] == 127 ? "\\%03o" : "%c", bytes[i]);
    say("%s: %d \"%s\"", who, n, n > 200 ? "…" : text);
}

/* Types, gives the line discipline the time it may take, and tells what is echoed. */
__attribute__((unused)) static void type(const char *text)
{
    NEED(write(master, text, strlen(text)) == (ssize_t)strlen(text));
    if (readable(master))
        tell_read("echo", master, 8192);
    else
        say("no echo");
}

__attribute__((unused)) static void modes(tcflag_t in, tcflag_t out, tcflag_t local)
{
    struct termios t;
    NEED(tcgetattr(slave, &t) == 0);
    t.c_iflag = in, t.c_oflag = out, t.c_lflag = local;
    NEED(tcsetattr(slave, TCSANOW, &t) == 0);
}

#endif
