//! StdioIsPty: a terminal of the host's, without a session of its own there.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr, tcsetwinsize};
use serde_json::{Value, json};

use crate::control::{Client, Live};
use crate::pty::{Pty, size};

/// Starts a shell; its PID.
fn start(client: &mut Client, pty: &mut Pty) -> i64 {
    let arg = json!({"argv": ["bash", "--norc", "--noprofile", "-i"], "StdioIsPty": true,
        "envv": ["PATH=/usr/bin:/bin", "PS1=ready> ", "TERM=xterm"]});
    let slave = pty.slave.take().unwrap();
    let answer = client.call("containerManager.ExecuteAsync", &arg, &[slave.as_fd(); 3]);
    let pid = answer["result"].as_i64().unwrap_or_else(|| panic!("{answer}"));
    pty.expect("ready> ");
    pid
}

#[test]
fn job_control_is_inside() {
    let live = Live::idle();
    let (mut client, mut pty) = (live.connect(), Pty::new());
    let pid = start(&mut client, &mut pty);
    pty.send("tty; echo to the' terminal' >/dev/tty; ps -o tty= -p $$\n");
    pty.expect("/dev/pts/0");
    pty.expect("to the terminal");
    pty.expect("pts/0");
    pty.send("sleep 100\n");
    std::thread::sleep(Duration::from_millis(500));
    pty.send("\x03");
    pty.expect("^C");
    pty.expect("ready> ");
    pty.send("echo status $?\n");
    pty.expect("status 130");
    pty.send("sleep 100\n");
    std::thread::sleep(Duration::from_millis(500));
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.send("jobs; kill %1; wait; echo all' gone'\n");
    pty.expect("[1]+  Stopped");
    pty.expect("all gone");
    pty.send("stty -echo; read -r secret; stty echo; echo got $secret\n");
    std::thread::sleep(Duration::from_millis(300));
    pty.send("hidden\n");
    pty.expect("got hidden");
    pty.send("exit 7\n");
    let answer = client.call("containerManager.WaitPID", &json!({"PID": pid}), &[]);
    assert_eq!(answer["result"], 7 << 8);
}

#[test]
fn the_window_and_its_changes_are_seen() {
    let live = Live::idle();
    let (mut client, mut pty) = (live.connect(), Pty::new());
    let pid = start(&mut client, &mut pty);
    pty.send("stty size; sh -c 'trap \"stty size\" WINCH; echo watch'ing'; while :; do sleep 0.1; done'\n");
    pty.expect("33 91");
    pty.expect("watching");
    // Nobody tells.
    tcsetwinsize(&pty.master, size(44, 120)).unwrap();
    pty.expect("44 120");
    // As gVisor's clients tell.
    tcsetwinsize(&pty.master, size(50, 100)).unwrap();
    let signal = json!({"CID": "box", "Signo": 28, "PID": pid, "Mode": 2});
    assert_eq!(client.call("containerManager.Signal", &signal, &[])["success"], true);
    pty.expect("50 100");
}

#[test]
fn a_hang_up_is_told_and_modes_come_back() {
    let live = Live::idle();
    let (mut client, mut pty) = (live.connect(), Pty::new());
    // What the program finds are the modes that were there.
    let slave = pty.slave.as_ref().unwrap();
    let kept = rustix::io::dup(slave).unwrap();
    let mut modes = tcgetattr(slave).unwrap();
    modes.local_modes.remove(LocalModes::ECHOE);
    tcsetattr(slave, OptionalActions::Now, &modes).unwrap();
    let first = start(&mut client, &mut pty);
    pty.send("stty -a | grep -o -- '-echoe '\n");
    pty.expect("-echoe \r\n");
    assert!(!tcgetattr(&kept).unwrap().local_modes.contains(LocalModes::ICANON));
    pty.send("exit\n");
    client.call("containerManager.WaitPID", &json!({"PID": first}), &[]);
    crate::control::until("the modes are back", || {
        tcgetattr(&kept).unwrap().local_modes.contains(LocalModes::ICANON)
    });

    let mut pty = Pty::new();
    let second = start(&mut client, &mut pty);
    let Pty { master, shown, .. } = pty;
    drop(shown);
    // The thread that reads has it too: it ends with the next byte.
    (&master).write_all(b"\n").unwrap();
    drop(master);
    let answer = client.call("containerManager.WaitPID", &json!({"PID": second}), &[]);
    assert_eq!(answer["result"], 1, "SIGHUP: {answer}");
}

#[test]
fn all_that_was_written_is_shown() {
    let live = Live::idle();
    let mut client = live.connect();
    let mut pty = Pty::new();
    let arg = json!({"argv": ["/bin/busybox", "seq", "20000"], "StdioIsPty": true});
    let slave = pty.slave.take().unwrap();
    let answer = client.call("Proc.Exec", &arg, &[slave.as_fd(); 3]);
    assert_eq!(answer["result"], Value::from(0));
    drop(slave);
    pty.expect("\r\n20000\r\n");
}
