#include "pty.h"

static volatile sig_atomic_t seen[65];

static void note(int signo)
{
    seen[signo]++;
}

static void watch(int signo)
{
    struct sigaction a = {.sa_handler = note};
    sigaction(signo, &a, NULL);
}

/* Waits for a signal to have come, a second at most. */
static bool came(int signo)
{
    for (int i = 0; i < 1000 && !seen[signo]; i++)
        usleep(1000);
    return seen[signo];
}

/* A leader with the slave as its controlling terminal: each case begins as the leader of a session without one. */
static void control(void)
{
    open_both();
    NEED(ioctl(slave, TIOCSCTTY, 0) == 0);
}

CASE(becoming_controlling)
{
    open_both();
    TRY(open("/dev/tty", O_RDWR) >= 0 ? 0 : -1);
    TRY(tcgetpgrp(slave));
    TRY(tcgetsid(slave));
    TRY(ioctl(slave, TIOCNOTTY, 0));
    TRY(ioctl(slave, TIOCSCTTY, 0));
    TRY(ioctl(slave, TIOCSCTTY, 0));
    SHOW(tcgetpgrp(slave) == getpgrp());
    SHOW(tcgetsid(slave) == getsid(0));
    int fd = open("/dev/tty", O_RDWR);
    SHOW(fd >= 0);
    SHOW(strcmp(ttyname(fd), "/dev/tty"));
    write(fd, "hello", 5);
    tell_read("master", master, 100);
    SHOW(tcgetpgrp(master) == getpgrp());
    SHOW(tcgetsid(master) == getsid(0));
    /* Another one is refused. */
    int m = posix_openpt(O_RDWR | O_NOCTTY);
    unlockpt(m);
    int other = open(ptsname(m), O_RDWR);
    SHOW(other >= 0);
    TRY(tcgetpgrp(other));
    TRY(ioctl(other, TIOCSCTTY, 0));
    TRY(ioctl(other, TIOCNOTTY, 0));
}

CASE(opening_makes_it_controlling)
{
    open_both();
    int fd = open(ptsname(master), O_RDWR);
    SHOW(tcgetsid(fd) == getsid(0));
    pid_t child;
    CHILD(child)
    {
        SHOW(tcgetsid(fd) == getsid(0));
        TRY(ioctl(fd, TIOCNOTTY, 0));
        TRY(tcgetsid(fd));
        TRY(ioctl(fd, TIOCSCTTY, 0));
        TRY(setsid() > 0 ? 0 : -1);
        /* It is taken. */
        TRY(ioctl(fd, TIOCSCTTY, 0));
        TRY(open("/dev/tty", O_RDWR) >= 0 ? 0 : -1);
    }
    reap(child);
    SHOW(tcgetsid(fd) == getsid(0));
}

CASE(not_for_others)
{
    open_both();
    pid_t child;
    CHILD(child)
    {
        TRY(ioctl(slave, TIOCSCTTY, 0));
        TRY(tcsetpgrp(slave, getpgrp()));
    }
    reap(child);
    int fd = open(ptsname(master), O_WRONLY);
    TRY(tcgetsid(fd));
}

CASE(signals_of_the_keyboard)
{
    control();
    watch(SIGINT), watch(SIGQUIT), watch(SIGTSTP), watch(SIGWINCH);
    type("abc\003");
    SHOW(came(SIGINT));
    type("\034");
    SHOW(came(SIGQUIT));
    type("\032");
    SHOW(came(SIGTSTP));
    struct winsize w = {10, 20, 0, 0};
    ioctl(master, TIOCSWINSZ, &w);
    SHOW(came(SIGWINCH));
    seen[SIGWINCH] = 0;
    ioctl(master, TIOCSWINSZ, &w);
    usleep(2000);
    SHOW(seen[SIGWINCH]);
    seen[SIGINT] = 0;
    TRY(ioctl(master, TIOCSIG, SIGINT));
    SHOW(came(SIGINT));
    struct termios t;
    tcgetattr(slave, &t);
    t.c_lflag |= NOFLSH;
    tcsetattr(slave, TCSANOW, &t);
    type("kept\003");
    type("\n");
    tell_read("slave", slave, 100);
}

