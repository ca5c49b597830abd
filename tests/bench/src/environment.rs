//! Where work is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A way to run a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Native,
    Stockade(PathBuf),
    Bwrap,
    Runsc,
}

impl Environment {
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
                c.args(["--platform=ptrace", "--network=none", "--ignore-cgroups", "do", program]);
                c
            }
        };
        command.current_dir(dir).stdin(Stdio::null());
        command
    }
}
