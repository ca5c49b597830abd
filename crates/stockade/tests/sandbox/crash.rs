//! A sentry that crashes: what is left of the sandbox, and what its front says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::{Live, name_of};

/// The front's exit status for errors of Stockade itself.
const OWN_ERROR: i32 = 125;
/// What the program holds in its memory, its arguments and its environment; nobody else does.
const SECRET: &str = "hunter2";

/// A sandbox with two processes, each in a call that takes long.
fn sleeping(state: &Path) -> Live {
    let text = format!("sleep 1000 & echo {SECRET} > /tmp/{SECRET}; echo ready; wait");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("--state-dir").arg(state).args(["do", "--env", "SECRET=hunter2", "--", "sh", "-c", &text]);
    let live = Live::start(&mut command);
    // sleep(1) has to be loaded.
    std::thread::sleep(Duration::from_millis(500));
    live
}

/// Ends the sentry of a sandbox with a signal: what the front said, and that nothing else is left.
fn end_by(signal: Signal, state: &Path) -> String {
    let live = sleeping(state);
    let mut all = [live.stubs(), vec![live.sentry]].concat();
    // The stub of what sleep(1) was before it was executed is gone, if perhaps not quite.
    all.retain(|&pid| is_alive(pid));
    // The sentry, the zygote, the stubs of the two processes, and the one that waits for the next program.
    assert_eq!(all.len(), 5);
    kill_process(Pid::from_raw(live.sentry).unwrap(), signal).unwrap();
    let output = live.wait();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(OWN_ERROR), "{said}");
    // The sentry was an init: when it has been waited for, nothing of its sandbox is left.
    assert!(!all.iter().any(|&pid| is_alive(pid)));
    said
}

fn is_alive(pid: i32) -> bool {
    name_of(pid).is_some()
}

/// The report of a sentry that got this signal.
fn report_after(signal: Signal) -> String {
    let state = tempfile::tempdir().unwrap();
    let said = end_by(signal, state.path());
    assert!(said.contains("the sentry crashed; the program is gone with it"), "{said}");
    let path = said.split_once("a report without data of the program is in ").map(|(_, path)| path.trim());
    let path = Path::new(path.unwrap_or_else(|| panic!("{said}")));
    assert_eq!(path.parent(), Some(&*state.path().join(".crashes")));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn leaves_a_report_and_no_process() {
    for (signal, name) in [(Signal::ABORT, "SIGABRT"), (Signal::SEGV, "SIGSEGV")] {
        let report = report_after(signal);
        let wanted = [
            concat!("Stockade ", env!("CARGO_PKG_VERSION"), ": the sentry crashed\n"),
            &format!("cause: {name}"),
            // The shell's thread and that of sleep(1), by what they are in.
            "serving rt_sigsuspend:",
            "serving clock_nanosleep:",
            // Addresses have names.
            "dispatch at ",
            "boot at ",
            "end of the report\n",
        ];
        for text in wanted {
            assert!(report.contains(text), "no {text:?} in:\n{report}");
        }
        assert!(!report.contains("does not answer") && !report.contains("too small"), "{report}");
        // Nothing of the program: neither what it has in memory nor how its files are called.
        for text in [SECRET, "PATH="] {
            assert!(!report.contains(text), "{text:?} in:\n{report}");
        }
    }
}

/// What the kernel does when memory runs out.
#[test]
fn killed_sentries_take_the_program_along() {
    let state = tempfile::tempdir().unwrap();
    let said = end_by(Signal::KILL, state.path());
    assert!(said.contains("the sentry was killed by SIGKILL; the program is gone with it"), "{said}");
}
