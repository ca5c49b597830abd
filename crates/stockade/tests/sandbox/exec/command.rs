//! `stockade exec`.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use crate::control::until;
use crate::detached::State;

fn sandbox() -> State {
    let state = State::new();
    let path = "PATH=/usr/bin:/bin";
    let args = ["do", "--detach", "--id", "box", "--clear-env", "-e", path, "-e", "A=first", "--cwd", "/tmp"];
    assert_eq!(state.run(&[&args[..], &["--", "sleep", "1000"]].concat()).2, Some(0));
    state
}

/// Standard output of a script that succeeds.
fn script(state: &State, options: &[&str], text: &str) -> String {
    let (out, err, status) = state.run(&[&["exec"], options, &["box", "sh", "-c", text]].concat());
    assert_eq!((err.as_str(), status), ("", Some(0)), "{out}");
    out.trim_end().to_owned()
}

#[test]
fn statuses_are_the_programs() {
    let state = sandbox();
    for (args, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
    ] {
        assert_eq!(state.run(&[&["exec", "box"], args].concat()).2, Some(status), "{args:?}");
    }
    let (_, err, status) = state.run(&["exec", "-w", "/none", "box", "true"]);
    let says = "stockade: working directory /none: No such file or directory\n";
    assert_eq!((err.as_str(), status), (says, Some(126)));
    let (_, err, status) = state.run(&["exec", "nope", "true"]);
    let says = "stockade: no sandbox named \"nope\"\n  hint: `stockade list` shows which there are\n";
    assert_eq!((err.as_str(), status), (says, Some(125)));
    assert_eq!(state.run(&["exec", "--no-such-option"]).2, Some(125));
    assert_eq!(state.run(&["delete", "--force", "box"]).2, Some(0));
}

#[test]
fn environment_directory_and_user() {
    let state = sandbox();
    assert_eq!(script(&state, &[], "pwd; echo $A"), "/tmp\nfirst");
    assert_eq!(script(&state, &["-e", "A=2", "--env", "B=3", "-w", "/usr"], "pwd; echo $A $B"), "/usr\n2 3");
    let user = script(&state, &["-u", "daemon"], "id -u; id -g; echo $HOME");
    assert_eq!(user, "1\n1\n/usr/sbin");
    assert_eq!(script(&state, &["-u", "1234:5", "--additional-gids", "6,7"], "id -u; id -G"), "1234\n5 6 7");
    assert_eq!(script(&state, &["-u", "0:daemon"], "id -u; id -g"), "0\n1");
    let caps = script(&state, &["-u", "1234", "--cap", "cap_chown"], "grep CapEff /proc/$$/status | cut -f2");
    assert_eq!(caps, "0000000000000001");
    let (_, err, status) = state.run(&["exec", "-u", "nobody-here", "box", "true"]);
    let says = "stockade: sandbox box: user \"nobody-here\": not in /etc/passwd inside the sandbox\n";
    assert_eq!((err.as_str(), status), (says, Some(125)));
}

#[test]
fn streams_are_apart_and_whole() {
    let state = sandbox();
    let text = "head -c 1000000 /dev/zero; head -c 500000 /dev/zero >&2; cat | wc -c >&2";
    let mut child = state
        .stockade(&["exec", "-i", "box", "sh", "-c", text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 300_000]));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(output.stdout.len(), 1_000_000);
    assert_eq!(&output.stderr[500_000..], b"300000\n");
    // Without -i there is no input.
    let mut child =
        state.stockade(&["exec", "box", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((out.as_str(), child.wait().unwrap().code()), ("", Some(0)));
}

#[test]
fn signals_are_forwarded() {
    let state = sandbox();
    let text = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child =
        state.stockade(&["exec", "box", "sh", "-c", text]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 6];
    out.read_exact(&mut first).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got\n", Some(9)));
}

#[test]
fn detached_programs_go_on() {
    let state = sandbox();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let options = ["exec", "-d", "--pid-file", file.to_str().unwrap(), "box"];
    let (out, err, status) =
        state.run(&[&options[..], &["sh", "-c", "echo lost; sleep 0.3; echo x >/tmp/there"]].concat());
    assert_eq!((out.as_str(), err.as_str(), status), ("", "", Some(0)));
    let pid: i32 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    assert!(pid > 1);
    until("it has done its work", || state.run(&["exec", "box", "test", "-e", "/tmp/there"]).2 == Some(0));
}

#[test]
fn descriptors_are_passed_on() {
    let state = sandbox();
    let here = env!("CARGO_BIN_EXE_stockade");
    let dir = state.path().display();
    let line =
        format!("exec 5</etc/hostname; {here} --state-dir {dir} exec --pass-fd 5:8 box sh -c 'cat <&8'");
    let (out, err, status) = crate::run(std::process::Command::new("sh").args(["-c", &line]));
    assert_eq!((out, err.as_str(), status), (std::fs::read_to_string("/etc/hostname").unwrap(), "", Some(0)));
    let (_, err, status) = state.run(&["exec", "--pass-fd", "77", "box", "true"]);
    assert!(err.starts_with("stockade: --pass-fd 77: Bad file descriptor\n  hint: "), "{err}");
    assert_eq!(status, Some(125));
}

#[test]
fn an_empty_sandbox_waits() {
    let state = State::new();
    let (out, err, status) = state.run(&["do", "--detach", "--id", "empty"]);
    assert_eq!((out.as_str(), err.as_str(), status), ("empty\n", "", Some(0)));
    let run = |script: &str| state.run(&["exec", "empty", "sh", "-c", script]);
    assert_eq!(run("echo $$ >/tmp/x; exit 3").2, Some(3));
    let (out, _, _) = run("test -e /tmp/x && echo there");
    assert_eq!(out, "there\n");
    assert_eq!(state.record("empty").unwrap()["status"], "running");
    let (_, err, status) = state.run(&["do", "--id", "empty", "true"]);
    assert!(err.contains("--id empty: a running sandbox has this name"), "{err}");
    assert_eq!(status, Some(125));
    // A signal that ends a process ends it.
    let front = crate::detached::pid(&state.record("empty").unwrap(), "front");
    rustix::process::kill_process(front, rustix::process::Signal::TERM).unwrap();
    assert_eq!(state.wait_for_end("empty")["exit_status"], 143);
    assert_eq!(state.run(&["delete", "empty"]).2, Some(0));
}

#[test]
fn the_end_of_the_sandbox_is_the_programs() {
    let state = sandbox();
    let child = state.stockade(&["exec", "box", "sleep", "1000"]).spawn().unwrap();
    until("it runs", || {
        state
            .run(&[
                "exec",
                "box",
                "sh",
                "-c",
                "ps ax | grep -q '[s]leep 1000$' && ps ax | grep -c '[s]leep 1000'",
            ])
            .0
            == "2\n"
    });
    assert_eq!(state.run(&["delete", "--force", "box"]).2, Some(0));
    let mut child = child;
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(child.wait().unwrap().code(), Some(137));
}
