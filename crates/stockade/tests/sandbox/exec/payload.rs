//! Descriptors that come with a program: of every kind, under every number, and the program itself.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde_json::json;

use super::{Streams, exec, failure};
use crate::control::Live;

#[test]
fn descriptors_are_numbered() {
    let live = Live::idle();
    let mut client = live.connect();
    let streams = Streams::new();
    let mut files = streams.files();
    let mut regular = tempfile::tempfile().unwrap();
    regular.write_all(b"regular\nsecond\n").unwrap();
    regular.rewind().unwrap();
    let (mut socket, other) = UnixStream::pair().unwrap();
    socket.write_all(b"socket\n").unwrap();
    files.extend([regular.as_fd(), other.as_fd()]);
    let script = "read line <&7; echo $line; read line <&9; echo $line; echo to socket >&9; ls /proc/self/fd | head -n 5 | tr '\\n' ' '";
    let arg = json!({"argv": ["sh", "-c", script], "envv": ["PATH=/bin"], "GuestFDs": [0, 1, 2, 7, 9]});
    let answer = client.call("Proc.Exec", &arg, &files);
    drop(files);
    assert_eq!(answer["result"], 0, "{answer}");
    assert_eq!(streams.text(), "regular\nsocket\n0 1 2 3 7 ");
    let mut back = [0; 10];
    socket.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"to socket\n");
}

#[test]
fn two_openings_of_a_file_have_two_offsets() {
    let live = Live::idle();
    let mut client = live.connect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let (a, b) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    let streams = Streams::new();
    let mut files = streams.files();
    files.extend([a.as_fd(), b.as_fd()]);
    let arg = json!({"argv": ["sh", "-c", "read x <&3; read y <&4; echo $x $y"], "envv": ["PATH=/bin"]});
    let answer = client.call("Proc.Exec", &arg, &files);
    drop(files);
    assert_eq!((&answer["result"], streams.text().as_str()), (&json!(0), "one one\n"));
}

#[test]
fn a_program_comes_as_a_descriptor() {
    let live = Live::idle();
    let mut client = live.connect();
    let program = File::open("/bin/busybox").unwrap();
    let streams = Streams::new();
    let mut files = streams.files();
    files.push(program.as_fd());
    let arg = json!({"argv": ["echo", "by", "descriptor"], "GuestFDs": [0, 1, 2]});
    let answer = client.call("Proc.Exec", &arg, &files);
    let with_name = json!({"argv": ["x"], "filename": "/bin/true", "GuestFDs": [0, 1, 2]});
    let refused = client.call("Proc.Exec", &with_name, &files);
    drop(files);
    assert_eq!(answer["result"], 0, "{answer}");
    assert_eq!(streams.text(), "by descriptor\n");
    assert_eq!(refused["err"], "a program is given by a descriptor and by filename: leave one out");
}

#[test]
fn wrong_numbers_are_refused() {
    let live = Live::idle();
    let mut client = live.connect();
    for (numbers, says) in [
        (json!([0, 1, 1]), "GuestFDs: 1 is there twice"),
        (json!([0, 1, -1]), "GuestFDs: -1 is no descriptor; 0 to 1023 are"),
        (json!([0, 1, 1024]), "GuestFDs: 1024 is no descriptor; 0 to 1023 are"),
        (json!([0, 1, 2, 3]), "3 descriptors for 4 GuestFDs"),
        (json!([0]), "3 descriptors for 1 GuestFDs"),
    ] {
        let (message, _) = failure(&mut client, &json!({"argv": ["/bin/true"], "GuestFDs": numbers}));
        assert_eq!(message, says);
    }
    let (answer, _) = exec(&mut client, &json!({"argv": ["/bin/true"], "GuestFDs": null}));
    assert_eq!(answer["result"], 0);
}

#[test]
fn no_byte_is_lost_at_the_end() {
    let live = Live::idle();
    let mut client = live.connect();
    let (mut out, end) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    let arg = json!({"argv": ["/bin/busybox", "head", "-c", "3000001", "/dev/zero"]});
    let answer = client.call("Proc.Exec", &arg, &[null.as_fd(), end.as_fd(), end.as_fd()]);
    drop(end);
    assert_eq!((&answer["result"], reader.join().unwrap()), (&json!(0), 3_000_001));
}
