//! What is expected of a front.

use crate::ROLE;
use crate::sentry;
use crate::tty::open_pty;
use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn all() -> Vec<Trial> {
    let tests: [(&str, fn()); 18] = [
        ("exit_status_is_the_programs", exit_status_is_the_programs),
        ("death_by_signal_is_128_and_the_signal", death_by_signal_is_128_and_the_signal),
        ("every_catchable_signal_is_forwarded", every_catchable_signal_is_forwarded),
        ("signals_before_the_end_are_not_lost", signals_before_the_end_are_not_lost),
        ("timeout_sends_sigterm", timeout_sends_sigterm),
        ("timeout_kills_who_does_not_listen", timeout_kills_who_does_not_listen),
        ("no_timeout_when_the_program_is_quicker", no_timeout_when_the_program_is_quicker),
        ("stops_with_the_program_and_continues_it", stops_with_the_program_and_continues_it),
        ("a_lost_sentry_is_125", a_lost_sentry_is_125),
        ("a_sentry_tells_of_the_end", a_sentry_tells_of_the_end),
        ("a_sandbox_that_cannot_be_set_up_is_125", a_sandbox_that_cannot_be_set_up_is_125),
        ("a_sentry_gets_signals", a_sentry_gets_signals),
        ("a_crash_leaves_a_report", a_crash_leaves_a_report),
        ("a_sentry_that_just_ends_is_lost", a_sentry_that_just_ends_is_lost),
        ("a_slow_sentry_misses_no_signal", a_slow_sentry_misses_no_signal),
        ("a_wedged_sentry_does_not_outlive_its_time", a_wedged_sentry_does_not_outlive_its_time),
        ("a_sentry_that_hangs_up_is_lost", a_sentry_that_hangs_up_is_lost),
        ("terminal_is_put_back", terminal_is_put_back),
    ];
    tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || {
                std::panic::catch_unwind(test).map_err(|_| Failed::from("panicked, see above"))
            })
        })
        .collect()
}

fn front(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).args(arguments).stdin(Stdio::null());
    command
}

fn status(arguments: &[&str]) -> i32 {
    front(arguments).status().unwrap().code().unwrap()
}

/// A front whose first line of output has been read, and the rest of its output.
fn started(arguments: &[&str], first_line: &str) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = front(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), first_line);
    (child, out)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn exit_status_is_the_programs() {
    assert_eq!(status(&["child", "-", "true"]), 0);
    assert_eq!(status(&["child", "-", "sh", "-c", "exit 77"]), 77);
}

fn death_by_signal_is_128_and_the_signal() {
    assert_eq!(status(&["child", "-", "sh", "-c", "kill -KILL $$"]), 137);
    assert_eq!(status(&["child", "-", "sh", "-c", "kill -SEGV $$"]), 139);
}

fn every_catchable_signal_is_forwarded() {
    let script = "import signal,sys,time
todo=set(range(1,65))-{9,19,32,33}
def got(n,_): todo.discard(n)
for n in list(todo): signal.signal(n, got)
print('ready',flush=True)
end=time.time()+20
while todo and time.time()<end: time.sleep(0.01)
print(sorted(todo),flush=True)
sys.exit(len(todo))";
    let (mut child, mut out) = started(&["child", "-", "python3", "-c", script], "ready");
    let pid = child.id().to_string();
    for n in (1..=64).filter(|n| ![9, 19, 32, 33].contains(n)) {
        assert!(Command::new("kill").args([&format!("-{n}"), &pid]).status().unwrap().success());
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.trim(), child.wait().unwrap().code()), ("[]", Some(0)));
}

fn signals_before_the_end_are_not_lost() {
    // The program ends at the signal; nothing else wakes it.
    let (mut child, _out) = started(&["child", "-", "sh", "-c", "echo ready; exec sleep 60"], "ready");
    send(&child, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(129));
}

