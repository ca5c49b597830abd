//! A shell on a terminal: the caller's.

mod own;

use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};

fn shell() -> OsSession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.args(["do", "--env", "PS1=ready> ", "--env", "TERM=xterm", "bash", "--norc", "--noprofile"]);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.expect("ready> ").unwrap();
    session
}

/// Types a line; waits for the answer and the next prompt.
fn ask(session: &mut OsSession, line: &str, answer: &str) {
    session.send_line(line).unwrap();
    session.expect(answer).unwrap_or_else(|e| panic!("{line}: {e}"));
    session.expect("ready> ").unwrap();
}

#[test]
fn programs_know_that_it_is_a_terminal() {
    let mut session = shell();
    ask(&mut session, "test -t 0 && test -t 1 && test -t 2 && echo it' is'", "it is");
    ask(&mut session, "touch /tmp/x; mkdir -p /tmp/d/e; ls --color=auto /tmp/d", "\x1b[01;34me");
}

#[test]
fn the_window_has_a_size_and_its_changes_are_told() {
    let mut session = shell();
    session.get_process_mut().set_window_size(91, 33).unwrap();
    ask(&mut session, "stty size", "33 91");
    ask(&mut session, "trap 'echo size' WINCH; trap - INT", "\n");
    session.get_process_mut().set_window_size(100, 50).unwrap();
    ask(&mut session, "sleep 0.2; stty size", "50 100");
}

#[test]
fn control_characters_work() {
    let mut session = shell();
    session.send_line("sleep 100").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    session.send("\x03").unwrap();
    session.expect("ready> ").unwrap();
    ask(&mut session, "echo status $?", "status 130");
    session.send_line("cat >/dev/null; echo end of' file'").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    session.send("\x04").unwrap();
    session.expect("end of file").unwrap();
    session.expect("ready> ").unwrap();
    ask(&mut session, "stty -a | grep -o 'intr = ^C'", "intr = ^C");
    session.send("\x04").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn input_cannot_be_forged() {
    let mut session = shell();
    let forge = "import fcntl,termios\ntry: fcntl.ioctl(0, termios.TIOCSTI, b'x')\nexcept OSError as e: print('refused', e.errno)\n";
    let line = format!("python3 -c \"{}\"", forge.replace('\n', "\x16\n"));
    session.send_line(&line).unwrap();
    session.expect("refused ").unwrap();
}

#[test]
fn the_terminal_has_a_name_and_controls_its_session() {
    let mut session = shell();
    ask(&mut session, "tty", "/dev/pts/0");
    ask(&mut session, "echo to the' terminal' >/dev/tty", "to the terminal");
    ask(&mut session, "ps -o tty= -p $$", "pts/0");
    ask(&mut session, "setsid -w sh -c 'echo x >/dev/tty'", "No such device or address");
}

#[test]
fn jobs_stop_and_go_on() {
    let mut session = shell();
    session.send_line("sleep 100").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    session.send("\x1a").unwrap();
    session.expect("Stopped").unwrap();
    session.expect("ready> ").unwrap();
    ask(&mut session, "cat </dev/tty & sleep 0.3; jobs", "[2]+  Stopped");
    ask(&mut session, "kill %1 %2; wait; echo all' gone'", "all gone");
}
