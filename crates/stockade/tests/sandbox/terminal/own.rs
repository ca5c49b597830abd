//! Terminals of the sandbox's own: `do -t` and `exec -it`, from a terminal.

use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::tcsetwinsize;

use crate::control::until;
use crate::detached::State;
use crate::pty::{Pty, size};

const PAUSE: Duration = Duration::from_millis(400);

/// A sandbox, and a shell in it on a terminal.
struct Session {
    state: State,
    pty: Pty,
    modes: String,
    child: Child,
}

impl Session {
    /// By `exec -it`.
    fn exec(command: &[&str]) -> Self {
        let state = State::new();
        assert_eq!(state.run(&["do", "--detach", "--id", "box", "--", "sleep", "1000"]).2, Some(0));
        let args = [&["exec", "-it", "-e", "PS1=ready> ", "-e", "TERM=xterm", "box"], command].concat();
        Self::start(state, &args)
    }

    /// By `do -t`.
    fn first(command: &[&str]) -> Self {
        let args =
            [&["do", "-t", "--id", "box", "-e", "PS1=ready> ", "-e", "TERM=xterm", "--"], command].concat();
        Self::start(State::new(), &args)
    }

    fn start(state: State, args: &[&str]) -> Self {
        let pty = Pty::new();
        let modes = pty.modes();
        let command: Command = state.stockade(args);
        let child = pty.start(&command);
        Self { state, pty, modes, child }
    }

    fn shell(mut self) -> Self {
        self.pty.expect("ready> ");
        self
    }

    /// Types a line; waits for the answer and the next prompt.
    fn ask(&mut self, line: &str, answer: &str) {
        self.pty.send(&format!("{line}\n"));
        self.pty.expect(answer);
        self.pty.expect("ready> ");
    }

    /// The exit status; the terminal is as it was.
    fn end(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap().code();
        assert_eq!(self.pty.modes(), self.modes);
        status
    }
}

const BASH: &[&str] = &["bash", "--norc", "--noprofile"];

fn both(test: impl Fn(Session)) {
    test(Session::exec(BASH).shell());
    test(Session::first(BASH).shell());
}

#[test]
fn it_feels_like_a_terminal() {
    both(|mut s| {
        assert_ne!(s.pty.modes(), s.modes, "raw outside");
        s.ask("test -t 0 && test -t 1 && test -t 2 && echo it' is'", "it is");
        s.ask("tty", "/dev/pts/0");
        s.ask("echo to the' terminal' >/dev/tty", "to the terminal");
        s.ask("ps -o tty= -p $$", "pts/0");
        s.ask("stty size", "33 91");
        s.ask("printf 'a\\nb\\n' | cat -A; stty -a | grep -o -- ' onlcr'", "onlcr");
        s.pty.send("exit 5\n");
        assert_eq!(s.end(), Some(5));
    });
}

#[test]
fn control_characters_and_jobs_work_inside() {
    both(|mut s| {
        for round in 0..20 {
            s.pty.send("while :; do :; done\n");
            std::thread::sleep(Duration::from_millis(50));
            s.pty.send("\x03");
            s.pty.expect("^C");
            s.pty.expect("ready> ");
            s.ask(&format!("echo round {round} $?"), &format!("round {round} 130"));
        }
        s.pty.send("sleep 100\n");
        std::thread::sleep(PAUSE);
        s.pty.send("\x1a");
        s.pty.expect("Stopped");
        s.pty.expect("ready> ");
        s.ask("cat </dev/tty & sleep 0.3; jobs", "[2]+  Stopped");
        s.ask("kill -9 %1 %2; wait; echo all' gone'", "all gone");
        s.pty.send("cat\n");
        std::thread::sleep(PAUSE);
        s.pty.send("line\n\x04");
        s.pty.expect("line\r\nline\r\n");
        s.pty.expect("ready> ");
        s.pty.send("\x04");
        assert_eq!(s.end(), Some(0));
    });
}

#[test]
fn the_window_is_followed() {
    both(|mut s| {
        s.pty.send("sh -c 'trap \"stty size\" WINCH; echo watch'ing'; while :; do sleep 0.1; done'\n");
        s.pty.expect("watching");
        for (rows, columns) in [(50, 100), (24, 80), (60, 200)] {
            tcsetwinsize(&s.pty.master, size(rows, columns)).unwrap();
            s.pty.expect(&format!("{rows} {columns}\r\n"));
        }
        s.pty.send("\x03");
        s.pty.expect("ready> ");
        s.pty.send("exit 0\n");
        assert_eq!(s.end(), Some(0));
    });
}

