//! `stockade top`.

use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Expect, Session};
use stockade_control::types::container::SignalArgs;
use stockade_control::types::top::{Top, TopCall};

use super::*;

fn stockade(live: &Live, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("--state-dir").arg(live.state_dir()).args(args);
    command
}

/// Fails in one call, makes one that is not supported, and is busy.
const WORK: &str = "exec python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
while True:
    libc.access(b\"/nonexistent\", 0)
    libc.syscall(323, 0)
'";

fn call<'a>(top: &'a Top, name: &str) -> &'a TopCall {
    top.calls.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("no {name} in {top:?}"))
}

#[test]
fn figures_tell_who_does_what() {
    let live = Live::script(&[], WORK);
    let mut client = connect(&live);
    let _ = client.top().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let before = client.top().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let top = client.top().unwrap();
    let (access, earlier) = (call(&top, "access"), call(&before, "access"));
    assert!(access.count > earlier.count && !access.unsupported);
    assert!(access.timed > 0 && access.timed <= access.count, "{access:?}");
    // All of them fail; each figure is read for itself, while calls go on.
    let (failed, timed) = (access.failed - earlier.failed, access.timed - earlier.timed);
    assert!(failed.abs_diff(timed) <= 2, "{access:?}");
    assert!(access.longest > 0 && access.nanos >= access.longest, "{access:?}");
    assert!(call(&top, "userfaultfd").unsupported && call(&top, "userfaultfd").failed > 0);
    let process = &top.processes[0];
    assert_eq!((process.pid, process.command.as_str(), process.threads), (1, "python3", 1));
    assert!(process.cpu > before.processes[0].cpu && process.memory > 1 << 20, "{process:?}");
    assert!(top.now - before.now >= 1_000_000_000 && top.memory_limit > 0 && top.tasks == 1);
}

#[test]
fn times_are_taken_only_while_somebody_looks() {
    let live = Live::script(&[], WORK);
    let mut client = connect(&live);
    let first = client.top().unwrap();
    assert_eq!(first.calls.iter().map(|call| call.timed).sum::<u64>(), 0, "{first:?}");
    std::thread::sleep(Duration::from_secs(13));
    let second = client.top().unwrap();
    let (timed, all) = (call(&second, "access").timed, call(&second, "access").count);
    std::thread::sleep(Duration::from_secs(1));
    let third = call(&client.top().unwrap(), "access").clone();
    // Of 13 s the last 3 were not looked at.
    assert!(timed > 0 && timed < all && third.timed > timed && third.count - third.timed >= all - timed - 1);
}

