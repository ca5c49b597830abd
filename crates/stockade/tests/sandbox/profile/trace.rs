//! Traces.

use std::time::{Duration, Instant};

use serde_json::Value;
use stockade_control::types::profile::TraceProfileOpts;

use super::*;

const WORK: &str = "while :; do ls / >/dev/null; sleep 0.05; ls /nonexistent 2>/dev/null
python3 -c 'import ctypes; ctypes.string_at(0)' 2>/dev/null; done";

#[test]
fn shows_what_tasks_do() {
    let live = Live::script(&[], WORK);
    let file = tempfile::NamedTempFile::new().unwrap();
    let begun = Instant::now();
    connect(&live).trace(&TraceProfileOpts { duration: 5_000_000_000 }, file.as_file().as_fd()).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(5));
    let trace = read_with("trace.py", file.path());
    for name in [
        "syscall:execve",
        "syscall:openat",
        "syscall:wait4",
        "syscall:clock_nanosleep",
        "syscall:exit_group",
        "wait:wait",
        "sched:guest code",
        "sched:end",
        "fault:SIGSEGV",
    ] {
        assert!(trace["names"][name].as_u64().unwrap_or(0) > 0, "no {name}: {trace}");
    }
    assert_eq!((&trace["processes"]["1"], &trace["threads"]["1"]), (&"sh".into(), &"sh".into()));
    let names: Vec<&str> =
        trace["processes"].as_object().unwrap().values().map(|v| v.as_str().unwrap()).collect();
    assert!(["sleep", "ls", "python3"].iter().all(|name| names.contains(name)), "{names:?}");
    let failed = |v: &Value| v.as_str().unwrap().contains("ENOENT");
    assert!(trace["results"]["statx"].as_array().is_some_and(|all| all.iter().any(failed)), "{trace}");
    let microseconds = trace["microseconds"].as_f64().unwrap();
    assert!((3e6..60e6).contains(&microseconds), "{microseconds}");
}

#[test]
fn is_bounded_and_says_what_was_lost() {
    let live = Live::script(&[], "exec dd if=/dev/zero of=/dev/null bs=1");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut client = connect(&live);
    client.start_trace(writer.as_fd()).unwrap();
    drop(writer);
    // Nobody reads meanwhile, and the guest goes on.
    std::thread::sleep(Duration::from_secs(4));
    let copy = std::thread::spawn(move || {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::copy(&mut { reader }, &mut file.as_file()).unwrap();
        file
    });
    client.stop_trace().unwrap();
    let trace = read_with("trace.py", copy.join().unwrap().path());
    assert!(trace["names"]["syscall:read"].as_u64().unwrap() > 1000, "{trace}");
    assert!(trace["lost"].as_u64().unwrap() > 1000, "{trace}");
}