#[test]
fn passwords_are_not_shown() {
    both(|mut s| {
        s.pty.send("stty -echo; echo password?; read -r p; stty echo; echo got ${#p}\n");
        s.pty.expect("\rpassword?");
        std::thread::sleep(PAUSE);
        s.pty.send("secret word\n");
        s.pty.expect("got 11");
        assert!(!s.pty.text().contains("secret"), "{}", s.pty.text());
        s.pty.send("exit\n");
        assert_eq!(s.end(), Some(0));
    });
}

#[test]
fn editors_work() {
    let mut s = Session::exec(&["busybox", "vi", "/tmp/edited"]);
    s.pty.expect("/tmp/edited");
    s.pty.send("ihello from vi\x1b");
    // Close to what follows, Escape would be the beginning of a key.
    std::thread::sleep(PAUSE);
    s.pty.send(":wq\r");
    let state = std::mem::replace(&mut s.state, State::new());
    assert_eq!(s.end(), Some(0));
    assert_eq!(state.run(&["exec", "box", "cat", "/tmp/edited"]).0, "hello from vi\n");
}

#[test]
fn ten_mebibytes_can_be_pasted() {
    let mut s = Session::exec(BASH).shell();
    s.pty.send("stty raw -echo; echo go' on'; head -c 10485760 | md5sum; stty sane\n");
    s.pty.expect("go on");
    let bytes: Vec<u8> = (0..10_485_760_u32).map(|i| (i * 7 + i / 251) as u8).collect();
    std::io::Write::write_all(&mut s.pty.master, &bytes).unwrap();
    let mut sum = Command::new("md5sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut sum.stdin.take().unwrap(), &bytes).unwrap();
    let sum = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    s.pty.expect(sum.split(' ').next().unwrap());
    s.pty.expect("ready> ");
    // Line by line, with echo.
    s.pty.send("wc -lc\n");
    std::thread::sleep(PAUSE);
    let line = [&[b'x'; 79][..], b"\n"].concat();
    std::io::Write::write_all(&mut s.pty.master, &line.repeat(13_107)).unwrap();
    s.pty.send("\x04");
    s.pty.expect("13107 1048560");
    s.pty.send("exit\n");
    assert_eq!(s.end(), Some(0));
}

#[test]
fn the_terminal_comes_back_whatever_ends_it() {
    // The sandbox ends.
    let s = Session::exec(BASH).shell();
    assert_eq!(s.state.run(&["delete", "--force", "box"]).2, Some(0));
    assert_eq!(s.end(), Some(137));
    // The sentry is killed.
    for s in [Session::exec(BASH).shell(), Session::first(BASH).shell()] {
        let sentry = crate::detached::pid(&s.state.record("box").unwrap(), "pid");
        kill_process(sentry, Signal::KILL).unwrap();
        assert_eq!(s.end(), Some(125));
    }
    // The program is killed, and what waits for it is told to end.
    let mut s = Session::exec(BASH).shell();
    s.pty.send("kill -9 $$\n");
    assert_eq!(s.end(), Some(137));
    let s = Session::exec(&["sleep", "1000"]);
    until("the terminal is raw", || s.pty.modes() != s.modes);
    let client = Pid::from_raw(child_of(s.child.id())).unwrap();
    kill_process(client, Signal::TERM).unwrap();
    assert_eq!(s.end(), Some(143));
}

/// `setsid --wait` starts a child only if it leads a group already.
fn child_of(pid: u32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().map_or(pid as i32, |child| child.parse().unwrap())
}

#[test]
fn hanging_up_is_told_inside() {
    let script = "trap 'echo hung up >/tmp/told; exit' HUP; echo ready; while :; do sleep 0.1; done";
    let mut s = Session::exec(&["sh", "-c", script]);
    s.pty.expect("ready");
    let client = Pid::from_raw(child_of(s.child.id())).unwrap();
    kill_process(client, Signal::KILL).unwrap();
    let told = || s.state.run(&["exec", "box", "cat", "/tmp/told"]).0 == "hung up\n";
    until("the shell was told", told);
}

#[test]
fn input_that_is_no_terminal_ends_with_end_of_file() {
    let state = State::new();
    assert_eq!(state.run(&["do", "--detach", "--id", "box"]).2, Some(0));
    let mut child = state
        .stockade(&["exec", "-it", "box", "cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"one\n").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(
        (String::from_utf8(out.stdout).unwrap(), out.status.code()),
        ("one\r\none\r\n".into(), Some(0))
    );
}

#[test]
fn a_slow_reader_gets_every_byte() {
    let state = State::new();
    assert_eq!(state.run(&["do", "--detach", "--id", "box"]).2, Some(0));
    for args in [&["exec", "-t", "box"][..], &["do", "-t"]] {
        let mut child = state
            .stockade(&[args, &["seq", "40000"]].concat())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // More than all that is between them holds, and longer than the sentry waits for a client.
        std::thread::sleep(Duration::from_secs(3));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
        assert_eq!((text.lines().count(), child.wait().unwrap().code()), (40_000, Some(0)), "{args:?}");
    }
}
