//! Sandboxes with terminals of their own go on on others.

use std::process::Child;
use std::time::Duration;

use rustix::termios::tcsetwinsize;

use super::Place;
use crate::pty::{Pty, size};

/// Until a program that was started reads.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the command on a new terminal.
fn on_terminal(place: &Place, arguments: &[&str]) -> (Pty, Child) {
    let pty = Pty::new();
    let child = pty.start(&place.state.stockade(arguments));
    (pty, child)
}

#[test]
fn a_shell_with_jobs_goes_on_on_another_terminal() {
    let place = Place::new();
    let options = ["do", "-t", "--id", "box", "-e", "PS1=ready> ", "-e", "TERM=xterm", "--"];
    let bash = ["bash", "--norc", "--noprofile"];
    let (mut pty, mut child) = on_terminal(&place, &[&options[..], &bash].concat());
    pty.expect("ready> ");
    pty.send("sleep 1000 &\n");
    pty.expect("ready> ");
    pty.send("cat\n");
    pty.expect("cat\r\n");
    // What is typed before it reads is not shown twice.
    std::thread::sleep(PAUSE);
    pty.send("all\n");
    pty.expect("all\r\nall\r\n");
    pty.send("\x1a");
    pty.expect("ready> ");
    // A line half typed, which readline has.
    pty.send("echo ha'lf', $((6 * 7))");
    pty.expect("7))");
    let image = place.at("image");
    assert_eq!(place.state.run(&["save", "box", &image]).2, Some(0));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let (mut pty, mut child) = on_terminal(&place, &["restore", &image]);
    tcsetwinsize(&pty.master, size(20, 70)).unwrap();
    pty.send("\n");
    pty.expect("half, 42");
    pty.expect("ready> ");
    pty.send("jobs | sed 's/^/job /'; tty\n");
    pty.expect("job [1]");
    pty.expect("sleep 1000");
    pty.expect("job [2]");
    pty.expect("Stopped");
    pty.expect("/dev/pts/0");
    pty.expect("ready> ");
    pty.send("fg\n");
    pty.expect("cat\r\n");
    std::thread::sleep(PAUSE);
    pty.send("again\n");
    pty.expect("again\r\nagain\r\n");
    pty.send("\x03");
    pty.expect("ready> ");
    pty.send("stty size; exit 6\n");
    pty.expect("20 70");
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn without_a_terminal_it_is_hung_up() {
    let place = Place::new();
    let script = "trap 'exit 8' HUP; echo up; while :; do sleep 0.05; done";
    let (mut pty, mut child) = on_terminal(&place, &["do", "-t", "--id", "box", "--", "bash", "-c", script]);
    pty.expect("up");
    let image = place.at("image");
    assert_eq!(place.state.run(&["save", "box", &image]).2, Some(0));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let restored = place.state.run(&["restore", &image, "--detach", "--id", "d"]);
    assert_eq!(restored, ("d\n".to_owned(), String::new(), Some(0)));
    assert_eq!(place.state.wait_for_end("d")["exit_status"], serde_json::json!(8));
}
