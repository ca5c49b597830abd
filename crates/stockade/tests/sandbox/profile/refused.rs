//! What cannot be done, and that nothing stays on after it.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use super::*;
use crate::control;

/// A call by the client that shares no code with the one that is tested.
fn raw(client: &mut control::Client, method: &str, arg: &Value, files: &[BorrowedFd<'_>]) -> Value {
    let text = json!({ "method": format!("Profile.{method}"), "arg": arg }).to_string();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(files)));
    }
    sendmsg(&client.0, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::empty()).unwrap();
    client.answer()
}

fn error(answer: &Value) -> &str {
    assert_eq!((&answer["success"], &answer["result"]), (&json!(false), &Value::Null), "{answer}");
    answer["err"].as_str().unwrap()
}

#[test]
fn destinations_are_descriptors_that_can_be_written_to() {
    let live = Live::idle();
    let mut client = live.connect();
    for method in ["StartCPUProfile", "HeapProfile", "Goroutine", "StartTrace"] {
        let answer = raw(&mut client, method, &json!({}), &[]);
        assert_eq!(error(&answer), "no output writer provided", "{method}");
        let answer = raw(&mut client, method, &json!({ "path": "/tmp/profile" }), &[]);
        assert!(
            error(&answer).contains("\"/tmp/profile\": the sentry opens no files of the host"),
            "{answer}"
        );
        let file = File::open("/dev/null").unwrap();
        let answer = raw(&mut client, method, &json!({ "path": "/tmp/profile" }), &[file.as_fd()]);
        assert_eq!(error(&answer), "the destination is not open for writing");
    }
    assert!(!Path::new("/tmp/profile").exists());
    // With a descriptor, a path is only what it is called.
    let file = File::options().write(true).open("/dev/null").unwrap();
    let answer = raw(&mut client, "Goroutine", &json!({ "path": "/x" }), &[file.as_fd(), file.as_fd()]);
    assert_eq!(answer["result"], json!({}), "{answer}");
}

#[test]
fn todays_methods_do_nothing_without_a_descriptor() {
    let live = Live::idle();
    let mut client = live.connect();
    let begun = Instant::now();
    for method in ["CPU", "Heap", "Block", "Mutex", "Trace"] {
        let arg = json!({ "duration": 3_600_000_000_000_i64, "delay": 3_600_000_000_000_i64 });
        assert_eq!(raw(&mut client, method, &arg, &[])["result"], json!({}), "{method}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    let null = File::options().write(true).open("/dev/null").unwrap();
    for (method, arg) in [
        ("CPU", json!({ "duration": -1 })),
        ("CPU", json!({ "rate": 1001 })),
        ("CPU", json!({ "rate": -1 })),
        ("Heap", json!({ "delay": -1 })),
        ("Block", json!({ "duration": -1 })),
        ("Block", json!({ "rate": -1 })),
        ("Mutex", json!({ "duration": -1 })),
        ("Mutex", json!({ "fraction": -1 })),
        ("Trace", json!({ "duration": -1 })),
    ] {
        let (field, value) = arg.as_object().unwrap().iter().next().unwrap();
        let answer = raw(&mut client, method, &arg, &[null.as_fd()]);
        assert!(error(&answer).starts_with(&format!("{field} {value}: ")), "{method}: {answer}");
    }
}

#[test]
fn one_at_a_time() {
    let live = Live::idle();
    let (mut client, mut other) = (live.connect(), live.connect());
    let null = File::options().write(true).open("/dev/null").unwrap();
    let null = [null.as_fd()];
    for (start, stop, again, today, busy, missing) in [
        (
            "StartCPUProfile",
            "StopCPUProfile",
            "CPU",
            "CPU",
            "cpu profiling already in use",
            "CPU profiling not started",
        ),
        (
            "StartTrace",
            "StopTrace",
            "Trace",
            "Trace",
            "tracing is already enabled",
            "Execution tracing not started",
        ),
    ] {
        assert_eq!(error(&raw(&mut client, stop, &json!({}), &[])), missing);
        assert_eq!(raw(&mut client, start, &json!({}), &null)["success"], true);
        assert_eq!(error(&raw(&mut other, start, &json!({}), &null)), busy);
        assert_eq!(error(&raw(&mut other, again, &json!({}), &null)), busy);
        assert_eq!(raw(&mut other, stop, &json!({}), &[])["success"], true);
        assert_eq!(error(&raw(&mut client, stop, &json!({}), &[])), missing);
        assert_eq!(raw(&mut client, today, &json!({}), &null)["success"], true);
    }
}

#[test]
fn what_cannot_be_written_is_said_and_sampling_is_off_again() {
    const ENOSPC: i32 = 28;
    const EPIPE: i32 = 32;
    let live = Live::script(&[], "exec dd if=/dev/zero of=/dev/null bs=4k");
    let mut client = live.connect();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let closed = || std::io::pipe().unwrap().1;
    let null = File::options().write(true).open("/dev/null").unwrap();
    for (start, stop) in [("StartCPUProfile", "StopCPUProfile"), ("StartTrace", "StopTrace")] {
        for (to, errno) in [(full.as_fd(), ENOSPC), (closed().as_fd(), EPIPE)] {
            assert_eq!(raw(&mut client, start, &json!({}), &[to])["success"], true);
            std::thread::sleep(Duration::from_millis(300));
            let answer = raw(&mut client, stop, &json!({}), &[]);
            assert!(error(&answer).starts_with("writing to the destination: "), "{answer}");
            assert_eq!(answer["errno"], errno);
            // The next one can begin.
            assert_eq!(raw(&mut client, start, &json!({}), &[null.as_fd()])["success"], true);
            assert_eq!(raw(&mut client, stop, &json!({}), &[])["success"], true);
        }
    }
    for method in ["CPU", "Heap", "Block", "Mutex", "Trace", "HeapProfile", "Goroutine"] {
        let answer = raw(&mut client, method, &json!({ "duration": 100_000_000 }), &[full.as_fd()]);
        assert_eq!((error(&answer).is_empty(), &answer["errno"]), (false, &json!(ENOSPC)), "{method}");
        let answer = raw(&mut client, method, &json!({}), &[closed().as_fd()]);
        assert_eq!(answer["errno"], EPIPE, "{method}");
    }
}
