//! From the start to the removal.

use super::{State, pid};
use crate::control::until;
use serde_json::Value;

#[test]
fn the_command_returns_and_the_program_goes_on() {
    let state = State::new();
    let options = ["--annotation", "owner=me", "--annotation", "empty="];
    state.start("one", &options, "sleep 1000");
    let record = state.record("one").unwrap();
    assert_eq!((&record["id"], &record["status"]), (&"one".into(), &"running".into()));
    assert_eq!(record["command"], serde_json::json!(["sh", "-c", "sleep 1000"]));
    assert_eq!(record["annotations"], serde_json::json!({"owner": "me", "empty": ""}));
    let socket = record["control_socket"].as_str().unwrap();
    assert!(std::path::Path::new(socket).exists(), "{socket}");
    assert!(record["created"].as_str().unwrap().ends_with('Z'));
    // The monitor has a session of its own, without a terminal, and does not hold the caller's streams or directory.
    let monitor = pid(&record, "front");
    assert_eq!(rustix::process::getsid(Some(monitor)).unwrap(), monitor);
    let link = |name: &str| std::fs::read_link(format!("/proc/{}/{name}", monitor.as_raw_nonzero())).unwrap();
    assert_eq!(link("cwd").to_str(), Some("/"));
    assert!((0..3).all(|fd| link(&format!("fd/{fd}")).to_str() == Some("/dev/null")));
    let sentry = pid(&record, "pid");
    assert!(rustix::process::test_kill_process(sentry).is_ok());

    let (stdout, ..) = state.run(&["list"]);
    assert!(stdout.contains("one  running"), "{stdout}");
    let (stdout, ..) = state.run(&["list", "--json"]);
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0], record);
}

#[test]
fn a_name_is_one_sandboxs() {
    let state = State::new();
    state.start("one", &[], "sleep 1000");
    let (_, stderr, status) = state.run(&["do", "--id", "one", "true"]);
    assert!(stderr.contains("a running sandbox has this name"), "{stderr}");
    assert_eq!(status, Some(125));
    let (_, stderr, status) = state.run(&["do", "-d", "--id", "one", "true"]);
    assert!(stderr.contains("a running sandbox has this name"), "{stderr}");
    assert_eq!(status, Some(125));
    assert_eq!(state.run(&["delete", "--force", "one"]), (String::new(), String::new(), Some(0)));
    state.start("one", &[], "true");
    state.wait_for_end("one");
    let (_, stderr, status) = state.run(&["do", "-d", "--id", "one", "true"]);
    assert!(stderr.contains("stopped sandbox") && stderr.contains("stockade delete one"), "{stderr}");
    assert_eq!(status, Some(125));
}

#[test]
fn what_stopped_is_kept_until_it_is_removed() {
    let state = State::new();
    for (id, script, status) in [("a", "exit 7", 7), ("b", "kill -TERM $$", 143), ("c", "true", 0)] {
        state.start(id, &[], script);
        let record = state.wait_for_end(id);
        assert_eq!(record["exit_status"], status, "{record}");
        assert!(record["pid"].is_null() && record["finished"].is_string(), "{record}");
    }
    assert_eq!(state.ids(), ["a", "b", "c"]);
    let (stdout, ..) = state.run(&["list"]);
    assert!(stdout.contains("b   stopped (143)  -"), "{stdout}");
    let (_, stderr, status) = state.run(&["delete", "a", "nope", "c"]);
    assert!(stderr.contains("no sandbox named \"nope\""), "{stderr}");
    assert_eq!((status, state.ids()), (Some(1), vec!["b".to_owned()]));
    assert!(!state.directory("a").exists());
}

#[test]
fn what_is_not_to_be_kept_is_not() {
    let state = State::new();
    state.start("a", &["--rm"], "sleep 0.3");
    until("it is gone", || state.ids().is_empty());
    // Nor is one in the foreground.
    assert_eq!(state.run(&["do", "--id", "b", "true"]).2, Some(0));
    assert!(state.ids().is_empty() && !state.directory("b").exists());
}

#[test]
fn what_runs_is_removed_by_force_only() {
    let state = State::new();
    state.start("a", &[], "trap '' TERM; sleep 1000");
    let record = state.record("a").unwrap();
    let (_, stderr, status) = state.run(&["delete", "a"]);
    assert!(stderr.contains("sandbox a runs") && stderr.contains("--force"), "{stderr}");
    assert_eq!((status, state.record("a").unwrap()["status"].as_str()), (Some(1), Some("running")));
    assert_eq!(state.run(&["delete", "--force", "a"]).2, Some(0));
    assert!(state.ids().is_empty());
    assert!(rustix::process::test_kill_process(pid(&record, "pid")).is_err());
}

#[test]
fn what_does_not_start_leaves_nothing() {
    let state = State::new();
    for (program, status) in [("/nonexistent", 127), ("/etc/passwd", 126)] {
        let foreground = state.run(&["do", "--id", "a", program]);
        let detached = state.run(&["do", "--detach", "--id", "a", program]);
        assert_eq!(detached, foreground);
        assert_eq!(detached.2, Some(status));
    }
    let (_, stderr, status) = state.run(&["do", "-d", "--cwd", "/nonexistent", "--id", "a", "/nonexistent"]);
    assert!(stderr.contains("using /") && status == Some(127), "{stderr}");
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn shells_complete_names() {
    let state = State::new();
    state.start("building", &[], "sleep 1000");
    let line = ["--", "stockade", "--state-dir", state.path().to_str().unwrap(), "state", "bu"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.args(line).env("STOCKADE_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "4");
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "false");
    assert_eq!(crate::output(&mut command), "building");
}
