//! Clones, pauses, terminals and programs that were executed.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use expectrl::{Eof, Expect as _, Session};
use serde_json::json;

use super::Place;

#[test]
fn clones_go_on_by_themselves() {
    let place = Place::new();
    let script = "i=0; while :; do i=$((i + 1)); echo $i > /tmp/count; sleep 0.01; done";
    place.state.start("box", &[], script);
    std::thread::sleep(Duration::from_millis(300));
    let cloned = place.state.run(&["clone", "box", "--count", "3"]);
    assert_eq!(cloned, ("box-1\nbox-2\nbox-3\n".to_owned(), String::new(), Some(0)));
    let count = |id: &str| place.state.run(&["exec", id, "cat", "/tmp/count"]).0.trim().parse::<u32>().ok();
    for id in ["box", "box-1", "box-2", "box-3"] {
        let before = count(id);
        std::thread::sleep(Duration::from_millis(200));
        assert!(count(id) > before && before > Some(5), "{id}: {before:?}");
    }
    // They have a life each.
    assert_eq!(place.state.run(&["exec", "box-1", "touch", "/tmp/mine"]).2, Some(0));
    assert_eq!(place.state.run(&["exec", "box-2", "test", "-e", "/tmp/mine"]).2, Some(1));
    let (_, said, status) = place.state.run(&["clone", "box", "--id", "box"]);
    assert!(said.contains("box-1: a running sandbox has this name") && status == Some(125), "{said}");
    let (_, said, status) = place.state.run(&["clone", "nobody"]);
    assert!(said.contains("no sandbox named") && status == Some(125), "{said}");
}

