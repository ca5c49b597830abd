//! Hosts that refuse calls, as the filters of container engines do: what can work does; what cannot says so in one
//! sentence, and `doctor` says the same.

use std::path::PathBuf;
use std::process::Command;

use stockade_abi::nr;
use tempfile::TempDir;

use crate::hostile::compile;
use crate::run;

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;
/// Instead of an errno: the filter kills for the call.
const KILL: i32 = -1;

/// A program that starts others under a filter.
struct Launcher {
    _dir: TempDir,
    program: PathBuf,
}

impl Launcher {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        compile("refuse", &[], dir.path());
        Self { program: dir.path().join("refuse"), _dir: dir }
    }

    /// Runs `stockade ARGS` where these calls are answered with `errno`.
    fn stockade(&self, calls: &[u32], errno: i32, args: &[&str]) -> (String, String, Option<i32>) {
        let calls: Vec<_> = calls.iter().map(u32::to_string).collect();
        let mut command = Command::new(&self.program);
        command.arg(errno.to_string()).arg(calls.join(",")).arg(env!("CARGO_BIN_EXE_stockade")).args(args);
        run(&mut command)
    }
}

/// Docker's and podman's profiles answer much of what a guest may ask the sentry for; a guest does not notice.
#[test]
fn what_only_guests_ask_for_may_be_refused() {
    let calls = [
        nr::ptrace,
        nr::personality,
        nr::mount,
        nr::umount2 + 1000,
        nr::keyctl,
        nr::bpf,
        nr::clone3,
        nr::io_uring_setup,
        nr::userfaultfd,
        nr::perf_event_open,
        nr::kcmp,
        nr::setns,
        nr::acct,
        nr::swapon,
        nr::clock_settime,
    ];
    let launcher = Launcher::new();
    let script = "python3 -c 'import subprocess, threading; t = threading.Thread(target=print, args=(\"thread\",)); \
        t.start(); t.join(); print(subprocess.run([\"echo\", \"child\"], capture_output=True).stdout)'; unshare -m echo apart";
    for errno in [EPERM, ENOSYS] {
        let args = ["do", "--uid=0", "--gid=0", "--", "sh", "-c", script];
        let (out, err, status) = launcher.stockade(&calls, errno, &args);
        assert_eq!((out.as_str(), status), ("thread\nb'child\\n'\napart\n", Some(0)), "{err}");
    }
}

/// What is refused and named, in the message of `do` and by `doctor`.
#[test]
fn what_is_needed_is_named_when_it_is_refused() {
    let launcher = Launcher::new();
    let named = |nr: u32, errno: i32| {
        let name = nr::name(nr.into()).unwrap();
        let (out, err, status) = launcher.stockade(&[nr], errno, &["do", "true"]);
        assert_eq!((out.as_str(), status), ("", Some(125)), "{name} {errno}: {err}");
        let sentence =
            err.strip_prefix("stockade: this host lacks ").unwrap_or_else(|| panic!("{name}: {err}"));
        assert_eq!(err.lines().count(), 2, "{err}");
        assert!(err.ends_with("\n  hint: `stockade doctor` looks at the whole host\n"), "{err}");
        let (report, err, status) = launcher.stockade(&[nr], errno, &["doctor"]);
        assert_eq!(status, Some(1), "{name} {errno}: {report}{err}");
        let missing = report.lines().find_map(|line| line.strip_prefix("missing  ")).unwrap();
        let (feature, detail) = missing.split_once("  ").unwrap();
        assert!(
            sentence.starts_with(feature) && sentence.contains(detail.trim()),
            "{name}: {sentence}{missing}"
        );
        sentence.to_owned()
    };
    for nr in [
        nr::process_vm_readv,
        nr::ftruncate,
        nr::getuid,
        nr::socket,
        nr::pivot_root,
        nr::move_mount,
        nr::landlock_restrict_self,
        nr::pidfd_send_signal,
        nr::flock,
        nr::timerfd_create,
    ] {
        for errno in [EPERM, ENOSYS] {
            let sentence = named(nr, errno);
            let name = nr::name(nr.into()).unwrap();
            assert!(
                sentence.contains(&format!("the inherited seccomp filter refuses {name};")),
                "{sentence}"
            );
        }
    }
    let sentence = named(nr::pivot_root, KILL);
    assert!(sentence.contains("the inherited seccomp filter refuses pivot_root;"), "{sentence}");
    assert!(named(nr::seccomp, EPERM).contains("refuses seccomp"));
    assert!(named(nr::unshare, EPERM).contains("refuses unshare"));
}

/// What programs inside meet now and then is a limit of this host's, not a hindrance.
#[test]
fn what_is_wanted_now_and_then_is_a_limit() {
    let launcher = Launcher::new();
    let calls = [nr::copy_file_range, nr::fallocate];
    let (report, _, status) = launcher.stockade(&calls, ENOSYS, &["doctor"]);
    assert_eq!(status, Some(0), "{report}");
    assert!(report.contains("refuses fallocate, copy_file_range: programs inside"), "{report}");
    let (out, err, status) = launcher.stockade(
        &calls,
        ENOSYS,
        &["do", "--", "sh", "-c", "echo here > /tmp/x; cp /tmp/x /tmp/y; cat /tmp/y"],
    );
    assert_eq!((out.as_str(), status), ("here\n", Some(0)), "{err}");
}

/// Root that may not set capabilities of files cannot map itself: a container that dropped all of them.
#[test]
fn root_without_capabilities_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stockade = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(env!("CARGO_BIN_EXE_stockade"));
        run(command.args(args))
    };
    let (report, _, status) = stockade(&["doctor"]);
    let cause = "mapping them failed: Operation not permitted (os error 1) (root without CAP_SETFCAP cannot even map itself)";
    assert!(report.contains(cause) && status == Some(1), "{report}");
    let (_, err, status) = stockade(&["do", "true"]);
    assert!(
        err.starts_with("stockade: this host lacks ids mapped in a user namespace") && err.contains(cause),
        "{err}"
    );
    assert_eq!(status, Some(125));
}