fn timeout_sends_sigterm() {
    let start = Instant::now();
    assert_eq!(status(&["child", "100", "sleep", "60"]), 124);
    // Its own exit status after SIGTERM does not matter.
    assert_eq!(status(&["child", "100", "sh", "-c", "trap 'exit 3' TERM; sleep 60 & wait"]), 124);
    // A stopped program sees SIGTERM too.
    assert_eq!(status(&["child", "100", "sh", "-c", "kill -STOP $$"]), 124);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn timeout_kills_who_does_not_listen() {
    let start = Instant::now();
    assert_eq!(status(&["child", "100", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]), 124);
    assert!(start.elapsed() >= stockade::front::GRACE);
}

fn no_timeout_when_the_program_is_quicker() {
    assert_eq!(status(&["child", "60000", "sh", "-c", "exit 5"]), 5);
}

fn stops_with_the_program_and_continues_it() {
    let events = [r#""started""#, r#"{"stopped":20}"#, r#"{"notice":"n"}"#];
    let arguments: Vec<&str> = ["script"].into_iter().chain(events).collect();
    let mut child = front(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let stopped = waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).unwrap().unwrap();
    assert_eq!(stopped.stopping_signal(), Some(Signal::STOP.as_raw()));
    send(&child, Signal::CONT);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let seen = [lines.next().unwrap(), lines.next().unwrap()];
    for want in ["Forwarded { signal: 18, from_terminal: false }", "notice n"] {
        assert!(seen.iter().any(|line| line == want), "{seen:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn a_lost_sentry_is_125() {
    assert_eq!(status(&["script", r#""started""#, "gone"]), 125);
    assert_eq!(status(&["script", r#"{"ended":{"exited":9}}"#]), 9);
}

fn terminal_is_put_back() {
    let (_master, slave) = open_pty();
    let before = tcgetattr(&slave).unwrap();
    assert!(before.local_modes.contains(LocalModes::ECHO));
    // setsid(1) makes it the controlling terminal, so that the front is in its foreground.
    for script in ["stty raw -echo", "stty raw -echo; kill -KILL $$"] {
        let mut child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(std::env::current_exe().unwrap())
            .args([ROLE, "child", "-", "sh", "-c", script])
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        let after = tcgetattr(&slave).unwrap();
        assert_eq!(
            (after.local_modes, after.input_modes),
            (before.local_modes, before.input_modes),
            "{script}"
        );
    }
}

fn a_sentry_tells_of_the_end() {
    assert_eq!(sentry::outcome("end"), (7, "stockade: noted\n".to_owned()));
}

fn a_sandbox_that_cannot_be_set_up_is_125() {
    assert_eq!(sentry::outcome("fail"), (125, "stockade: sandbox x: no\\ngood\n".to_owned()));
}

fn a_sentry_gets_signals() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("s").into_os_string().into_string().unwrap();
    let (mut child, _out) = started(&["sentry", "echo", &path], "ready");
    send(&child, Signal::USR1);
    assert_eq!(child.wait().unwrap().code(), Some(138));
}

/// The status of a front whose sentry does `what` and which gets more signals than the line to the sentry holds.
fn flooded(what: &str) -> Option<i32> {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("s").into_os_string().into_string().unwrap();
    let (mut child, _out) = started(&["sentry", what, &path], "ready");
    let script = format!("for i in $(seq {}); do kill -40 {}; done", sentry::FLOOD, child.id());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    child.wait().unwrap().code()
}

fn a_slow_sentry_misses_no_signal() {
    assert_eq!(flooded("slow"), Some(7));
}

fn a_wedged_sentry_does_not_outlive_its_time() {
    let start = Instant::now();
    assert_eq!(flooded("wedge"), Some(124));
    assert!(start.elapsed() < 2 * stockade::front::GRACE + Duration::from_secs(5));
}

fn a_sentry_that_hangs_up_is_lost() {
    let (status, said) = sentry::outcome("hang-up");
    assert_eq!(status, 125);
    assert!(said.contains("was killed by SIGKILL"), "{said}");
}

fn a_crash_leaves_a_report() {
    let (status, said) = sentry::outcome("crash");
    assert_eq!(status, 125);
    assert!(said.contains("sandbox x: the sentry crashed"), "{said}");
    assert!(said.contains("/state/.crashes/20") && said.contains("-x.txt"), "{said}");
}

fn a_sentry_that_just_ends_is_lost() {
    assert_eq!(sentry::outcome("trees"), (0, String::new()));
    let (status, said) = sentry::outcome("nothing");
    assert_eq!(status, 125);
    assert!(said.contains("ended (status 3)"), "{said}");
}
