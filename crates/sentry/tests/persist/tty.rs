//! Terminals: what was typed and not read, who is in the foreground, and what is on the other side.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::sandbox::{Input, Sandbox, settle};

const TERMINALS: &str = r#"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
/* A pseudoterminal: master and name of the slave. */
static inline int terminal(char *name) {
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), number, locked = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &locked) || ioctl(master, TIOCGPTN, &number)) _exit(90);
    sprintf(name, "/dev/pts/%d", number);
    return master;
}
/* What is shown, until it ends so. */
static inline void shown(int master, char *text, int size, const char *end) {
    int n = 0;
    long got;
    text[0] = 0;
    while (!(n >= (int)strlen(end) && !strcmp(text + n - strlen(end), end))
           && n < size - 1 && (got = read(master, text + n, 1)) == 1) text[++n] = 0;
    for (char *at = text; *at; at++) if (*at == '\r' || *at == '\n') *at = '/';
}
#define TYPE(master, text) do { if (write(master, text, strlen(text)) != (ssize_t)strlen(text)) _exit(91); } while (0)
"#;

fn source(program: &str) -> String {
    format!("{TERMINALS}\n{program}")
}

#[test]
fn a_session_on_a_terminal_goes_on() {
    let mut sandbox = Sandbox::usual(&source(
        r#"
        static void on_signal(int signo) {
            char text[16];
            int n = snprintf(text, sizeof text, "<%d>", signo);
            if (write(2, text, n) != n) _exit(92);
        }
        int main(void) {
            char name[32], line[64], text[200];
            int master = terminal(name), status;
            pid_t leader = fork();
            if (!leader) {
                setsid();
                int slave = open(name, O_RDWR);
                dup2(slave, 2);
                struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
                sigaction(SIGWINCH, &action, NULL);
                sigaction(SIGINT, &action, NULL);
                signal(SIGTTOU, SIG_IGN);
                signal(SIGHUP, SIG_DFL);
                pid_t job = fork();
                if (!job) {
                    /* In the background, it is stopped when it reads. */
                    setpgid(0, 0);
                    signal(SIGINT, SIG_DFL);
                    signal(SIGWINCH, SIG_DFL);
                    char byte;
                    long n = read(slave, &byte, 1);
                    _exit(n == 1 ? byte : 93);
                }
                setpgid(job, job);
                if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN) _exit(94);
                TYPE(slave, "ready|");
                int n = read(slave, line, sizeof line);
                snprintf(text, sizeof text, "%d %.*s %d|", n, n - 1, line, tcgetpgrp(slave) == getpgrp());
                TYPE(slave, text);
                tcsetpgrp(slave, job);
                kill(job, SIGCONT);
                waitpid(job, &status, 0);
                tcsetpgrp(slave, getpgrp());
                snprintf(text, sizeof text, "job %d|", WEXITSTATUS(status));
                TYPE(slave, text);
                int tty = open("/dev/tty", O_RDWR);
                struct winsize size;
                ioctl(tty, TIOCGWINSZ, &size);
                snprintf(text, sizeof text, "%d %d|", size.ws_row, size.ws_col);
                TYPE(tty, text);
                pause();
                pause();
                _exit(95);
            }
            struct winsize size = {.ws_row = 33, .ws_col = 77};
            ioctl(master, TIOCSWINSZ, &size);
            shown(master, text, sizeof text, "ready|");
            /* Half a line, and a byte that is to be taken literally. */
            TYPE(master, "half\x16");
            SAY("ready");
            hear(line, sizeof line);
            TYPE(master, "\x7f" " typed\n");
            shown(master, text, sizeof text, "|");
            SAY("%s", text);
            hear(line, sizeof line);
            TYPE(master, "A\n");
            shown(master, text, sizeof text, "|");
            SAY("%s", strstr(text, "job"));
            shown(master, text, sizeof text, "|");
            SAY("%s", strstr(text, "33"));
            hear(line, sizeof line);
            TYPE(master, "\x03");
            shown(master, text, sizeof text, ">");
            SAY("%s", text);
            struct stat st;
            status = stat(name, &st);
            SAY("%d %d", status, (int)minor(st.st_rdev));
            close(master);
            waitpid(leader, &status, 0);
            SAY("%d %d", WIFSIGNALED(status), WTERMSIG(status));
            return stat(name, &st) == 0;
        }"#,
    ).replace("#include <termios.h>", "#include <termios.h>\n#include <sys/stat.h>\n#include <sys/sysmacros.h>"));
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.expect("half^\u{8}^? typed//12 half\u{7f} typed 1|");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.expect("job 65|");
    sandbox.expect("33 77|");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.expect("^C<2>");
    sandbox.expect("0 0");
    sandbox.expect("1 1");
    assert_eq!(sandbox.finish(), 0);
}

fn again(mut sandbox: Sandbox) -> Sandbox {
    sandbox = sandbox.cycles(2);
    sandbox
}