#[test]
fn prints_once() {
    let live = Live::script(&[], WORK);
    let output = stockade(&live, &["top", "--once", "-d", "500ms", "box"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("1 tasks  CPU "), "{text}");
    let line = |start: &str| {
        text.lines().skip(1).find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"))
    };
    assert!(line("PID").contains("MEMORY") && line("1 ").ends_with("python3"));
    assert!(line("userfaultfd ").ends_with("not supported") && !line("access ").contains("not supported"));
    let piped = stockade(&live, &["top", "box"]).output().unwrap();
    let err = String::from_utf8_lossy(&piped.stderr);
    assert!(err.contains("top needs a terminal") && piped.status.code() == Some(1), "{err}");
}

/// A shell on a terminal, whose settings can be looked at before and after.
struct Shell {
    session: OsSession,
    screen: vt100::Parser,
}

impl Shell {
    fn start(live: &Live) -> Self {
        let mut command = Command::new("sh");
        command.env("TERM", "xterm").env("PS1", "");
        let session = Session::spawn(command).unwrap();
        let mut shell = Self { session, screen: vt100::Parser::new(40, 120, 0) };
        shell.line("stty rows 40 cols 120; before=$(stty -g)");
        let stockade = env!("CARGO_BIN_EXE_stockade");
        shell.line(&format!(
            "top() {{ {stockade} --state-dir {} top -d 300ms box; }}",
            live.state_dir().display()
        ));
        shell.line("top");
        shell.shows("Processes by CPU");
        assert!(shell.screen.screen().alternate_screen() && shell.screen.screen().hide_cursor());
        shell
    }

    fn line(&mut self, text: &str) {
        self.session.send_line(text).unwrap();
    }

    fn shows(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        until(&format!("{text:?} is shown"), || {
            if let Ok(n) = self.session.try_read(&mut bytes) {
                self.screen.process(&bytes[..n]);
            }
            self.screen.screen().contents().contains(text)
        });
    }

    /// The command has ended with this status, and the terminal is as it was.
    fn is_restored(&mut self, status: i32) {
        // What is typed before is the command's.
        let mut bytes = [0; 4096];
        until("the command has ended", || {
            if let Ok(n) = self.session.try_read(&mut bytes) {
                self.screen.process(&bytes[..n]);
            }
            !self.screen.screen().alternate_screen()
        });
        std::thread::sleep(Duration::from_millis(300));
        self.line("echo st''atus=$?; test \"$before\" = \"$(stty -g)\" && echo sa''me");
        self.shows(&format!("status={status}"));
        self.shows("same");
        assert!(!self.screen.screen().alternate_screen() && !self.screen.screen().hide_cursor());
    }
}

#[test]
fn is_steered_by_keys() {
    let live = Live::script(&[], "sleep 1000 & trap 'exit 3' TERM; while :; do wait; done");
    let mut shell = Shell::start(&live);
    for (key, shows) in [
        ("m", "Processes by memory"),
        ("p", "Processes by number"),
        ("s", "Calls, the slowest first"),
        ("f", "Calls by number of failures"),
        ("u", "Calls, unsupported ones first"),
        ("r", "Calls by number per second"),
        ("h", "any key goes back"),
        ("x", "sandbox box"),
    ] {
        shell.session.send(key).unwrap();
        shell.shows(shows);
    }
    // The first figures may be older than the second process.
    shell.shows("sleep");
    // The first process is chosen. It is asked for, and not killed.
    shell.session.send("k").unwrap();
    shell.shows("send signal 15 to process 1? y/n");
    shell.session.send("n").unwrap();
    shell.shows("q quit");
    // Its calls are told as they are made: of the first, which only waits, none.
    shell.session.send("t").unwrap();
    shell.shows("Calls of process 1 (sh)");
    shell.session.send("t").unwrap();
    shell.shows("Calls by number per second");
    // The second one is.
    shell.session.send("\x1b[B").unwrap();
    shell.session.send("K").unwrap();
    shell.shows("send signal 9 to process 2? y/n");
    shell.session.send("y").unwrap();
    shell.shows("signal 9 sent to process 2");
    until("it is gone", || connect(&live).processes("").unwrap().iter().all(|p| p.cmd != "sleep"));
    shell.session.send("q").unwrap();
    shell.is_restored(0);
}

#[test]
fn traces_one_process() {
    let live = Live::script(&[], "while :; do cat /etc/hostname; sleep 0.1; done & wait; sleep 1000");
    let mut shell = Shell::start(&live);
    shell.session.send("p").unwrap();
    shell.shows("Processes by number");
    // The first figures may be older than the second process.
    shell.shows("sleep");
    shell.session.send("\x1b[B").unwrap();
    shell.session.send("t").unwrap();
    shell.shows("Calls of process 2 (sh)");
    shell.shows("wait4(-1, ");
    shell.shows("--- SIGCHLD {si_signo=SIGCHLD");
    assert!(!shell.screen.screen().contents().contains("execve("), "of its children nothing is told");
    // It ends while it is looked at.
    connect(&live).signal(&SignalArgs { signo: 9, pid: 2, ..SignalArgs::default() }).unwrap();
    shell.shows("+++ killed by SIGKILL +++");
    shell.shows("which has ended");
    shell.session.send("t").unwrap();
    shell.shows("Calls by number per second");
    shell.session.send("q").unwrap();
    shell.is_restored(0);
    let mut client = connect(&live);
    let error = client.strace(4242, 0).unwrap_err();
    assert!(error.to_string().contains("process 4242"), "{error}");
    // What was made since is kept; nobody else's.
    assert!(client.strace(1, 0).unwrap().lines.is_empty());
}

#[test]
fn leaves_the_terminal_as_it_was() {
    let live = Live::script(&[], "trap 'exit 3' TERM; while :; do sleep 0.1; done");
    let mut shell = Shell::start(&live);
    shell.session.send("\x03").unwrap();
    shell.is_restored(0);
    // A signal.
    let mut shell = Shell::start(&live);
    let pattern = format!("{} top -d 300ms box", live.state_dir().display());
    let found =
        Command::new("pgrep").args(["-f", &format!("stockade --state-dir {pattern}")]).output().unwrap();
    let pid = String::from_utf8(found.stdout).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    shell.is_restored(143);
    // The sandbox ends.
    let mut shell = Shell::start(&live);
    connect(&live).signal(&SignalArgs { signo: 15, ..SignalArgs::default() }).unwrap();
    shell.shows("sandbox box has ended");
    shell.is_restored(0);
}
