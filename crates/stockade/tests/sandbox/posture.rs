//! A running sandbox from outside: what its processes hold on the host, and that what the program does to itself happens
//! to none of them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::processes::{Live, name_of, status};
use crate::stockade_do;

const NAMESPACES: [&str; 6] = ["user", "mnt", "pid", "net", "ipc", "uts"];
/// CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID
const FILE_CAPABILITIES: u64 = 0x1f;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn link(pid: i32, name: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/{name}")).ok()
}

fn descriptors(pid: i32) -> Option<Vec<PathBuf>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect())
}

/// Whether it is the sandbox's own log, which the front opened for the sentry: two files in the sandbox's directory.
fn is_own_log(path: &Path) -> bool {
    let is_own = |dir: &Path| dir.join("control.sock").exists() && dir.join("state.json").exists();
    path.parent().is_some_and(is_own)
        && path.file_name().is_some_and(|name| name == "sentry.log" || name == "sentry.log.1")
}

/// A sandbox whose program has done to itself whatever leaves traces, and sleeps.
fn changed() -> Live {
    let text = "
import ctypes, os, resource, signal, socket, sys
libc = ctypes.CDLL(None)
libc.prctl(15, b'renamed', 0, 0, 0)
os.nice(7)
os.umask(0o123)
os.chdir('/usr/bin')
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))
keep = [open('/etc/passwd'), socket.socket(socket.AF_UNIX), os.pipe(), os.memfd_create('mine')]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
if os.fork() == 0:
    os.setsid()
    os.chroot('/usr')
    os.setgroups([4711])
    os.setresuid(4712, 4712, 4712)
    os.write(1, b'ready\\n')
signal.pause()
";
    Live::start(stockade_do(&["--uid", "0", "--gid", "0"]).args(["--", "python3", "-c", text]))
}

#[test]
fn nothing_is_held_that_is_not_needed() {
    let script = "echo ready; /bin/sleep 1000; exit";
    let live =
        Live::start(stockade_do(&["--root", "/usr", "--cwd", "/"]).args(["--", "/bin/sh", "-c", script]));
    // sleep(1) has to be loaded.
    std::thread::sleep(Duration::from_millis(500));
    let own = std::process::id().cast_signed();
    let mut stubs = live.stubs();
    // One that has ended may not have been waited for yet.
    stubs.retain(|&pid| name_of(pid).is_some());
    // The zygote, the stubs of two processes, and the one that waits for the next program.
    assert_eq!(stubs.len(), 4);
    for &pid in stubs.iter().chain([&live.sentry]) {
        let is_sentry = pid == live.sentry;
        let who = name_of(pid).unwrap();
        let field = |key| status(pid, key).unwrap();
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".into(), "2".into()), "{who}");
        for key in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            let set = u64::from_str_radix(&field(key), 16).unwrap();
            let allowed = if is_sentry && is_root() { FILE_CAPABILITIES } else { 0 };
            assert_eq!(set & !allowed, 0, "{key} of {who}");
        }
        // What an ordinary user may not look at it may not use either. The sentry has to look into stubs.
        assert!(
            !is_sentry || is_root() || fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid() == 0,
            "{who}"
        );
        for name in NAMESPACES.map(|name| format!("ns/{name}")) {
            if let Some(theirs) = link(pid, &name) {
                assert_ne!(Some(theirs), link(own, &name), "{name} of {who}");
            }
        }
        if let Ok(root) = fs::read_dir(format!("/proc/{pid}/root")) {
            assert_eq!(root.count(), 0, "the root of {who}");
        }
        let Some(held) = descriptors(pid) else { continue };
        let is_expected = |path: &Path| {
            let text = path.to_string_lossy();
            // What has no name; the streams; proc's root; its own program; and what is open beneath the tree that was given: its mount is
            // nowhere, so that names begin there.
            ["socket:", "pipe:", "anon_inode:", "/memfd:"].iter().any(|kind| text.starts_with(kind))
                || is_sentry && ["/", "/dev/null"].contains(&&*text)
                || is_sentry && is_own_log(path)
                || is_sentry && path.file_name().is_some_and(|name| name == "stockade")
                || is_sentry && Path::new("/usr").join(&text[1..]).exists()
        };
        let strange: Vec<_> = held.iter().filter(|path| !is_expected(path)).collect();
        assert!(strange.is_empty(), "{who} holds {strange:?}");
        assert!(is_sentry || held.len() <= 2, "{who} holds {held:?}");
    }
}

#[test]
fn what_the_program_does_to_itself_happens_to_no_process_of_the_host() {
    let live = changed();
    let own = std::process::id().cast_signed();
    for pid in live.stubs().into_iter().chain([live.sentry]) {
        let Some(who) = name_of(pid) else { continue };
        assert_ne!(who, "renamed");
        let field = |pid, key| status(pid, key).unwrap();
        assert_ne!(field(pid, "Umask"), "0123", "{who}");
        assert!(!field(pid, "Groups").contains("4711") && !field(pid, "Uid").contains("4712"), "{who}");
        let stat = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let nice = |pid| stat(pid).rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().to_owned();
        assert_eq!(nice(pid), nice(own), "{who}");
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        assert!(
            !limits.lines().any(|line| line.starts_with("Max open files") && line.contains(" 77 ")),
            "{who}"
        );
        assert!(link(pid, "cwd").is_none_or(|cwd| cwd == Path::new("/")), "{who}");
        let mine = |held: Vec<PathBuf>| held.iter().any(|path| path.to_string_lossy().contains("memfd:mine"));
        assert!(!descriptors(pid).is_some_and(mine), "{who}");
    }
}
