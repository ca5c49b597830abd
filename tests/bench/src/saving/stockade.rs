//! By Stockade.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use stockade_control::client::Client;

use super::{Program, Running, timed, wait_until_ready};
use crate::memory;

/// Until copies have settled.
const SETTLED: Duration = Duration::from_secs(3);

/// Its command, and where its state and images are.
pub(super) struct Stockade<'a> {
    pub(super) program: &'a Path,
    pub(super) dir: &'a Path,
}

impl Stockade<'_> {
    /// To be continued.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--state-dir").arg(self.dir.join("state")).current_dir(self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn start(&self, program: Program) -> Result<Running> {
        let _ = fs::remove_file(self.dir.join("ready"));
        let mut command = self.command();
        command.args(["do", "-q", "--id", program.name(), "-v"]).arg(self.dir);
        command.args(["--memory", "4G", "--"]).args(program.argv()).process_group(0);
        let mut running = Running(command.spawn()?);
        wait_until_ready(self.dir, program, || !matches!(running.0.try_wait(), Ok(None)))?;
        Ok(running)
    }

    pub(super) fn save(&self, program: Program) -> Result<f64> {
        let _running = self.start(program)?;
        let image = self.dir.join("saved");
        let mut command = self.command();
        command.args(["save", "--leave-running", program.name()]).arg(&image);
        let spent = timed(command)?;
        fs::remove_file(image)?;
        Ok(spent)
    }

    /// The image of a program, which is made once.
    fn image(&self, program: Program) -> Result<PathBuf> {
        let image = self.dir.join(format!("image-{}", program.name()));
        if !image.exists() {
            let _running = self.start(program)?;
            let mut command = self.command();
            command.args(["save", program.name()]).arg(&image);
            timed(command)?;
        }
        Ok(image)
    }

    pub(super) fn restore(&self, program: Program, count: usize) -> Result<f64> {
        let (spent, names) = self.copies(program, count)?;
        self.delete(names)?;
        Ok(spent)
    }

    /// Restores so many: how long it takes, and their names.
    fn copies(&self, program: Program, count: usize) -> Result<(f64, Vec<String>)> {
        let image = self.image(program)?;
        let names = match count {
            1 => vec!["copy".to_owned()],
            _ => (1..=count).map(|n| format!("copy-{n}")).collect(),
        };
        let mut command = self.command();
        command.args(["restore", "--detach", "--rm", "--id", "copy"]);
        if count > 1 {
            command.args(["--count", &count.to_string()]);
        }
        command.arg(&image);
        Ok((timed(command)?, names))
    }

    fn delete(&self, names: Vec<String>) -> Result<()> {
        for name in names {
            let mut command = self.command();
            command.args(["delete", "--force", &name]);
            timed(command)?;
        }
        Ok(())
    }

    /// Bytes of memory that one of so many copies takes.
    pub(super) fn memory(&self, program: Program, count: usize) -> Result<f64> {
        let (_, names) = self.copies(program, count)?;
        thread::sleep(SETTLED);
        let total = self.total(&names);
        self.delete(names)?;
        Ok(total? / count as f64)
    }

    /// Of all processes of these sandboxes. They are not asked themselves, lest they take memory to answer.
    fn total(&self, names: &[String]) -> Result<f64> {
        let families = memory::families();
        let mut total = 0.0;
        for name in names {
            let state = fs::read(self.dir.join("state").join(name).join("state.json"))?;
            let state: serde_json::Value = serde_json::from_slice(&state)?;
            let front = state["front"].as_u64().and_then(|front| u32::try_from(front).ok());
            for pid in families.of(front.context("a copy without a front")?) {
                total += memory::own(pid).context("a copy is gone")?;
            }
        }
        Ok(total)
    }

    pub(super) fn pause(&self, program: Program) -> Result<f64> {
        let _running = self.start(program)?;
        let socket = self.dir.join("state").join(program.name()).join("control.sock");
        let mut client = Client::connect(&socket)?;
        let start = Instant::now();
        client.pause()?;
        Ok(start.elapsed().as_nanos() as f64)
    }
}