CASE(foreground)
{
    control();
    signal(SIGTTOU, SIG_IGN);
    int go[2];
    NEED(pipe(go) == 0);
    pid_t child;
    CHILD(child)
    {
        char c;
        setpgid(0, 0);
        watch(SIGINT);
        read(go[0], &c, 1);
        SHOW(tcgetpgrp(slave) == getpgrp());
        write(master, "\003", 1);
        SHOW(came(SIGINT));
    }
    setpgid(child, child);
    watch(SIGINT);
    TRY(tcsetpgrp(slave, child));
    write(go[1], "x", 1);
    reap(child);
    SHOW(seen[SIGINT]);
    SHOW(tcgetpgrp(slave) == child);
    TRY(tcsetpgrp(slave, child));
    TRY(tcsetpgrp(slave, getpgrp()));
    TRY(tcsetpgrp(slave, 0x3fffffff));
    TRY(tcsetpgrp(slave, -1));
    TRY(tcsetpgrp(slave, getppid() > 1 ? getpgid(getppid()) : 1));
    TRY(ioctl(slave, TIOCSPGRP, 8));
}

CASE(background)
{
    control();
    pid_t child;
    CHILD(child)
    {
        setpgid(0, 0);
        char c;
        TRY(write(slave, "w", 1));
        /* Stopped, and after SIGCONT stopped again, until it is in the foreground. */
        TRY(read(slave, &c, 1));
        signal(SIGTTOU, SIG_DFL);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    say("stopped %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
    kill(child, SIGCONT);
    waitpid(child, &status, WUNTRACED);
    say("stopped %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
    tcsetpgrp(slave, child);
    write(master, "\n", 1);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    say("exited %d", WIFEXITED(status));
}

CASE(background_changes)
{
    control();
    struct termios t;
    tcgetattr(slave, &t);
    pid_t child;
    CHILD(child)
    {
        setpgid(0, 0);
        TRY(tcgetattr(slave, &t));
        TRY(tcsetattr(slave, TCSANOW, &t));
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    say("stopped %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    CHILD(child)
    {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_IGN);
        signal(SIGTTIN, SIG_IGN);
        TRY(tcsetattr(slave, TCSANOW, &t));
        char c;
        TRY(read(slave, &c, 1));
        TRY(tcsetpgrp(slave, getpgrp()));
    }
    reap(child);
    tcsetpgrp(slave, getpgrp());
    t.c_lflag |= TOSTOP;
    signal(SIGTTOU, SIG_IGN);
    TRY(tcsetattr(slave, TCSANOW, &t));
    TRY(tcsetpgrp(slave, getpgrp()));
    CHILD(child)
    {
        setpgid(0, 0);
        TRY(write(slave, "ignored", 7));
        signal(SIGTTOU, SIG_DFL);
        TRY(write(slave, "w", 1));
    }
    waitpid(child, &status, WUNTRACED);
    say("stopped %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
}

CASE(leader_ends)
{
    open_both();
    int said[2];
    NEED(pipe(said) == 0);
    pid_t leader;
    CHILD(leader)
    {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        pid_t child = fork();
        if (child == 0) {
            watch(SIGHUP), watch(SIGCONT);
            write(said[1], "r", 1);
            came(SIGHUP);
            int fd = open("/dev/tty", O_RDWR);
            char text[64];
            int n = sprintf(text, "HUP %d CONT %d tty %s", seen[SIGHUP], seen[SIGCONT], fd < 0 ? errname(errno) : "open");
            write(said[1], text, n);
            _exit(0);
        }
        char c;
        read(said[0], &c, 1);
    }
    reap(leader);
    tell_read("child", said[0], 100);
    TRY(tcgetsid(master));
}

CASE(leader_gives_up)
{
    control();
    watch(SIGHUP), watch(SIGCONT);
    TRY(ioctl(slave, TIOCNOTTY, 0));
    SHOW(came(SIGHUP));
    SHOW(came(SIGCONT));
    TRY(tcgetsid(slave));
    TRY(ioctl(slave, TIOCSCTTY, 0));
}

CASE(master_closes)
{
    control();
    watch(SIGHUP), watch(SIGCONT);
    close(master);
    SHOW(came(SIGHUP));
    SHOW(came(SIGCONT));
    TRY(open("/dev/tty", O_RDWR) >= 0 ? 0 : -1);
    tell_read("slave", slave, 10);
}

CASE(stat_of_a_process)
{
    control();
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY), tty, tpgid, n;
    NEED((n = read(fd, text, sizeof text - 1)) > 0);
    text[n] = 0;
    NEED(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %d %d", &tty, &tpgid) == 2);
    ioctl(master, TIOCGPTN, &n);
    SHOW(tty == (int)makedev(136, n));
    SHOW(tpgid == getpgrp());
}
