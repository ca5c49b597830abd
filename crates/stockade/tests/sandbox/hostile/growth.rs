//! What programs make and unmake leaves nothing behind in the sentry, and however deep it was, does not stop it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use super::compile;
use crate::processes::{descendants, status};
use crate::stockade_do;

/// Kilobytes that the sentry may have more after a second time: what its allocator does not find again.
const SLACK: u64 = 600;

/// `growth.c` in a sandbox.
struct Growth {
    child: Child,
    script: ChildStdin,
    said: BufReader<ChildStdout>,
    _volume: tempfile::TempDir,
}

impl Growth {
    fn start() -> Self {
        let volume = tempfile::tempdir().unwrap();
        std::fs::set_permissions(volume.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        compile("growth", &["-static"], volume.path());
        let mapped = format!("{}:/volume", volume.path().display());
        let options = ["--uid=0", "--gid=0", "--quiet", "--memory=256M", "--volume", &mapped];
        let mut command = stockade_do(&options);
        command.args(["--", "/volume/growth"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (script, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, script, said, _volume: volume }
    }

    fn run(&mut self, kind: &str, count: usize) {
        writeln!(self.script, "{kind} {count}").unwrap();
        let mut said = String::new();
        self.said.read_line(&mut said).unwrap();
        assert_eq!(said.trim_end(), kind);
    }

    /// Kilobytes of memory of the sentry's own.
    fn memory(&self) -> u64 {
        let sentry = descendants(self.child.id().cast_signed())[0];
        // The last task's thread has still to go.
        std::thread::sleep(Duration::from_millis(200));
        let text = status(sentry, "RssAnon").unwrap();
        text.strip_suffix(" kB").unwrap().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.script);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn what_is_gone_takes_no_memory() {
    let mut growth = Growth::start();
    for (kind, count) in [("namespaces", 300), ("copies", 600), ("mounts", 600), ("messages", 100)] {
        growth.run(kind, count);
        let before = growth.memory();
        growth.run(kind, count);
        let after = growth.memory();
        assert!(after <= before + SLACK, "{kind}: {before} kB, then {after} kB");
    }
    growth.end();
}

#[test]
fn trees_may_be_deeper_than_the_stack() {
    let mut growth = Growth::start();
    for (kind, count) in [("deep-directories", 20_000), ("deep-mounts", 20_000), ("deep-volumes", 3_000)] {
        growth.run(kind, count);
    }
    growth.end();
}