#[test]
fn a_paused_sandbox_is_saved_paused() {
    let place = Place::new();
    place.state.start("box", &[], "while :; do echo x; sleep 0.01; done");
    let start = Instant::now();
    for _ in 0..2 {
        assert_eq!(place.state.run(&["pause", "box"]), (String::new(), String::new(), Some(0)));
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    let (_, said, status) = place.state.run(&["exec", "box", "true"]);
    assert!(said.contains("the sandbox is paused") && status == Some(125), "{said}");
    let (_, said, status) = place.state.run(&["kill", "box", "WINCH"]);
    assert!(said.contains("sandbox box is paused") && status == Some(0), "{said}");
    assert!(place.state.run(&["ps", "box"]).0.contains("sh"));
    place.save("box", "image", &[]);
    let image = place.at("image");
    assert_eq!(place.state.run(&["restore", &image, "--detach", "--id", "again"]).2, Some(0));
    let lines = || place.state.run(&["logs", "again"]).0.len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(lines(), 0);
    for _ in 0..2 {
        assert_eq!(place.state.run(&["resume", "again"]), (String::new(), String::new(), Some(0)));
    }
    super::until("it goes on", || lines() > 0);
}

/// A program that was executed is there, and its end can be asked for.
#[test]
fn executed_programs_are_waited_for() {
    let place = Place::new();
    place.state.start("box", &[], "sleep 1000");
    let pid = place.path("pid");
    let pid = pid.to_str().unwrap();
    let script = ["exec", "--detach", "--pid-file", pid, "box", "sh", "-c", "sleep 1; exit 5"];
    assert_eq!(place.state.run(&script).2, Some(0));
    place.save("box", "image", &[]);
    let image = place.at("image");
    assert_eq!(place.state.run(&["restore", &image, "--detach", "--id", "again"]).2, Some(0));
    let number = std::fs::read_to_string(pid).unwrap();
    let waited = place.state.run(&["wait", "again", "--pid", number.trim()]);
    assert_eq!(waited, ("5\n".to_owned(), String::new(), Some(0)));
    // What it is given is what the first process had.
    assert_eq!(place.state.run(&["exec", "again", "sh", "-c", "echo $HOME"]).2, Some(0));
}

#[test]
fn clients_wait_for_saves() {
    let place = Place::new();
    place.state.start("box", &[], "sleep 1000");
    let socket = place.state.path().join("box/control.sock");
    let connect = || crate::control::Client(std::os::unix::net::UnixStream::connect(&socket).unwrap());
    let restored = connect().call("containerManager.WaitRestore", &json!({}), &[]);
    assert!(restored["err"].as_str().unwrap().contains("was not restored"), "{restored}");
    let mut client = connect();
    let waiting = std::thread::spawn(move || client.call("containerManager.WaitCheckpoint", &json!({}), &[]));
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    place.save("box", "image", &[]);
    assert_eq!(waiting.join().unwrap()["success"], json!(true));
    assert_eq!(place.state.run(&["restore", &place.at("image"), "--detach", "--id", "box2"]).2, Some(0));
    let socket = place.state.path().join("box2/control.sock");
    let mut client = crate::control::Client(std::os::unix::net::UnixStream::connect(socket).unwrap());
    assert_eq!(client.call("containerManager.WaitRestore", &json!({}), &[])["success"], json!(true));
    let started = client.call("containerManager.Restore", &json!({}), &[]);
    assert!(started["err"].as_str().unwrap().contains("exactly one file must be provided"), "{started}");
}

/// A shell on a terminal of the sandbox's own, with a job, an editor's modes and a window.
#[test]
fn a_terminal() {
    let place = Place::new();
    let arguments = ["do", "--id", "box", "-t", "--env", "PS1=ready> ", "--env", "TERM=xterm", "--"];
    let command = place.state.stockade(&[&arguments[..], &["bash", "--norc", "--noprofile"]].concat());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.expect("ready> ").unwrap();
    session.send_line("x=kept; stty -echo; sleep 1000 &").unwrap();
    session.expect("ready> ").unwrap();
    place.save("box", "image", &[]);
    session.expect(Eof).unwrap();
    let mut session = Session::spawn(place.state.stockade(&["restore", &place.at("image")])).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.get_process_mut().set_window_size(91, 33).unwrap();
    session.send_line("echo $x; jobs; stty size").unwrap();
    session.expect("kept").unwrap();
    session.expect("Running").unwrap();
    session.expect("33 91").unwrap();
    session.send_line("stty -a | grep -o -e -echo' '; kill %1; exit 3").unwrap();
    session.expect("-echo ").unwrap();
    session.expect(Eof).unwrap();
}

/// An editor goes on with what was typed, and shows it in the new window.
#[test]
fn vim() {
    if !std::path::Path::new("/usr/bin/vim").exists() {
        return;
    }
    let place = Place::new();
    let script = "vim -u NONE -N -i NONE /tmp/text; cat /tmp/text";
    let arguments = ["do", "--id", "box", "-t", "--env", "TERM=xterm", "--", "sh", "-c", script];
    let mut session = Session::spawn(place.state.stockade(&arguments)).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.expect("~").unwrap();
    session.send("ihello").unwrap();
    session.expect("hello").unwrap();
    place.save("box", "image", &[]);
    session.expect(Eof).unwrap();
    let mut session = Session::spawn(place.state.stockade(&["restore", &place.at("image")])).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.get_process_mut().set_window_size(91, 33).unwrap();
    session.expect("hello").unwrap();
    session.send(" world\x1b:wq\r").unwrap();
    session.expect("hello world\r\n").unwrap();
    session.expect(Eof).unwrap();
}

/// A socket of the host is still a socket to the program, whose other side has hung up.
#[test]
fn a_passed_socket_is_at_its_end() {
    let place = Place::new();
    place.state.start("box", &[], "sleep 1000");
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let script = "
import errno, os, select, struct, time
from socket import *
def code(call, *args):
    try:
        call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
s = socket(fileno=0)
s.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack('ll', 7, 0))
s.send(b'up')
while not os.path.exists('/tmp/go'):
    time.sleep(0.05)
poll = select.poll()
poll.register(s)
ready = poll.poll(0) == [(0, select.POLLIN | select.POLLOUT | select.POLLERR | select.POLLHUP)]
kept = s.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16) == struct.pack('ll', 7, 0)
out = [s.recv(9), code(s.send, b'x'), s.getsockopt(SOL_SOCKET, SO_TYPE), kept, ready, code(s.getpeername), code(s.shutdown, SHUT_RD)]
with open('/tmp/out.part', 'w') as f:
    print(*out, file=f)
os.rename('/tmp/out.part', '/tmp/out')
";
    let arg = json!({"argv": ["python3", "-c", script], "envv": ["PATH=/usr/bin:/bin"]});
    let socket = place.state.path().join("box/control.sock");
    let mut client = crate::control::Client(std::os::unix::net::UnixStream::connect(socket).unwrap());
    let files = [theirs.as_fd(), null.as_fd(), null.as_fd()];
    assert_eq!(client.call("containerManager.ExecuteAsync", &arg, &files)["success"], json!(true));
    drop(theirs);
    std::io::Read::read_exact(&mut ours, &mut [0; 2]).unwrap();
    place.save("box", "image", &[]);
    assert_eq!(place.state.run(&["restore", &place.at("image"), "--detach", "--id", "again"]).2, Some(0));
    assert_eq!(place.state.run(&["exec", "again", "touch", "/tmp/go"]).2, Some(0));
    crate::control::until("it has looked", || {
        place.state.run(&["exec", "again", "test", "-e", "/tmp/out"]).2 == Some(0)
    });
    let (out, ..) = place.state.run(&["exec", "again", "cat", "/tmp/out"]);
    assert_eq!(out, "b'' EPIPE 1 True True ENOTCONN ENOTCONN\n");
}
