#include "pty.h"

CASE(editing)
{
    open_both();
    type("ab\177c\n");
    tell_read("slave", slave, 100);
    type("one two  three\027\027X\n");
    tell_read("slave", slave, 100);
    type("gone\025kept\n");
    tell_read("slave", slave, 100);
    type("a\001b\177\177c\n");
    tell_read("slave", slave, 100);
    type("a\tb\tc\177\177\177\n");
    tell_read("slave", slave, 100);
    type("q\026\003\026\177r\n");
    tell_read("slave", slave, 100);
    type("re\022print\n");
    tell_read("slave", slave, 100);
    type("\177\025\027\n");
    tell_read("slave", slave, 100);
}

CASE(ends)
{
    open_both();
    type("ab\004");
    tell_read("slave", slave, 100);
    write(master, "\004", 1);
    tell_read("slave", slave, 100);
    type("abc\004");
    tell_read("slave", slave, 3);
    type("next\n");
    tell_read("slave", slave, 2);
    tell_read("slave", slave, 100);
    type("one\ntwo\n");
    tell_read("slave", slave, 100);
    tell_read("slave", slave, 100);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_cc[VEOL] = ';';
    tcsetattr(slave, TCSANOW, &t);
    type("a;b\n");
    tell_read("slave", slave, 100);
    tell_read("slave", slave, 100);
}

CASE(carriage_returns)
{
    open_both();
    type("a\rb\n");
    tell_read("slave", slave, 100);
    tell_read("slave", slave, 100);
    modes(IGNCR, OPOST, ICANON | ECHO);
    type("a\rb\n");
    tell_read("slave", slave, 100);
    modes(INLCR, OPOST, ICANON | ECHO);
    type("a\nb\004");
    tell_read("slave", slave, 100);
    modes(ISTRIP | IUCLC, OPOST, ICANON | ECHO | IEXTEN);
    type("A\341B\n");
    tell_read("slave", slave, 100);
}

CASE(output_modes)
{
    open_both();
    const tcflag_t out[] = {0, OPOST, OPOST | ONLCR, OPOST | OCRNL, OPOST | ONOCR, OPOST | ONLRET, OPOST | OLCUC, OPOST | XTABS};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        modes(ICRNL, out[i], ICANON);
        NEED(write(slave, "\r\nab\tc\rx\n\ry\b\n", 14) == 14);
        usleep(1000);
        tell_read("master", master, 100);
    }
}

CASE(echo_modes)
{
    open_both();
    const tcflag_t local[] = {0, ECHO, ECHO | ECHOE, ECHO | ECHOE | ECHOK, ECHO | ECHOE | ECHOK | ECHOKE,
                              ECHO | ECHOCTL, ECHO | ECHOCTL | ECHOE, ECHO | ECHOE | ECHOPRT, ECHONL, ECHO | ECHOK};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        modes(ICRNL, 0, ICANON | IEXTEN | local[i]);
        NEED(write(master, "ab\001\177\177c\025de f\027g\n", 15) == 15);
        tell_read("slave", slave, 100);
        usleep(1000);
        fcntl(master, F_SETFL, O_NONBLOCK);
        tell_read("echo", master, 100);
    }
}

CASE(characters_of_several_bytes)
{
    open_both();
    type("a\303\251\177\n");
    tell_read("slave", slave, 100);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag |= IUTF8;
    tcsetattr(slave, TCSANOW, &t);
    type("a\303\251\177\342\202\254\t\177\177\n");
    tell_read("slave", slave, 100);
}

CASE(raw)
{
    open_both();
    struct termios t;
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    tcsetattr(slave, TCSANOW, &t);
    write(master, "a\003\r\n\177\004", 6);
    tell_read("slave", slave, 100);
    write(slave, "a\nb", 3);
    tell_read("master", master, 100);
}

CASE(least_and_time)
{
    open_both();
    struct termios t;
    tcgetattr(slave, &t);
    cfmakeraw(&t);
    t.c_cc[VMIN] = 3;
    tcsetattr(slave, TCSANOW, &t);
    write(master, "ab", 2);
    usleep(1000);
    struct pollfd p = {slave, POLLIN, 0};
    TRY(poll(&p, 1, 0));
    pid_t child;
    CHILD(child) tell_read("slave", slave, 100);
    usleep(20000);
    write(master, "c", 1);
    reap(child);
    write(master, "xyz", 3);
    tell_read("slave", slave, 2);
    tell_read("slave", slave, 1);
    t.c_cc[VMIN] = 0;
    tcsetattr(slave, TCSANOW, &t);
    tell_read("slave", slave, 100);
    t.c_cc[VTIME] = 2;
    tcsetattr(slave, TCSANOW, &t);
    tell_read("slave", slave, 100);
    write(master, "q", 1);
    tell_read("slave", slave, 100);
}

CASE(long_lines)
{
    open_both();
    modes(ICRNL, 0, ICANON);
    char block[6000];
    memset(block, 'x', sizeof block);
    fcntl(master, F_SETFL, O_NONBLOCK);
    for (size_t done = 0; done < sizeof block;) {
        ssize_t n = write(master, block + done, sizeof block - done);
        done += n > 0 ? n : 0;
        usleep(100);
    }
    write(master, "\n", 1);
    usleep(2000);
    int n;
    char got[8192];
    SHOW(n = read(slave, got, sizeof got));
    SHOW(got[n - 1]);
}

CASE(modes_change)
{
    open_both();
    struct termios cooked, raw;
    tcgetattr(slave, &cooked);
    raw = cooked;
    cfmakeraw(&raw);
    type("one\ntw");
    tcsetattr(slave, TCSANOW, &raw);
    tell_read("slave", slave, 100);
    write(master, "abc", 3);
    usleep(1000);
    tcsetattr(slave, TCSANOW, &cooked);
    tell_read("slave", slave, 100);
    type("lost");
    tcsetattr(slave, TCSAFLUSH, &cooked);
    type("x\n");
    tell_read("slave", slave, 100);
}

CASE(flow)
{
    open_both();
    fcntl(slave, F_SETFL, O_NONBLOCK);
    write(master, "\023", 1);
    usleep(1000);
    TRY(write(slave, "held", 4));
    struct pollfd p = {slave, POLLOUT, 0};
    TRY(poll(&p, 1, 0));
    write(master, "\021", 1);
    usleep(1000);
    TRY(poll(&p, 1, 0));
    TRY(write(slave, "free", 4));
    tell_read("master", master, 100);
    tcflow(slave, TCOOFF);
    TRY(write(slave, "held", 4));
    write(master, "\021", 1);
    usleep(1000);
    TRY(write(slave, "held", 4));
    tcflow(slave, TCOON);
    tcflow(slave, TCIOFF);
    tcflow(slave, TCION);
    usleep(1000);
    tell_read("master", master, 100);
}
