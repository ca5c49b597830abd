//! Sandboxes that outlive the command that made them.

mod ends;
mod life;
mod output;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::control::until;

/// A state directory; what still runs in it ends with it.
pub(crate) struct State(tempfile::TempDir);

impl State {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn stockade(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
        command.arg("--state-dir").arg(self.path()).args(args);
        command
    }

    /// Standard output, standard error and exit status.
    pub(crate) fn run(&self, args: &[&str]) -> (String, String, Option<i32>) {
        crate::run(&mut self.stockade(args))
    }

    /// Starts a shell script, detached, under this name.
    pub(crate) fn start(&self, id: &str, options: &[&str], script: &str) {
        let args = [&["do", "--detach", "--id", id], options, &["--", "sh", "-c", script]].concat();
        assert_eq!(self.run(&args), (format!("{id}\n"), String::new(), Some(0)));
    }

    pub(crate) fn record(&self, id: &str) -> Option<Value> {
        let (stdout, _, status) = self.run(&["state", id]);
        (status == Some(0)).then(|| serde_json::from_str(&stdout).unwrap())
    }

    pub(crate) fn wait_for_end(&self, id: &str) -> Value {
        let stopped = || self.record(id).is_some_and(|r| r["status"] == "stopped");
        until("the sandbox stops", stopped);
        self.record(id).unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let (stdout, ..) = self.run(&["list", "-q"]);
        stdout.lines().map(str::to_owned).collect()
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.path().join(id)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for id in self.ids() {
            drop(self.run(&["delete", "--force", &id]));
        }
    }
}

/// The process id in a record.
pub(crate) fn pid(record: &Value, field: &str) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(record[field].as_i64().unwrap() as i32).unwrap()
}
