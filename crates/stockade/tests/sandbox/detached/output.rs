//! What detached programs print.

use super::State;
use crate::control::until;
use std::process::Stdio;

#[test]
fn streams_are_told_apart_and_nothing_is_lost() {
    let state = State::new();
    state.start(
        "a",
        &[],
        "echo out; echo err >&2; printf 'no end'; sleep 0.2; printf ' \\377\\n\\n'; printf tail",
    );
    state.wait_for_end("a");
    let output = state.stockade(&["logs", "a"]).output().unwrap();
    assert_eq!(output.stdout, b"out\nno end \xff\n\ntail");
    assert_eq!(output.stderr, b"err\n");
    let text = std::fs::read(state.directory("a").join("output.log")).unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("Z stdout F out\n") && text.contains("Z stdout P no end\n"), "{text}");
}

#[test]
fn a_lot_arrives_whole() {
    let state = State::new();
    state.start("a", &[], "seq 300000");
    state.wait_for_end("a");
    let (stdout, stderr, status) = state.run(&["logs", "a"]);
    assert_eq!((stderr.as_str(), status), ("", Some(0)));
    let wanted: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
    assert!(stdout == wanted, "{} bytes instead of {}", stdout.len(), wanted.len());
}

#[test]
fn more_than_the_bound_drops_the_oldest() {
    let state = State::new();
    state.start("a", &[], "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 800000; echo last");
    state.wait_for_end("a");
    let files = std::fs::read_dir(state.directory("a")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 33 << 20, "{bytes}");
    let (stdout, ..) = state.run(&["logs", "--tail", "2", "a"]);
    assert_eq!(stdout.lines().map(str::len).collect::<Vec<_>>(), [70, 4]);
    assert!(stdout.ends_with("\nlast\n"));
}

#[test]
fn it_can_be_followed_to_the_end() {
    let state = State::new();
    state.start("a", &[], "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; exit 3");
    let logs = state.stockade(&["logs", "-f", "a"]).stdout(Stdio::piped()).spawn().unwrap();
    until("the first line is there", || state.run(&["logs", "a"]).0 == "one\n");
    let killed = state.run(&["delete", "--force", "a"]);
    assert_eq!(killed.2, Some(0));
    let output = logs.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"one\n"[..], Some(0)));

    state.start("b", &[], "echo one; sleep 0.5; echo two; echo three >&2");
    let (stdout, stderr, status) = state.run(&["logs", "--follow", "b"]);
    assert_eq!((stdout.as_str(), stderr.as_str(), status), ("one\ntwo\n", "three\n", Some(0)));
}

#[test]
fn times_and_parts() {
    let state = State::new();
    state.start("a", &[], "echo one; sleep 0.5; printf two; sleep 0.1; echo ...; echo three");
    let record = state.wait_for_end("a");
    let (stdout, ..) = state.run(&["logs", "-t", "a"]);
    let lines: Vec<(&str, &str)> = stdout.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(lines.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["one", "two...", "three"]);
    let created = record["created"].as_str().unwrap();
    assert!(created < lines[0].0 && lines[0].0 < lines[1].0 && lines[1].0 < lines[2].0, "{stdout}");
    assert_eq!(state.run(&["logs", "--since", lines[1].0, "a"]).0, "two...\nthree\n");
    assert_eq!(state.run(&["logs", "--since", "1h", "--tail", "1", "a"]).0, "three\n");
    assert_eq!(state.run(&["logs", "--tail", "0", "a"]).0, "");
}

#[test]
fn standard_input_is_empty() {
    let state = State::new();
    state.start("a", &[], "cat; echo status $?");
    state.wait_for_end("a");
    assert_eq!(state.run(&["logs", "a"]).0, "status 0\n");
}

#[test]
fn a_terminal_shows_into_the_log() {
    let state = State::new();
    let script = "tty; [ -t 0 ] && [ -t 2 ] && echo three of them; echo error >&2; stty -echo; read line && echo typed; exit 3";
    state.start("box", &["-t"], script);
    let (shown, mut seen) = ("/dev/pts/0\r\nthree of them\r\nerror\r\n", String::new());
    until("all is shown", || {
        seen = state.run(&["logs", "box"]).0;
        seen == shown
    });
    // Nobody types, and that is no end.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(state.record("box").unwrap()["status"], "running");
    assert_eq!(state.run(&["kill", "box", "HUP"]).2, Some(0));
    assert_eq!(state.wait_for_end("box")["exit_status"], 129);
    assert_eq!(state.run(&["logs", "box"]), (shown.to_owned(), String::new(), Some(0)));
    let (_, err, status) = state.run(&["do", "-d", "-t", "--id", "empty"]);
    assert!(status == Some(125) && err.contains("COMMAND"), "{status:?} {err}");
}
