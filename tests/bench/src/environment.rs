//! Where work is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::work::told;

/// A way to run a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Native,
    Stockade(PathBuf),
    Bwrap,
    Runsc,
}

impl Environment {
    /// How runsc is run.
    pub(crate) const RUNSC: [&str; 3] = ["--platform=ptrace", "--network=none", "--ignore-cgroups"];

    /// Native, and those of `peers` that are installed.
    pub(crate) fn all(stockade: &Path, peers: &[String]) -> Result<Vec<Self>> {
        let mut all = vec![Self::Native];
        for peer in peers {
            let one = match peer.as_str() {
                "stockade" => Self::Stockade(stockade.to_path_buf()),
                "bwrap" => Self::Bwrap,
                "runsc" => Self::Runsc,
                other => bail!("{other}: no such environment: stockade, bwrap and runsc are known"),
            };
            let works = one.command("true", Path::new("/tmp")).status().is_ok_and(|s| s.success());
            match (works, &one) {
                (true, _) => all.push(one),
                (false, Self::Stockade(path)) => {
                    bail!("{} does not run: build it with cargo build --release", path.display())
                }
                (false, _) => eprintln!("{peer} does not run here, and is left out"),
            }
        }
        Ok(all)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Stockade(_) => "stockade",
            Self::Bwrap => "bwrap",
            Self::Runsc => "runsc",
        }
    }

    /// Whether starting it takes so long that it is done less often.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self, Self::Runsc)
    }

    /// What the work program says of `work` while a CPU profile of the sandbox is taken; none but for Stockade.
    pub(crate) fn profiled(&self, program: &str, work: &str, dir: &Path) -> Result<Option<f64>> {
        let Self::Stockade(path) = self else { return Ok(None) };
        let state = dir.join("state");
        let stockade = || {
            let mut command = Command::new(path);
            command.arg("--state-dir").arg(&state).current_dir(dir).stderr(Stdio::null());
            command
        };
        let script = "read begin; exec \"$0\" \"$1\"";
        let mut sandbox = stockade()
            .args(["do", "-q", "--id", "profiled", "--", "/bin/sh", "-c", script, program, work])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        while !stockade().args(["profile", "profiled", "stacks"]).stdout(Stdio::null()).status()?.success() {
            if sandbox.try_wait()?.is_some() {
                bail!("the sandbox that is to be profiled has ended");
            }
        }
        let mut profile =
            stockade().args(["profile", "profiled", "cpu", "-d", "60s", "-o", "/dev/null"]).spawn()?;
        // It has begun by then.
        std::thread::sleep(Duration::from_millis(200));
        // Standard input is closed with this, for which the shell waits.
        drop(sandbox.stdin.take());
        let output = sandbox.wait_with_output()?;
        profile.wait()?;
        told(&output).map(Some)
    }

    /// A command that runs `program` there, with the root of the host and in `dir`.
    pub(crate) fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = match self {
            Self::Native => Command::new(program),
            Self::Stockade(path) => {
                let mut c = Command::new(path);
                c.args(["do", "-q", "--", program]);
                c
            }
            Self::Bwrap => {
                let mut c = Command::new("bwrap");
                c.args(["--dev-bind", "/", "/", "--unshare-all", "--die-with-parent", program]);
                c
            }
            Self::Runsc => {
                let mut c = Command::new("runsc");
                c.args(Self::RUNSC).args(["do", program]);
                c
            }
        };
        command.current_dir(dir).stdin(Stdio::null());
        command
    }
}
