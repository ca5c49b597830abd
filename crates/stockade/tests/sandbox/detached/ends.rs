//! Ends that nobody planned.

use super::{State, pid};
use crate::control::until;
use rustix::process::{Signal, kill_process, test_kill_process};

#[test]
fn a_monitor_that_is_killed_takes_the_sandbox_along() {
    let state = State::new();
    state.start("a", &[], "sleep 1000");
    let record = state.record("a").unwrap();
    let groups: Vec<&str> =
        record["cgroups"].as_array().unwrap().iter().map(|group| group.as_str().unwrap()).collect();
    kill_process(pid(&record, "front"), Signal::KILL).unwrap();
    until("the sentry is gone", || test_kill_process(pid(&record, "pid")).is_err());
    let record = state.wait_for_end("a");
    assert!(record["exit_status"].is_null() && record["finished"].is_null(), "{record}");
    assert!(record["message"].as_str().unwrap().contains("was killed"), "{record}");
    assert!(groups.iter().all(|group| !std::path::Path::new(group).exists()), "{groups:?}");
    assert_eq!(state.run(&["delete", "a"]).2, Some(0));
}

#[test]
fn a_front_that_is_killed_leaves_nothing_that_stays() {
    let state = State::new();
    let mut front = state.stockade(&["do", "--id", "a", "sleep", "1000"]).spawn().unwrap();
    until("it runs", || state.record("a").is_some_and(|r| r["status"] == "running"));
    front.kill().unwrap();
    front.wait().unwrap();
    assert!(state.directory("a").exists());
    assert!(state.ids().is_empty() && !state.directory("a").exists());
}

#[test]
fn a_sentry_that_is_killed_is_told_of() {
    let state = State::new();
    state.start("a", &[], "sleep 1000");
    kill_process(pid(&state.record("a").unwrap(), "pid"), Signal::KILL).unwrap();
    let record = state.wait_for_end("a");
    assert_eq!(record["exit_status"], 125);
    assert!(record["message"].as_str().unwrap().contains("the sentry was killed by SIGKILL"), "{record}");
}

#[test]
fn time_that_is_up_ends_it() {
    let state = State::new();
    state.start("a", &["--timeout", "300ms"], "sleep 1000");
    let record = state.wait_for_end("a");
    assert_eq!(record["exit_status"], 124);
    assert!(record["message"].as_str().unwrap().contains("--timeout"), "{record}");
}

#[test]
fn a_stopped_program_does_not_stop_the_monitor() {
    let state = State::new();
    state.start("a", &[], "kill -STOP $$; exit 5");
    let monitor = pid(&state.record("a").unwrap(), "front");
    until("the program goes on", || {
        // Until it has stopped, there is nothing to continue; once it has ended, nobody is there.
        let _ = kill_process(monitor, Signal::CONT);
        state.record("a").unwrap()["status"] == "stopped"
    });
    assert_eq!(state.wait_for_end("a")["exit_status"], 5);
}

#[test]
fn signals_to_the_monitor_are_the_programs() {
    let state = State::new();
    state.start("a", &[], "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    until("the trap is set", || state.run(&["logs", "a"]).0 == "ready\n");
    kill_process(pid(&state.record("a").unwrap(), "front"), Signal::TERM).unwrap();
    assert_eq!(state.wait_for_end("a")["exit_status"], 9);
}
