//! `stockade profile`.

use std::process::{Command, Stdio};

use super::*;

fn stockade(live: &Live, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("--state-dir").arg(live.state_dir()).args(args);
    command
}

#[test]
fn writes_files_and_standard_output() {
    let live = Live::script(&[], "exec dd if=/dev/zero of=/dev/null bs=64k");
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = stockade(&live, args).current_dir(directory.path()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (out.into_owned(), err.into_owned(), output.status.code())
    };
    let (out, err, status) = run(&["profile", "box", "cpu", "-d", "1s"]);
    assert_eq!((out.as_str(), status), ("", Some(0)), "{err}");
    assert!(err.contains("box.cpu.pb.gz written; `go tool pprof -top box.cpu.pb.gz` reads it"), "{err}");
    let profile = read_with("pprof.py", &directory.path().join("box.cpu.pb.gz"));
    assert!(sum(&profile, 0, |s| s["labels"]["command"] == "dd") > 0, "{profile}");
    let (_, _, status) = run(&["profile", "box", "cpu", "-d", "500ms", "--rate", "50", "-o", "x"]);
    assert_eq!(
        (status, &read_with("pprof.py", &directory.path().join("x"))["period"]),
        (Some(0), &20_000_000.into())
    );
    assert_eq!(run(&["profile", "box", "heap", "-o", "h"]).2, Some(0));
    assert_eq!(read_with("pprof.py", &directory.path().join("h"))["types"][1][0], "inuse_space");
    for kind in ["waits", "locks"] {
        assert_eq!(run(&["profile", "box", kind, "-d", "500ms"]).2, Some(0));
        read_with("pprof.py", &directory.path().join(format!("box.{kind}.pb.gz")));
    }
    assert_eq!(run(&["profile", "box", "trace", "-d", "500ms"]).2, Some(0));
    read_with("trace.py", &directory.path().join("box.trace.json"));
    let (out, err, status) = run(&["profile", "box", "stacks"]);
    assert!(out.contains(", dd: ") && (err.as_str(), status) == ("", Some(0)), "{out}{err}");
    let mut pipe = stockade(&live, &["profile", "box", "trace", "-d", "300ms", "-o", "-"]);
    let output = pipe.stderr(Stdio::null()).output().unwrap();
    assert!(output.stdout.starts_with(b"{") && output.stdout.ends_with(b"}\n"));
}

#[test]
fn says_what_is_wrong() {
    let live = Live::idle();
    let fails = |args: &[&str], what: &str| {
        let output = stockade(&live, args).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains(what) && output.status.code() == Some(1), "{args:?}: {err}");
    };
    fails(&["profile", "nope", "cpu"], "no sandbox named \"nope\"");
    fails(&["profile", "box", "heap", "--rate", "5"], "only CPU profiles have one");
    fails(&["profile", "box", "heap", "-o", "/nonexistent/x"], "--output /nonexistent/x: No such file");
    fails(&["profile", "box", "heap", "-o", "/dev/full"], "No space left on device");
}
