//! By runsc, whose containers are made of bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use serde_json::json;

use super::{Program, timed, wait_until_ready};
use crate::environment::Environment;

/// A program, and where its bundle and images are.
pub(super) struct Runsc<'a> {
    dir: &'a Path,
    program: Program,
    bundle: PathBuf,
}

/// A container that is deleted when this is dropped.
struct Container<'a>(&'a Runsc<'a>, &'static str);

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let mut command = self.0.command("delete");
        command.args(["-force", self.1]);
        if let Err(e) = timed(command) {
            eprintln!("a container is left: {e:#}");
        }
    }
}

impl<'a> Runsc<'a> {
    /// With the root of the host, and in `dir`.
    pub(super) fn new(dir: &'a Path, program: Program) -> Result<Self> {
        let bundle = dir.join(format!("bundle-{}", program.name()));
        fs::create_dir_all(&bundle)?;
        let config = json!({
            "ociVersion": "1.0.0",
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": program.argv(),
                "env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
                "cwd": dir,
            },
            "root": { "path": "/" },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
            "linux": { "namespaces": [] },
        });
        fs::write(bundle.join("config.json"), config.to_string())?;
        Ok(Self { dir, program, bundle })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new("runsc");
        command.arg("--root").arg(self.dir.join("runsc")).args(Environment::RUNSC).arg(what);
        command.current_dir(self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn start(&self) -> Result<Container<'_>> {
        let _ = fs::remove_file(self.dir.join("ready"));
        let mut command = self.command("run");
        command.arg("--detach").arg("--bundle").arg(&self.bundle).arg("saved");
        let container = Container(self, "saved");
        timed(command)?;
        wait_until_ready(self.dir, self.program, || false)?;
        Ok(container)
    }

    fn checkpoint(&self, to: &Path) -> Result<f64> {
        let _container = self.start()?;
        fs::create_dir_all(to)?;
        let mut command = self.command("checkpoint");
        command.arg("--image-path").arg(to).arg("saved");
        timed(command)
    }

    pub(super) fn save(&self) -> Result<f64> {
        let image = self.dir.join("checkpoint");
        let spent = self.checkpoint(&image)?;
        fs::remove_dir_all(image)?;
        Ok(spent)
    }

    /// The image is made once.
    pub(super) fn restore(&self) -> Result<f64> {
        let image = self.dir.join(format!("checkpoint-{}", self.program.name()));
        if !image.exists() {
            self.checkpoint(&image)?;
        }
        if fs::read_dir(&image)?.next().is_none() {
            bail!("there is no image of {}", self.program.name());
        }
        let _container = Container(self, "copy");
        let mut command = self.command("restore");
        command.arg("--detach").arg("--image-path").arg(&image).arg("--bundle").arg(&self.bundle).arg("copy");
        timed(command)
    }
}
