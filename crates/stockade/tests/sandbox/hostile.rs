//! Programs that do what no program should.

mod growth;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::processes::{descendants, name_of, status};
use crate::stockade_do;

/// Kilobytes of memory of its own that the sentry may have at any time: that many, whatever is asked of it.
const SENTRY_MEMORY: u64 = 160 << 10;

/// Compiles a program of `hostile/`.
pub(crate) fn compile(name: &str, options: &[&str], into: &Path) {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/hostile").join(name).with_extension("c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result"]).args(options);
    assert!(gcc.arg("-o").arg(into.join(name)).arg(source).status().unwrap().success());
}

/// Every system call with hostile arguments: nothing stops, nothing grows without bound, and the sandbox works afterwards.
/// `STOCKADE_HOSTILE=SEED,SECONDS` has it go on for longer.
#[test]
fn every_system_call_with_hostile_arguments() {
    let wanted = std::env::var("STOCKADE_HOSTILE").unwrap_or_else(|_| "1,12".into());
    let (seed, seconds) = wanted.split_once(',').unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    compile("calls", &["-static", "-pthread"], dir.path());
    let volume = format!("{}:/mnt:ro", dir.path().display());
    let options = ["--uid=0", "--gid=0", "--memory=512M", "--disk=64M", "--pids=200", "--quiet"];
    let script = format!("/mnt/calls {seed} {seconds}000 && seq 3 | sort -r | tr '\\n' ' ' && exec ls /mnt");
    let mut command = stockade_do(&options);
    command.args(["--volume", &volume, "--", "sh", "-c", &script]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let patience = Duration::from_secs(seconds.parse::<u64>().unwrap() + 60);
    let mut sentry = None;
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
        sentry = sentry.or_else(|| descendants(child.id().cast_signed()).first().copied());
        let own = sentry.and_then(|pid| status(pid, "RssAnon"));
        let own = own.and_then(|text| text.strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
        most = own.max(most);
        if own > SENTRY_MEMORY || begin.elapsed() > patience {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("the sentry has {own} kB after {:?}: {output:?}", begin.elapsed());
        }
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(said.ends_with("calls, 0 numbers never\n3 2 1 calls\n"), "{said}");
    assert!(most > 0 && name_of(sentry.unwrap()).is_none());
    println!("{said}at most {most} kB");
}
