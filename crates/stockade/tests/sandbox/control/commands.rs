//! The commands that look into a running sandbox and steer it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::until;
use crate::detached::State;

/// Standard output of what succeeds silently.
fn out(state: &State, args: &[&str]) -> String {
    let (stdout, stderr, status) = state.run(args);
    assert_eq!((stderr.as_str(), status), ("", Some(0)), "{args:?}: {stdout}");
    stdout
}

/// Standard error of what fails with status 1.
fn refused(state: &State, args: &[&str]) -> String {
    let (stdout, stderr, status) = state.run(args);
    assert_eq!((stdout.as_str(), status), ("", Some(1)), "{args:?}: {stderr}");
    stderr
}

#[test]
fn ps_lists_processes_and_threads() {
    let state = State::new();
    state.start("a", &[], "sleep 1000 & exec python3 -c 'import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start(); time.sleep(1000)'");
    let json = || serde_json::from_str::<Vec<Value>>(&out(&state, &["ps", "--json", "a"])).unwrap();
    until("all of it is there", || {
        let list = json();
        list.len() == 2 && list[0]["threads"].as_array().unwrap().len() == 2
    });
    let pids: Vec<i64> = json().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert_eq!(pids[0], 1);
    let table = out(&state, &["ps", "a"]);
    assert!(table.starts_with("UID       PID "), "{table}");
    assert_eq!(table.lines().count(), 3);
    assert!(table.ends_with("sleep\n") && table.contains("python3"), "{table}");
    assert_eq!(out(&state, &["ps", "--pids", "a"]), format!("[1,{}]\n", pids[1]));
    let threads = out(&state, &["ps", "--threads", "a"]);
    let tids: Vec<&str> = threads.lines().skip(1).map(|l| l.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(tids.len(), 3, "{threads}");
    assert_eq!((tids[0], tids[2].parse()), ("1", Ok(pids[1])), "{threads}");
}

#[test]
fn signals_reach_the_first_one_or_all() {
    let state = State::new();
    let script = "trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; sleep 1000 & echo ready; while :; do sleep 0.05; done";
    state.start("a", &[], script);
    until("it is ready", || out(&state, &["logs", "a"]).contains("ready"));
    out(&state, &["kill", "a", "usr1"]);
    until("it got the signal", || out(&state, &["logs", "a"]).contains("usr1"));
    let sleeps = || {
        let list: Vec<Value> = serde_json::from_str(&out(&state, &["ps", "--json", "a"])).unwrap();
        let lasting = list.iter().find(|p| p["cmd"] == "sleep").map(|p| p["pid"].to_string());
        lasting.unwrap()
    };
    out(&state, &["kill", "--pid", &sleeps(), "a", "SIGKILL"]);
    let wait = state.stockade(&["wait", "a"]).stdout(Stdio::piped()).spawn().unwrap();
    out(&state, &["kill", "a"]);
    assert_eq!(wait.wait_with_output().unwrap().stdout, b"5\n");
    // Who waited can delete it at once; and it can be waited for again until then.
    assert_eq!(out(&state, &["wait", "a"]), "5\n");
    out(&state, &["delete", "a"]);

    state.start("b", &[], "sleep 1000 & sleep 1001 & wait; echo all; exec sleep 1000");
    until("all are there", || out(&state, &["ps", "b"]).lines().count() == 4);
    out(&state, &["kill", "--all", "b", "HUP"]);
    assert_eq!(out(&state, &["wait", "b"]), "129\n");
}

#[test]
fn ends_of_processes_can_be_waited_for() {
    let state = State::new();
    state.start("a", &[], "sh -c 'while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 6' & echo $!; while [ ! -e /tmp/go2 ]; do sleep 0.02; done; exec sleep 1000");
    until("it has told the number", || out(&state, &["logs", "a"]).ends_with('\n'));
    let pid = out(&state, &["logs", "a"]).trim().to_owned();
    let wait = state.stockade(&["wait", "--pid", &pid, "a"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    out(&state, &["kill", "--pid", &pid, "a", "KILL"]);
    assert_eq!(wait.wait_with_output().unwrap().stdout, b"137\n");
    let said = refused(&state, &["wait", "--pid", "31000", "a"]);
    assert_eq!(
        said,
        "stockade: sandbox a: process 31000: No such process\n  hint: `stockade ps a` shows which processes there are\n"
    );
    assert!(refused(&state, &["kill", "--pid", "31000", "a"]).contains("No such process"));
}

#[test]
fn a_paused_sandbox_is_shown_so() {
    let state = State::new();
    state.start("a", &[], "while :; do echo x; sleep 0.01; done");
    let status = || state.record("a").unwrap()["status"].as_str().unwrap().to_owned();
    assert_eq!(status(), "running");
    out(&state, &["pause", "a"]);
    assert_eq!(status(), "paused");
    assert!(out(&state, &["list"]).contains(" paused "));
    let json: Vec<Value> = serde_json::from_str(&out(&state, &["list", "--json"])).unwrap();
    assert_eq!(json[0]["status"], "paused");
    // What it has written arrives; then nothing more comes.
    std::thread::sleep(Duration::from_millis(300));
    let before = out(&state, &["logs", "a"]).len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(out(&state, &["logs", "a"]).len(), before);
    out(&state, &["resume", "a"]);
    assert_eq!(status(), "running");
    until("it goes on", || out(&state, &["logs", "a"]).len() > before);
    // One that is paused can be ended.
    out(&state, &["pause", "a"]);
    out(&state, &["kill", "a", "KILL"]);
    assert_eq!(out(&state, &["wait", "a"]), "137\n");
    for command in ["pause", "resume", "ps", "kill", "debug", "events", "metrics"] {
        let said = refused(&state, &[command, "a"]);
        assert_eq!(said, "stockade: sandbox a does not run\n  hint: `stockade list` shows which do\n");
        assert!(refused(&state, &[command, "nope"]).contains("no sandbox named \"nope\""));
    }
}

#[test]
fn what_is_logged_can_be_changed_and_read() {
    let state = State::new();
    state.start("a", &[], "while :; do sleep 0.02; done");
    assert_eq!(
        out(&state, &["debug", "a"]),
        "log level: info\nlog packets: off\nstrace: off\nstrace events: off (nobody reads them)\n"
    );
    assert!(!out(&state, &["logs", "--sentry", "a"]).contains("wait4("));
    let follow = state.stockade(&["logs", "--sentry", "-f", "a"]).stdout(Stdio::piped()).spawn().unwrap();
    out(&state, &["debug", "a", "--strace=wait4,execve", "--log-level", "warning"]);
    until("calls are logged", || {
        let told = out(&state, &["logs", "--sentry", "a"]);
        told.contains("wait4(") && told.contains("execve(")
    });
    let tail = out(&state, &["logs", "--sentry", "--tail", "2", "a"]);
    assert_eq!(tail.lines().count(), 2, "{tail}");
    let json: Value = serde_json::from_str(&out(&state, &["debug", "--json", "a"])).unwrap();
    assert_eq!(json["strace"]["calls"].as_array().unwrap().len(), 2);
    out(&state, &["debug", "a", "--strace=off", "--strace-events", "--log-level=debug"]);
    let now = out(&state, &["debug", "a"]);
    assert_eq!(
        now,
        "log level: debug\nlog packets: off\nstrace: off\nstrace events: all calls (nobody reads them)\n"
    );
    out(&state, &["debug", "a", "--strace-events=off", "--strace"]);
    assert!(out(&state, &["debug", "a"]).contains("strace: all calls\nstrace events: off"));
    let (_, said, status) = state.run(&["debug", "a", "--log-packets", "on"]);
    assert!(said.contains("no packet stack") && status == Some(0), "{said}");
    let (_, said, status) = state.run(&["debug", "a", "--strace=opneat"]);
    assert!(said.contains("did you mean openat?") && status == Some(2), "{said}");
    out(&state, &["kill", "a", "KILL"]);
    let followed = String::from_utf8(follow.wait_with_output().unwrap().stdout).unwrap();
    assert!(followed.contains("wait4(") && followed.contains("+++ killed by SIGKILL +++"), "{followed}");
    assert_eq!(followed, out(&state, &["logs", "--sentry", "a"]));
}

#[test]
fn events_are_printed_as_they_come() {
    let state = State::new();
    state.start("a", &["--memory", "512M"], "while :; do cd /etc; cd /nowhere; sleep 0.05; done 2>/dev/null");
    let stats: Value = serde_json::from_str(&out(&state, &["events", "--stats", "--json", "a"])).unwrap();
    assert_eq!((&stats["type"], &stats["id"]), (&"stats".into(), &"a".into()));
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 512 << 20);
    let table = out(&state, &["events", "--stats", "a"]);
    assert!(table.starts_with("CPU         MEMORY") && table.contains("512 MiB"), "{table}");
    let mut each =
        state.stockade(&["events", "--interval", "50ms", "a"]).stdout(Stdio::piped()).spawn().unwrap();

    let mut strace = state
        .stockade(&["events", "--strace", "a"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut hint = String::new();
    BufReader::new(strace.stderr.as_mut().unwrap()).read_line(&mut hint).unwrap();
    assert!(hint.contains("no calls are told of yet"), "{hint}");
    out(&state, &["debug", "a", "--strace-events=chdir"]);
    let mut lines = BufReader::new(strace.stdout.take().unwrap()).lines();
    let told: Vec<Value> =
        (0..6).map(|_| serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()).collect();
    assert!(told.iter().all(|l| l["data"]["function"] == "chdir" && l["id"] == "a"), "{told:?}");
    let failed = told.iter().find(|l| l["data"]["errno"] == 2).unwrap();
    assert_eq!(
        (&failed["type"], &failed["data"]["args"]),
        (&"exit".into(), &serde_json::json!(["\"/nowhere\""]))
    );

    let page = out(&state, &["metrics", "a"]);
    for line in [
        "# TYPE stockade_syscalls_total counter\n",
        "stockade_syscalls_total{sandbox=\"a\",call=\"chdir\",number=\"80\"} ",
        "stockade_memory_limit_bytes{sandbox=\"a\"} 536870912\n",
    ] {
        assert!(page.contains(line), "no {line:?} in {page}");
    }
    // They end with the sandbox.
    out(&state, &["kill", "a", "KILL"]);
    assert!(strace.wait().unwrap().success());
    let mut rows = String::new();
    each.stdout.take().unwrap().read_to_string(&mut rows).unwrap();
    assert!(each.wait().unwrap().success() && rows.lines().count() > 2, "{rows}");
}
