//! Memory and tasks, for a caller who may have control groups and for one who has none.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{output, run, script};

/// The caller, who may have control groups, and an ordinary user, who has none, if one can be had.
fn callers(command: impl Fn() -> Command) -> Vec<Command> {
    const USER: u32 = 64_001;
    let mut other = command();
    other.uid(USER).gid(USER).env("HOME", "/").env_remove("XDG_RUNTIME_DIR").current_dir("/");
    let mut probe = Command::new(env!("CARGO_BIN_EXE_stockade"));
    let can = probe.arg("version").uid(USER).gid(USER).output().is_ok_and(|o| o.status.success());
    if can { vec![command(), other] } else { vec![command()] }
}

#[test]
fn what_takes_all_memory_ends_inside() {
    for mut command in callers(|| script(&["--memory", "200M"], "tail /dev/zero; echo status $?")) {
        let (stdout, stderr, status) = run(&mut command);
        // A control group may go on to the shell before what was killed first has given its memory back.
        let expected = [("status 137\n", Some(0)), ("", Some(137))];
        assert!(expected.contains(&(stdout.as_str(), status)), "{stdout}{status:?}{stderr}");
        assert!(stderr.contains("--memory 200 MiB: reached; "), "{stderr}");
    }
}

#[test]
fn memory_that_forks_share_counts_once() {
    let text = "python3 -c '
import os, time
kept = bytearray(100 << 20)
for _ in range(5):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
print([os.wait()[1] for _ in range(5)])'";
    for mut command in callers(|| script(&["--memory", "200M"], text)) {
        assert_eq!(output(&mut command), "[0, 0, 0, 0, 0]\n");
    }
}

#[test]
fn a_fork_bomb_ends_inside() {
    let text = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; echo after";
    for mut command in callers(|| script(&["--pids", "60", "--timeout", "60"], text)) {
        let (stdout, stderr, status) = run(&mut command);
        assert_eq!((stdout.as_str(), status), ("after\n", Some(0)), "{stderr}");
        assert!(stderr.contains("--pids 60: reached"), "{stderr}");
    }
}