#[test]
fn modes_queues_and_closed_sides_stay() {
    let mut sandbox = Sandbox::usual(&source(
        r#"
        int main(void) {
            char names[3][32], line[64], text[64];
            int masters[3], slaves[3], on = 1;
            struct termios modes, after;
            signal(SIGHUP, SIG_IGN);
            for (int i = 0; i < 3; i++) {
                masters[i] = terminal(names[i]);
                slaves[i] = open(names[i], O_RDWR | O_NOCTTY | O_NONBLOCK);
            }
            tcgetattr(slaves[0], &modes);
            cfmakeraw(&modes);
            modes.c_cc[VMIN] = 3;
            tcsetattr(slaves[0], TCSANOW, &modes);
            memset(&modes, 0, sizeof modes);
            memset(&after, 0, sizeof after);
            tcgetattr(slaves[0], &modes);
            TYPE(masters[0], "ab");
            TYPE(slaves[0], "shown");
            ioctl(masters[0], TIOCPKT, &on);
            tcflow(slaves[0], TCOOFF);
            /* One whose master, and one whose slave is closed. */
            close(masters[1]);
            close(slaves[2]);
            SAY("ready");
            hear(line, sizeof line);
            tcgetattr(slaves[0], &after);
            SAY("%d", !memcmp(&modes, &after, sizeof modes));
            long n = read(slaves[0], line, sizeof line);
            SAY("%ld %s", n, strerror(errno));
            TYPE(masters[0], "c");
            n = read(slaves[0], line, sizeof line);
            SAY("%ld %.*s", n, (int)n, line);
            n = read(masters[0], text, sizeof text);
            SAY("%ld %x", n, text[0]);
            n = read(masters[0], text, sizeof text);
            SAY("%ld %.*s", n, (int)n - 1, text + 1);
            n = write(slaves[0], "more", 4);
            SAY("%ld %s", n, strerror(errno));
            n = read(slaves[1], line, sizeof line);
            SAY("%ld", n);
            n = write(slaves[1], "x", 1);
            SAY("%ld %s", n, strerror(errno));
            n = read(masters[2], line, sizeof line);
            SAY("%ld %s", n, strerror(errno));
            struct pollfd fds[3] = {{slaves[1], POLLIN, 0}, {masters[2], POLLIN, 0}, {masters[0], POLLIN, 0}};
            poll(fds, 3, 0);
            SAY("%x %x %x", fds[0].revents, fds[1].revents, fds[2].revents);
            /* Its number is given anew. */
            int fresh = terminal(text);
            SAY("%s %d", text, fresh >= 0);
            return 0;
        }"#,
    ));
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.ends_with(&[
        "1",
        "-1 Resource temporarily unavailable",
        "3 abc",
        "1 4",
        "6 shown",
        "-1 Resource temporarily unavailable",
        "0",
        "-1 Input/output error",
        "-1 Input/output error",
        "19 10 0",
        "/dev/pts/1 1",
    ]);
}

/// A terminal of the host: what a user sees and types, and what a program is given.
fn outside(rows: u16) -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&slave, size).unwrap();
    (master.into(), slave.into())
}

/// Reads what is shown until it ends so.
fn shows(terminal: &mut File, end: &str) {
    let (mut text, begin) = (Vec::new(), Instant::now());
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", String::from_utf8_lossy(&text));
        match terminal.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            other => panic!("{other:?} after {}", String::from_utf8_lossy(&text)),
        }
    }
}

/// A program that copies lines and tells of sizes, on its standard error.
const COPIES: &str = r#"
#include <sys/stat.h>
static void tell(int signo) { if (write(1, signo == SIGHUP ? "hung up\n" : "resized\n", 8) != 8) _exit(96); }
int main(void) {
    char line[64], text[80];
    struct sigaction action = {.sa_handler = tell, .sa_flags = SA_RESTART};
    sigaction(SIGWINCH, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    SAY("%d %d", isatty(0) && isatty(2), tcgetpgrp(0) == getpgrp());
    long n;
    while ((n = read(0, line, sizeof line)) > 0) {
        struct winsize size = {0};
        ioctl(0, TIOCGWINSZ, &size);
        int length = snprintf(text, sizeof text, "[%.*s of %d]", (int)n - 1, line, size.ws_row);
        if (write(2, text, length) != length) break;
    }
    struct stat st;
    n = write(2, "x", 1);
    SAY("%ld %d %d", n, errno == EIO, fstat(0, &st));
    int tty = open("/dev/tty", O_RDWR);
    SAY("%d %d", tty, errno == ENXIO);
    return 5;
}"#;

#[test]
fn a_terminal_outside_is_replaced_or_hung_up() {
    for bridged in [true, false] {
        let (mut user, inside) = outside(24);
        let mut sandbox = Sandbox::usual_on(&source(COPIES), Some((inside, bridged)));
        sandbox.expect("1 1");
        user.write_all(b"first\n").unwrap();
        shows(&mut user, "[first of 24]");
        if bridged {
            // Half a line is in the sandbox's terminal.
            user.write_all(b"sec").unwrap();
            shows(&mut user, "sec");
        }
        settle();
        let (mut other, inside) = outside(50);
        sandbox = sandbox.save_and_restore_on(Input::Terminal(inside));
        sandbox.expect("resized");
        other.write_all(if bridged { b"ond\n" } else { b"second\n" }).unwrap();
        shows(&mut other, "[second of 50]");
        settle();
        // Nothing is given in its place.
        sandbox = sandbox.save_and_restore_on(Input::Nothing);
        for line in ["hung up", "-1 1 0", "-1 1"] {
            sandbox.expect(line);
        }
        assert_eq!(sandbox.finish(), 5 << 8);
    }
}
