//! Processes of the host, as /proc shows them, and a sandbox that is looked at while it runs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// A field of `/proc/PID/status`.
pub(crate) fn status(pid: i32, key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// What a process is called; none if it has ended, even if nobody has waited for it.
pub(crate) fn name_of(pid: i32) -> Option<String> {
    if status(pid, "State")?.starts_with(['Z', 'X']) { None } else { status(pid, "Name") }
}

/// A process's descendants, parents before children.
pub(crate) fn descendants(of: i32) -> Vec<i32> {
    let all: Vec<(i32, i32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, status(pid, "PPid")?.parse().ok()?)))
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

/// A running sandbox; it is killed when this is dropped.
pub(crate) struct Live {
    child: Option<Child>,
    /// The process that the host sees as the child of the front's.
    pub sentry: i32,
}

impl Live {
    /// Starts a sandbox whose program says "ready" in a line of its standard output when there is something to see.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let sentry = descendants(child.id().cast_signed()).first().copied();
        let live = Self { child: Some(child), sentry: sentry.unwrap_or_default() };
        assert_eq!(line, "ready\n");
        live
    }

    /// The zygote and the stubs.
    pub(crate) fn stubs(&self) -> Vec<i32> {
        descendants(self.sentry)
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
